"""Go programs of the tests that need nothing but Go's standard library."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

_BUILD_SCRIPT = Path(__file__).with_name("build_go.sh")


@cache
def build(name: str) -> Path:
    """Compile what is in `tests/<name>`, unless this machine has it already; where the program is."""
    result = subprocess.run([str(_BUILD_SCRIPT), name], stdout=subprocess.PIPE, text=True, check=True)
    return Path(result.stdout.strip())

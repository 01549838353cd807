"""gatekeeper-library's own suites, run unchanged.

The data are not part of the project: ``FLEETGATE_CONFORMANCE`` names the directory that holds ``gatekeeper-library``,
by default ``../shared/conformance``. Where it is absent the test is skipped with a line that says so;
``FLEETGATE_CONFORMANCE_REQUIRED=1`` makes that a failure.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FLEETGATE = Path(sys.executable).with_name("fleetgate")
DEFAULT = Path(__file__).parents[3] / "shared" / "conformance"
SUITES = 33
CASES = 154


@pytest.fixture(scope="module")
def library() -> Path:
    path = Path(os.environ.get("FLEETGATE_CONFORMANCE") or DEFAULT, "gatekeeper-library")
    if path.is_dir():
        return path
    missing = f"conformance data are absent: {path} (FLEETGATE_CONFORMANCE)"
    if os.environ.get("FLEETGATE_CONFORMANCE_REQUIRED") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


def test_every_shared_suite_passes(library: Path) -> None:
    done = subprocess.run(
        [FLEETGATE, "verify", f"{library}/...", "-o", "json"], capture_output=True, text=True, timeout=110, check=False
    )
    suites = json.loads(done.stdout)
    failed = [suite for suite in suites if suite["outcome"] != "passed"]
    assert failed == [], json.dumps(failed, indent=2)
    assert len(suites) == SUITES
    assert done.returncode == 0
    ran = [case for suite in suites for test in suite["tests"] for case in test["cases"]]
    assert all(case["outcome"] == "passed" for case in ran)
    assert len(ran) == CASES

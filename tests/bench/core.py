"""The core in process: the benchmark that stands beside the core's sources, built and run by cargo."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from tests.bench import workload

COMMAND = ["cargo", "bench", "--quiet", "--locked", "--package", "fleetgate-core", "--bench", "workload_w"]


def measure() -> dict[str, Any]:
    """Run it and return its report; raises RuntimeError where it does not build or run."""
    environment = {**os.environ, "FLEETGATE_WORKLOADS": str(workload.directory().parent)}
    result = subprocess.run(
        COMMAND, cwd=workload.ROOT / "native", env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(COMMAND)} failed:\n{result.stderr[-3000:]}")
    report: dict[str, Any] = json.loads(result.stdout)
    return report

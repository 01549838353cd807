"""The core in process: the benchmarks that stand beside the core's sources, built and run by cargo."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from tests.bench import workload

COMMAND = ["cargo", "bench", "--quiet", "--locked", "--package", "fleetgate-core", "--bench"]


def measure() -> dict[str, Any]:
    """Decide workload W and return the report; raises RuntimeError where the benchmark does not build or run."""
    return _run("workload_w", {"FLEETGATE_WORKLOADS": str(workload.directory().parent)})


def measure_loading() -> dict[str, Any]:
    """Load gatekeeper-library's templates and return the report; raises RuntimeError as `measure` does."""
    return _run("load_library", {"FLEETGATE_CONFORMANCE": str(workload.conformance())})


def _run(benchmark: str, variables: dict[str, str]) -> dict[str, Any]:
    command = [*COMMAND, benchmark]
    result = subprocess.run(
        command,
        cwd=workload.ROOT / "native",
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{result.stderr[-3000:]}")
    report: dict[str, Any] = json.loads(result.stdout)
    return report

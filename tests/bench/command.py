"""What `fleetgate --help` takes, beside a Python that imports nothing: it is typed, waited for, and typed again."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TypedDict

RUNS = 11
BAR_SECONDS = 0.4
FLEETGATE = Path(sys.executable).with_name("fleetgate")


class CommandReport(TypedDict):
    """Seconds from start to end, medians of alternating runs."""

    help: float
    floor: float
    barKept: bool


def measure() -> CommandReport:
    """Run both in turns."""
    helps: list[float] = []
    floors: list[float] = []
    for _ in range(RUNS):
        floors.append(_seconds(sys.executable, "-c", "pass"))
        helps.append(_seconds(str(FLEETGATE), "--help"))
    took = statistics.median(helps)
    return {"help": took, "floor": statistics.median(floors), "barKept": took <= BAR_SECONDS}


def _seconds(*command: str) -> float:
    begun = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True, timeout=60)
    return time.perf_counter() - begun

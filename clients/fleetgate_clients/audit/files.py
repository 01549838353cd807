"""Reports in files."""

from __future__ import annotations

import sys
from pathlib import Path

from fleetgate_clients.audit.document import ReportError, from_json
from fleetgate_clients.audit.report import Report
from fleetgate_clients.inventory.service import fail

STANDARD_INPUT = "-"


def read_report(name: str) -> Report:
    """Read a report from a file, or from standard input. Ends the command, exit code 2, where there is none."""
    try:
        text = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
    except OSError as error:
        fail(f"{name}: {error.strerror}")
    try:
        return from_json(text)
    except ReportError as error:
        fail(f"{'standard input' if name == STANDARD_INPUT else name}: {error}")

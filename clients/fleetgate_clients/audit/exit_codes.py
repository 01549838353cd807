"""What a command's exit code says of an audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgate_clients.audit.report import Effect

if TYPE_CHECKING:
    from fleetgate_clients.audit.report import Report

CLEAN = 0
VIOLATED = 1
UNUSABLE = 2
PARTIAL = 3
WARNED = 4
INTERRUPTED = 130


def exit_code(report: Report, *, fail_on_warn: bool = False, exit_zero: bool = False) -> int:
    """Partial before violated before warned; what the baseline knows does not count.

    ``exit_zero`` forgives violations and warnings, never that a part of the fleet was not seen.
    """
    if not report.complete:
        return PARTIAL
    if exit_zero:
        return CLEAN
    if report.counts.new[Effect.DENY]:
        return VIOLATED
    return WARNED if fail_on_warn and report.counts.new[Effect.WARN] else CLEAN

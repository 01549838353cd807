"""The canonical JSON report, written while the run goes on: a line per violation, sums last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgate_clients.audit.document import head_json, problem_json, tail_json, violation_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetgate_clients.audit.report import Report, Run, Violation


class JsonReport:
    """See the module."""

    def __init__(self) -> None:
        self._is_empty = True

    def begin(self, run: Run) -> str:
        """Return what is known when a run starts, and the beginning of the violations."""
        return f'{head_json(run)[:-1]},\n"violations":['

    def violation(self, violation: Violation) -> str:
        """Return one."""
        comma, self._is_empty = ("" if self._is_empty else ","), False
        return f"{comma}\n{violation_json(violation)}"

    def end(self, report: Report) -> str:
        """Return what was not judged, and the sums."""
        errors = _lines(map(problem_json, report.errors))
        return f'{"" if self._is_empty else chr(10)}],\n"errors":[{errors}],\n{tail_json(report)[1:]}\n'


def _lines(items: Iterable[str]) -> str:
    text = ",\n".join(items)
    return f"\n{text}\n" if text else ""

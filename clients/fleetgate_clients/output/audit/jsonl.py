"""JSON lines: the run, each violation, each object without an answer, the summary; ``type`` says which.

A stream that ends without a summary was cut off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgate_clients.audit.document import head_json, problem_json, tail_json, violation_json

if TYPE_CHECKING:
    from fleetgate_clients.audit.report import Report, Run, Violation


class JsonLines:
    """See the module."""

    def begin(self, run: Run) -> str:
        """Return the line of type ``run``."""
        return _line("run", head_json(run))

    def violation(self, violation: Violation) -> str:
        """Return a line of type ``violation``, with the report's fields."""
        return _line("violation", violation_json(violation))

    def end(self, report: Report) -> str:
        """Return lines of type ``error``, and one of type ``summary``: the report without its findings."""
        errors = "".join(_line("error", problem_json(problem)) for problem in report.errors)
        return errors + _line("summary", tail_json(report))


def _line(name: str, fields: str) -> str:
    return f'{{"type":"{name}",{fields[1:]}\n'

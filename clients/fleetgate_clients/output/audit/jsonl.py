"""JSON lines: the run, each violation, each object without an answer, the summary; ``type`` says which.

A stream that ends without a summary was cut off.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fleetgate_clients.audit.document import policies_document, problem_document, to_head, violation_document
from fleetgate_clients.output.documents import safe_json

if TYPE_CHECKING:
    from fleetgate_clients.audit.report import Report, Run, Violation


class JsonLines:
    """See the module."""

    def begin(self, run: Run) -> str:
        """Return the line of type ``run``."""
        started = {"id": run.id, "startedAt": run.started_at}
        return _line("run", {"run": started, "policies": policies_document(run), "clusters": list(run.clusters)})

    def violation(self, violation: Violation) -> str:
        """Return a line of type ``violation``, with the report's fields."""
        return _line("violation", violation_document(violation))

    def end(self, report: Report) -> str:
        """Return lines of type ``error``, and one of type ``summary``: the report without its findings."""
        errors = [_line("error", problem_document(problem)) for problem in report.errors]
        return "".join(errors) + _line("summary", to_head(report))


def _line(name: str, fields: dict[str, Any]) -> str:
    return safe_json(json.dumps({"type": name, **fields}, ensure_ascii=False, separators=(",", ":"))) + "\n"

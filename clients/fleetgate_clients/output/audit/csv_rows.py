"""CSV (RFC 4180, a heading first), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING

from fleetgate_clients.output.terminal import printable

if TYPE_CHECKING:
    from fleetgate_clients.audit.report import ConstraintName, ObjectName, Report, Run, Violation

COLUMNS = (
    "type",
    "cluster",
    "apiVersion",
    "kind",
    "namespace",
    "name",
    "constraintKind",
    "constraintName",
    "scope",
    "action",
    "message",
    "details",
    "owner",
    "firstSeen",
    "lastSeen",
    "known",
)

_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for a formula at the start of a cell. Controls, tabs among them, are escaped anyway."""


class CsvRows:
    """A row of type ``violation`` for each; then ``error`` for what was not judged, ``incomplete`` for clusters."""

    def begin(self, run: Run) -> str:  # noqa: ARG002 (the heading is always the same)
        """Return the heading."""
        return _row(COLUMNS)

    def violation(self, violation: Violation) -> str:
        """Return a row."""
        action = ",".join(violation.actions) or violation.action
        return _row(
            (
                "violation",
                *_object(violation.object),
                *_constraint(violation.constraint),
                action,
                violation.message,
                violation.details,
                violation.object.owner,
                violation.first_seen,
                violation.last_seen,
                "true" if violation.known else "false",
            )
        )

    def end(self, report: Report) -> str:
        """Return the rows of what is missing: without them the file would look complete."""
        text = ""
        for problem in report.errors:
            text += _row(
                ("error", *_object(problem.object), *_constraint(problem.constraint), problem.reason, problem.message)
            )
        if report.reason:
            text += _row(("incomplete", *[""] * 9, report.reason))
        for cluster in report.clusters:
            if not cluster.complete:
                text += _row(("incomplete", cluster.name, *[""] * 8, cluster.reason))
            for kind in cluster.not_audited:
                api_version = f"{kind.group}/{kind.version}" if kind.group else kind.version
                text += _row(("not-audited", cluster.name, api_version, kind.kind, *[""] * 6, kind.reason))
        return text


def _object(found: ObjectName) -> tuple[str, ...]:
    return (found.cluster, found.api_version, found.kind, found.namespace, found.name)


def _constraint(constraint: ConstraintName | None) -> tuple[str, ...]:
    return ("", "", "") if constraint is None else (constraint.kind, constraint.name, constraint.scope)


def _row(values: tuple[str, ...]) -> str:
    out = StringIO()
    padded = [*values, *[""] * (len(COLUMNS) - len(values))]
    csv.writer(out, lineterminator="\n").writerow([_cell(value) for value in padded])
    return out.getvalue()


def _cell(value: str) -> str:
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text

"""Earlier runs, and when violations came and went."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from fleetgate_proto.v1 import audit_pb2

from fleetgate_clients.audit.collect import moment, violation_of
from fleetgate_clients.audit.document import head_json, parsed, tail_json, violation_json
from fleetgate_clients.audit.report import Effect, Report, effect_of
from fleetgate_clients.output.tables import Cell, Column, render_table

from .table import STYLES

if TYPE_CHECKING:
    from collections.abc import Sequence

_NEW = audit_pb2.ViolationChange.DIRECTION_NEW


def runs_table(reports: Sequence[Report], width: int | None, color: bool) -> str:
    """A row per run."""
    columns = [
        Column("STARTED"),
        Column("RUN"),
        Column("TOOK", label="took"),
        Column("GENERATION", label="generation"),
        Column("CLUSTERS", label="clusters"),
        Column("OBJECTS", label="objects"),
        Column("DENY", label="deny"),
        Column("WARN", label="warn"),
        Column("DRYRUN", label="dryrun"),
        Column("STATE"),
    ]
    rows: list[list[Cell | str]] = []
    for report in reports:
        counts = counted(report)
        rows.append(
            [
                report.run.started_at,
                report.run.id,
                _took(report),
                str(report.run.generation),
                str(len(report.clusters)),
                f"{report.objects:,}",
                *(
                    Cell(f"{counts[effect]:,}", STYLES[effect] if counts[effect] else "dim")
                    for effect in (Effect.DENY, Effect.WARN, Effect.DRYRUN)
                ),
                Cell("complete", "green") if report.complete else Cell("incomplete", "yellow"),
            ]
        )
    return render_table(columns, rows, width=width, color=color)


def counted(report: Report) -> dict[Effect, int]:
    """Violations by what they do, of the sums by Constraint: a remembered run has no others."""
    counts = dict.fromkeys(Effect, 0)
    for result in report.constraints:
        # What a scoped action does at the enforcement point is not remembered: as bad as it may be.
        effect = Effect.DENY if result.action == "scoped" else effect_of(result.action, ())
        counts[effect] += result.violations
    return counts


def run_document(report: Report) -> dict[str, Any]:
    """A run as a report's head."""
    document = {**parsed(head_json(report.run)), **parsed(tail_json(report))}
    document["summary"]["violations"] = {effect.value: count for effect, count in counted(report).items()}
    return document


def _took(report: Report) -> str:
    if not report.run.started_at or not report.ended_at:
        return ""
    took = datetime.fromisoformat(report.ended_at) - datetime.fromisoformat(report.run.started_at)
    return f"{took.total_seconds():.1f}s"


def changes_table(changes: Sequence[audit_pb2.ViolationChange], width: int | None, color: bool) -> str:
    """A row per change: ``+`` came, ``-`` went."""
    columns = [Column(title) for title in ("AT", "", "CLUSTER", "OBJECT", "ACTION", "CONSTRAINT")]
    columns.append(Column("MESSAGE", wraps=True))
    rows: list[list[Cell | str]] = []
    for change in changes:
        violation = violation_of(change.violation)
        rows.append(
            [
                moment(change, "at"),
                Cell("+", "red") if change.direction == _NEW else Cell("-", "green"),
                violation.object.cluster,
                str(violation.object),
                Cell(",".join(violation.actions) or violation.action, STYLES[violation.effect]),
                str(violation.constraint),
                violation.message,
            ]
        )
    return render_table(columns, rows, width=width, color=color)


def change_document(change: audit_pb2.ViolationChange) -> dict[str, Any]:
    """A change as JSON has it."""
    direction = "new" if change.direction == _NEW else "fixed"
    return {"change": direction, "at": moment(change, "at"), **parsed(violation_json(violation_of(change.violation)))}

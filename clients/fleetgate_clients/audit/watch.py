"""The continuous audit as text: what is violated, then each violation that comes (+) and goes (-)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fleetgate_proto.v1 import audit_pb2

from fleetgate_clients.audit.chosen import check_chosen
from fleetgate_clients.audit.collect import Collector, moment, violation_of
from fleetgate_clients.audit.document import violation_json
from fleetgate_clients.output.audit import Format, Look, line_writer, write
from fleetgate_clients.output.audit.table import STYLES
from fleetgate_clients.output.terminal import Color, Paint, wants_color, width_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetgate_clients.audit.service import Audits

_NEW = audit_pb2.ViolationChange.DIRECTION_NEW


def followed(service: Audits, scope: audit_pb2.AuditScope, output: Format, color: Color) -> Iterator[str]:
    """Yield text until the stream ends. Raises CutOff."""
    look = Look(width_of(sys.stdout), wants_color(color, sys.stdout))
    collector = Collector()
    for message in service.watch(audit_pb2.WatchAuditRequest(scope=scope), endless=True):
        match message.WhichOneof("message"):
            case "existing":
                collector.find(message.existing)
            case "synced":
                collector.end(message.synced)
                check_chosen(collector.report(), scope, service.constraints)
                yield from _existing(collector, output, look)
            case "changes":
                yield from (change_text(change, output, look) for change in message.changes.changes)


def _existing(collector: Collector, output: Format, look: Look) -> Iterator[str]:
    report = collector.report()
    writer = line_writer(output)
    if writer is None:
        yield from write(report, output, look)
        return
    yield writer.begin(report.run)
    yield from map(writer.violation, report.violations)
    yield writer.end(report)


def change_text(change: audit_pb2.ViolationChange, output: Format, look: Look) -> str:
    """A line: ``+`` or ``-``, when, and the violation; with jsonl an object of type ``new`` or ``fixed``."""
    violation = violation_of(change.violation)
    is_new = change.direction == _NEW
    at = moment(change, "at")
    if output is Format.JSONL:
        return f'{{"type":"{"new" if is_new else "fixed"}","at":"{at}",{violation_json(violation)[1:]}\n'
    paint = Paint(look.color)
    action = ",".join(violation.actions) or violation.action
    words = (
        paint("+", "red", "bold") if is_new else paint("-", "green", "bold"),
        paint(at, "dim"),
        paint(violation.object.cluster),
        paint(str(violation.object), "bold"),
        paint(action, STYLES[violation.effect]),
        paint(str(violation.constraint)),
        paint(violation.message),
    )
    return "  ".join(words) + "\n"

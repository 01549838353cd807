"""A what-if for people, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetgate_clients.audit.document import parsed, violation_json
from fleetgate_clients.output.tables import Cell, Column, render_table, wrapped
from fleetgate_clients.output.terminal import Paint, printable

from .table import STYLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetgate_clients.audit.comparison import Comparison, Verdict
    from fleetgate_clients.audit.report import Violation

    from . import Look

_CHANGES = {"newly denied": ("+", "red"), "newly allowed": ("-", "green"), "still denied": ("=", "dim")}


def comparison_parts(found: Comparison, look: Look) -> Iterator[str]:
    """Yield the counts by cluster, namespace and owner, then each object whose verdict changes, and why."""
    paint = Paint(look.color)
    for sentence in found.shortfalls():
        yield f"{paint('INCOMPLETE', 'yellow', 'bold')}  {printable(sentence)}\n"
    for sentence in found.kinds_not_reviewed():
        yield f"{paint('NOT REVIEWED', 'dim', 'bold')}  {printable(sentence)}\n"
    yield _counts(found, look)
    if found.verdicts:
        yield "\n"
    for verdict in sorted(found.verdicts, key=_order):
        yield from _verdict_lines(verdict, look, paint, written=found.written)
    yield _total(found, paint)


def _order(verdict: Verdict) -> tuple[str | int, ...]:
    """That of the table, and then the worst first."""
    found, changes = verdict.object, [*_CHANGES, "still allowed"]
    return (found.cluster, found.namespace, found.owner, changes.index(verdict.change), found.kind, found.name)


def _counts(found: Comparison, look: Look) -> str:
    if found.written:
        return _admissions(found, look)
    columns = [Column("CLUSTER"), Column("NAMESPACE"), Column("OWNER")]
    columns += [
        Column("NEWLY DENIED", label="newly denied"),
        Column("NEWLY ALLOWED", label="newly allowed"),
        Column("STILL DENIED", label="still denied"),
        Column("UNCHANGED", label="unchanged"),
    ]
    rows: list[list[Cell | str]] = [
        [
            count.cluster,
            count.namespace,
            count.owner,
            Cell(f"{count.newly_denied:,}", "red" if count.newly_denied else "dim"),
            Cell(f"{count.newly_allowed:,}", "green" if count.newly_allowed else "dim"),
            f"{count.still_denied:,}",
            f"{count.unchanged:,}",
        ]
        for count in (found.summary.counts if found.summary is not None else ())
        if count.newly_denied or count.newly_allowed or count.still_denied
    ]
    return render_table(columns, rows, width=look.width, color=look.color) if rows else ""


def _admissions(found: Comparison, look: Look) -> str:
    """Objects that would be written are admitted or not: what they are today is nothing."""
    columns = [Column("CLUSTER"), Column("NAMESPACE"), Column("OWNER")]
    columns += [Column("DENIED", label="would be denied"), Column("ADMITTED", label="would be admitted")]
    rows: list[list[Cell | str]] = []
    for count in found.summary.counts if found.summary is not None else ():
        denied, admitted = count.newly_denied + count.still_denied, count.newly_allowed + count.unchanged
        cell = Cell(f"{denied:,}", "red" if denied else "dim")
        rows.append([count.cluster, count.namespace, count.owner, cell, f"{admitted:,}"])
    return render_table(columns, rows, width=look.width, color=look.color) if rows else ""


def _verdict_lines(verdict: Verdict, look: Look, paint: Paint, *, written: bool) -> Iterator[str]:
    sign, style = _CHANGES.get(verdict.change, ("=", "dim"))
    change = verdict.change
    if written:
        sign, style = ("+", "green") if verdict.allowed_after else ("x", "red")
        change = verdict.admission
    name = f"{paint(verdict.object.cluster, 'dim')}  {paint(str(verdict.object), 'bold')}"
    yield f"{paint(sign, style, 'bold')} {name}  {paint(change, style)}\n"
    violations, gone = verdict.paired()
    for before, violation in violations:
        was = (
            f"{paint(_action(before), STYLES[before.effect])} → "
            if before and before.effect != violation.effect
            else ""
        )
        yield from _violation_lines(was, violation, look, paint)
    for violation in gone:
        yield from _violation_lines("no longer ", violation, look, paint)


def _action(violation: Violation) -> str:
    return ",".join(violation.actions) or violation.action


def _violation_lines(prefix: str, violation: Violation, look: Look, paint: Paint) -> Iterator[str]:
    action = paint(_action(violation), STYLES[violation.effect])
    yield f"    {prefix}{action}  {paint(str(violation.constraint))}\n"
    room = None if look.width is None else max(1, look.width - 8)
    yield from (f"        {line}\n" for line in wrapped(violation.message, room))


def _total(found: Comparison, paint: Paint) -> str:
    counts = found.summary.counts if found.summary is not None else ()
    allowed = sum(count.newly_allowed for count in counts)
    still, same = sum(count.still_denied for count in counts), sum(count.unchanged for count in counts)
    if found.written:
        refused = found.newly_denied + still
        denied = paint(f"{refused:,} would be denied", "red" if refused else "green", "bold")
        return f"{denied}, {allowed + same:,} would be admitted\n"
    denied = paint(f"{found.newly_denied:,} newly denied", "red" if found.newly_denied else "green", "bold")
    total = f"{denied}, {allowed:,} newly allowed, {still:,} denied as before, {same:,} unchanged\n"
    if stricter := found.stricter:
        become = "violation becomes" if stricter == 1 else "violations become"
        total += f"{stricter:,} {become} deny on objects that are denied already\n"
    return total


def comparison_document(found: Comparison) -> dict[str, Any]:
    """The comparison as JSON has it."""
    summary = found.summary
    return {
        "apiVersion": "fleetgate.dev/v1",
        "kind": "WhatIfReport",
        "complete": found.complete,
        **({"incomplete": found.shortfalls()} if not found.complete else {}),
        **({"notReviewed": not_reviewed} if (not_reviewed := found.kinds_not_reviewed()) else {}),
        "before": _generation(found, after=False),
        "after": _generation(found, after=True),
        "counts": [
            {
                "cluster": count.cluster,
                "namespace": count.namespace,
                "owner": count.owner,
                "newlyDenied": count.newly_denied,
                "newlyAllowed": count.newly_allowed,
                "stillDenied": count.still_denied,
                "unchanged": count.unchanged,
            }
            for count in (summary.counts if summary is not None else ())
        ],
        **({"becomeDenyOnDenied": found.stricter} if found.stricter else {}),
        "objects": [_verdict_document(verdict, written=found.written) for verdict in found.verdicts],
    }


def _generation(found: Comparison, *, after: bool) -> dict[str, Any]:
    if found.summary is None:
        return {}
    generation = found.summary.after if after else found.summary.before
    return {"generation": generation.number, "digest": generation.digest}


def _verdict_document(verdict: Verdict, *, written: bool) -> dict[str, Any]:
    found = verdict.object
    names = {
        "cluster": found.cluster,
        "group": found.group,
        "version": found.version,
        "kind": found.kind,
        "namespace": found.namespace,
        "name": found.name,
        "owner": found.owner,
    }
    return {
        **{key: value for key, value in names.items() if value},
        "change": verdict.admission if written else verdict.change,
        "allowedBefore": verdict.allowed_before,
        "allowedAfter": verdict.allowed_after,
        "violations": [_short(violation) for violation in verdict.violations],
        "gone": [_short(violation) for violation in verdict.gone],
    }


def _short(violation: Violation) -> dict[str, Any]:
    """A violation without the object, which stands above it."""
    own = ("constraintKind", "constraintName", "scope", "enforcementAction", "enforcementActions", "message", "details")
    document = parsed(violation_json(violation))
    return {key: document[key] for key in own if key in document}

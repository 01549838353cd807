"""The report for people: a summary by cluster and Constraint first, then what was found, object by object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgate_clients.audit.report import Effect
from fleetgate_clients.output.tables import Cell, Column, render_table, wrapped
from fleetgate_clients.output.terminal import Paint, printable

from .summary import Row, number, rows, totals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fleetgate_clients.audit.report import Report, Violation

    from . import Look

STYLES = {Effect.DENY: "red", Effect.WARN: "yellow", Effect.DRYRUN: "cyan", Effect.OTHER: "dim"}
"""How effects are coloured."""

_LEAST_MESSAGE = 24
"""Columns that a message needs beside its Constraint; with less it stands below."""

_INDENT = 2


def table_parts(report: Report, look: Look, *, wide: bool) -> Iterator[str]:
    """Yield the parts. ``wide`` also shows Constraints without violations, what the baseline knows, and details."""
    paint = Paint(look.color)
    yield from _lines(_shortfall_lines(report, look, paint))
    found = rows(report)
    shown = found if wide else [row for row in found if row.violations or (row.result and row.result.errors)]
    if shown:
        yield _summary(shown, look, wide=wide)
    violations = [violation for violation in report.violations if wide or not violation.known]
    if violations:
        yield "\n"
        yield from _lines(_detail_lines(violations, look, paint, wide=wide))
    if shown or violations:
        yield "\n"
    yield from _lines(_last_lines(report, paint, hidden=len(found) - len(shown)))


def _lines(lines: Iterator[str]) -> Iterator[str]:
    return (f"{line}\n" for line in lines)


def _shortfall_lines(report: Report, look: Look, paint: Paint) -> Iterator[str]:
    labelled = [("INCOMPLETE", "yellow", sentence) for sentence in report.shortfalls()]
    labelled += [("NOT REVIEWED", "dim", sentence) for sentence in report.not_reviewed()]
    for label, style, sentence in labelled:
        first, *rest = wrapped(sentence, None if look.width is None else look.width - len(label) - 2)
        yield f"{paint(label, style, 'bold')}  {first}"
        yield from (f"{'':{len(label)}}  {line}" for line in rest)
    if labelled:
        yield ""


def _summary(shown: Sequence[Row], look: Look, *, wide: bool) -> str:
    has_trend = any(row.trend for row in shown)
    columns = [Column("CLUSTER"), Column("CONSTRAINT"), Column("ACTION"), Column("VIOLATIONS", label="violations")]
    columns += [Column("TREND", label="trend")] if has_trend else []
    if wide:
        columns += [Column("MATCHED", label="matched"), Column("ERRORS", label="errors")]
        columns += [Column("SCOPE", label="scope"), Column("NOTE")]
    table: list[list[Cell | str]] = []
    for row in shown:
        action = row.result.action if row.result is not None and row.result.action else row.effect.value
        cells: list[Cell | str] = [
            row.cluster,
            str(row.constraint),
            Cell(action, STYLES[row.effect]),
            Cell(f"{row.violations:,}", STYLES[row.effect] if row.violations else "dim"),
        ]
        cells += [_trend(row)] if has_trend else []
        if wide:
            matched, errors = (row.result.matched, row.result.errors) if row.result is not None else (0, 0)
            note = "reads the clock" if row.result is not None and row.result.volatile else ""
            cells += [f"{matched:,}", f"{errors:,}", row.constraint.scope, note]
        table.append(cells)
    return render_table(columns, table, width=look.width, color=look.color)


def _trend(row: Row) -> Cell:
    style = {"+": "red", "-": "green"}.get(row.trend[:1], "dim")
    return Cell(row.trend, style)


def _detail_lines(violations: Sequence[Violation], look: Look, paint: Paint, *, wide: bool) -> Iterator[str]:
    grouped: dict[tuple[str, ...], list[Violation]] = {}
    for violation in violations:
        grouped.setdefault(violation.object.identity, []).append(violation)
    order = list(Effect)
    for those in sorted(grouped.values(), key=lambda those: those[0].object.cluster):
        yield _object_line(those[0], paint, look, wide=wide)
        for violation in sorted(those, key=lambda violation: order.index(violation.effect)):
            yield from _violation_lines(violation, look, paint, wide=wide)


def _object_line(first: Violation, paint: Paint, look: Look, *, wide: bool) -> str:
    found = first.object
    words = [paint(found.cluster, "dim"), paint(str(found), "bold")]
    if first.place is not None:
        words.append(paint(str(first.place), "dim"))
    if wide and found.owner:
        words.append(f"({paint(found.owner)})")
    plain = [found.cluster, str(found), *(printable(word) for word in words[2:])]
    if look.width is not None and sum(map(len, plain)) + 2 * len(plain) > look.width:
        # Names are never broken: each gets a line of its own.
        return f"\n{'':{_INDENT}}".join(words)
    return "  ".join(words)


def _violation_lines(violation: Violation, look: Look, paint: Paint, *, wide: bool) -> Iterator[str]:
    effect = violation.effect
    action = ",".join(violation.actions) or violation.action
    plain = f"{'':{_INDENT}}{printable(action)}  {printable(str(violation.constraint))}  "
    head = f"{'':{_INDENT}}{paint(action, STYLES[effect], 'bold')}  {paint(str(violation.constraint))}"
    if violation.known:
        head, plain = f"{head}  {paint('known', 'dim')}", f"{plain}known  "
    room = None if look.width is None else look.width - len(plain)
    if room is None or room >= _LEAST_MESSAGE:
        first, *rest = wrapped(violation.message, room)
        yield f"{head}  {first}".rstrip()
        indent = len(plain)
    else:
        yield head
        indent, rest = 3 * _INDENT, wrapped(violation.message, max(1, (look.width or 0) - 3 * _INDENT))
    yield from (f"{'':{indent}}{line}" for line in rest)
    if wide:
        yield from (f"{'':{3 * _INDENT}}{paint(line, 'dim')}" for line in _more(violation, look))


def _more(violation: Violation, look: Look) -> Iterator[str]:
    room = None if look.width is None else max(1, look.width - 3 * _INDENT)
    if violation.first_seen:
        yield from wrapped(f"first seen {violation.first_seen}", room)
    if violation.details not in {"", "{}"}:
        yield from wrapped(f"details {violation.details}", room)


def _last_lines(report: Report, paint: Paint, *, hidden: int) -> Iterator[str]:
    looked = f"{number(report.objects, 'object')} in {number(len(report.clusters), 'cluster')}"
    denied, warned = report.counts.new[Effect.DENY], report.counts.new[Effect.WARN]
    style = "red" if denied else "yellow" if warned or not report.complete else "green"
    yield f"{paint(totals(report), style, 'bold')}: {looked}"
    if report.baseline is not None:
        new = report.counts.new.total()
        yield f"{new:,} new, {report.baseline.known:,} known by the baseline, {report.baseline.fixed:,} fixed since"
    if hidden:
        such = "such " if report.since else ""
        yield f"{number(hidden, 'constraint')} without {such}violations: -o wide shows them"
    if not report.complete:
        yield "what was not looked at is unknown: no clean bill"

"""Findings as a person reads them: place, code, message, the line with a caret, a hint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .findings import Finding, Findings, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .terminal import Paint

_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}

_WIDEST = 160
"""Characters of a source line that are shown; longer ones are cut around the caret."""


def findings_lines(findings: Findings, paint: Paint) -> Iterator[str]:
    """Yield lines without newlines: each finding, then one line that sums up."""
    lines = {path: text.splitlines() for path, text in findings.sources.items()}
    for finding in findings.shown:
        yield from _finding_lines(finding, lines.get(finding.path, []), paint)
    yield _summary(findings, paint)


def _finding_lines(finding: Finding, source: Sequence[str], paint: Paint) -> Iterator[str]:
    severity = finding.rule.severity
    label = f"{severity}[{finding.rule.code}]"
    yield f"{paint(finding.place, 'bold')}: {paint(label, _STYLES[severity], 'bold')} {paint(finding.message)}"
    gutter = " " * len(str(finding.line or ""))
    if 0 < finding.line <= len(source):
        shown, column = _window(source[finding.line - 1], finding.column)
        yield f"  {paint(str(finding.line), 'dim')} {paint('|', 'dim')} {paint(shown)}"
        if column:
            yield f"  {gutter} {paint('|', 'dim')} {' ' * (column - 1)}{paint('^', _STYLES[severity], 'bold')}"
    if finding.hint:
        yield f"  {gutter} {paint('=', 'dim')} {paint('hint:', 'bold')} {paint(finding.hint)}"


def _window(source: str, column: int) -> tuple[str, int]:
    """Return the part of a line around a column, and the column in it; each character takes one cell."""
    start = max(0, column - _WIDEST // 2) if len(source) > _WIDEST else 0
    part = source[start : start + _WIDEST]
    shown = "".join(char if char.isprintable() else " " if char == "\t" else "\ufffd" for char in part)
    return shown.rstrip(), max(0, column - start)


def _summary(findings: Findings, paint: Paint) -> str:
    looked = f"{_number(findings.templates, 'template')}, {_number(findings.constraints, 'constraint')}"
    hidden = f" ({findings.hidden} less severe)" if findings.hidden else ""
    if not findings.shown:
        return f"{paint('ok', 'green', 'bold')}: {looked}, nothing found{hidden}"
    counted = ((severity, findings.count(severity)) for severity in sorted(Severity, reverse=True))
    parts = [
        paint(
            _number(count, "info", plural="info") if severity is Severity.INFO else _number(count, str(severity)),
            _STYLES[severity],
            "bold",
        )
        for severity, count in counted
        if count
    ]
    return f"{', '.join(parts)} in {looked}{hidden}"


def _number(count: int, noun: str, plural: str = "") -> str:
    return f"{count} {noun if count == 1 else plural or noun + 's'}"

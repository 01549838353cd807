"""Refused policies as a person reads them: the place, the line, a caret, a hint.

Names and lines come from files of others: control characters are escaped, so that they cannot rewrite the terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fleetgate.engine.exceptions import Diagnostic

_MAX_LINE = 160
"""Characters of a source line that are shown; longer ones are cut around the caret."""


def render(diagnostics: Iterable[Diagnostic], files: Mapping[str, bytes]) -> str:
    """All diagnostics, one block each, with source lines out of ``files``, the content that was judged, by path.

    Nothing is opened: whoever applied a bundle chose its paths.
    """
    return "\n\n".join(_block(diagnostic, files.get(diagnostic.path, b"")) for diagnostic in diagnostics)


def _block(diagnostic: Diagnostic, content: bytes) -> str:
    lines = [f"error[{diagnostic.code}]: {_visible(diagnostic.message)}"]
    numbers = [str(number) for number in (diagnostic.line, diagnostic.column) if number]
    gutter = " " * len(str(diagnostic.line or ""))
    if diagnostic.path:
        lines.append(f"{gutter}--> {_visible(':'.join([diagnostic.path, *numbers]))}")
    source = _line(content, diagnostic.line)
    if source:
        shown, column = _window(source, diagnostic.column)
        lines += [f"{gutter} |", f"{diagnostic.line} | {shown}"]
        lines.append(f"{gutter} | {' ' * (column - 1)}^" if column else f"{gutter} |")
    if diagnostic.field:
        lines.append(f"{gutter} = field: {_visible(diagnostic.field)}")
    if diagnostic.hint:
        lines.append(f"{gutter} = hint: {_visible(diagnostic.hint)}")
    return "\n".join(lines)


def _line(content: bytes, number: int) -> str:
    """A line by its number; "" where there is none, and for 0."""
    lines = content.splitlines()
    return lines[number - 1].decode(errors="replace") if 0 < number <= len(lines) else ""


def _window(source: str, column: int) -> tuple[str, int]:
    """The part of a line around a column, and the column in it; each character takes one cell."""
    start = max(0, column - _MAX_LINE // 2) if len(source) > _MAX_LINE else 0
    part = source[start : start + _MAX_LINE]
    shown = "".join(char if char.isprintable() else " " if char == "\t" else "\ufffd" for char in part)
    return shown, max(0, column - start)


def _visible(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)

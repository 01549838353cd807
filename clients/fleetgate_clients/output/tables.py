"""Tables: aligned columns that fit a terminal, plain lines in a pipe."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from .terminal import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNBOUNDED = 100_000
"""Columns of a pipe: lines are never wrapped there."""

_NARROWEST = 24
"""Columns that a wrapping column needs to be readable; with less each row becomes a block of lines."""

_BLOCK_INDENT = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and what may happen to the text below it."""

    title: str
    wraps: bool = False
    """Whether its text may be broken over lines. Names never are: somebody will copy them."""
    label: str = ""
    """What stands before its text in a block, where there is no heading: ``matched`` makes ``matched 300``."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Text with a style of rich (``bold red``), used where colour is on."""

    text: str
    style: str = ""


def render_table(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell | str]], *, width: int | None, color: bool
) -> str:
    """Lay rows out in ``width`` terminal columns (None: unbounded) and return the text, newline-terminated.

    Where the names alone leave no room for the wrapping columns, each row becomes a block of lines without headings.
    """
    from rich.cells import cell_len  # noqa: PLC0415 (rich is slow to import; help and JSON do without)

    cells = [[_safe(cell) for cell in row] for row in rows]
    fixed = [
        max([cell_len(column.title), *(cell_len(row[index].text) for row in cells)]) + 2
        for index, column in enumerate(columns)
        if not column.wraps
    ]
    room = sum(1 for column in columns if column.wraps) * _NARROWEST
    if width is not None and sum(fixed) + room > width:
        return _render_blocks(columns, cells, width=width, color=color)
    return _render_columns(columns, cells, width=width, color=color)


def _safe(cell: Cell | str) -> Cell:
    return Cell(printable(cell)) if isinstance(cell, str) else Cell(printable(cell.text), cell.style)


def _render_columns(columns: Sequence[Column], rows: list[list[Cell]], *, width: int | None, color: bool) -> str:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.title, no_wrap=not column.wraps, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell.text, cell.style) for cell in row))
    return _printed(table, width=width, color=color)


def _render_blocks(columns: Sequence[Column], rows: list[list[Cell]], *, width: int, color: bool) -> str:
    """Write each row as lines of names, as many as fit beside each other, and its long texts below."""
    from rich.console import Group  # noqa: PLC0415
    from rich.padding import Padding  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    parts: list[Text | Padding] = []
    for row in rows:
        names = [
            Cell(f"{column.label} {cell.text}", cell.style) if column.label else cell
            for column, cell in zip(columns, row, strict=True)
            if not column.wraps and cell.text
        ]
        texts = [cell for column, cell in zip(columns, row, strict=True) if column.wraps and cell.text]
        # A row without its first cell goes on where the one before it ended.
        for index, line in enumerate(_packed(names, width - _BLOCK_INDENT)):
            text = Text("  ").join(Text(cell.text, "bold" if cell == row[0] else cell.style) for cell in line)
            text.overflow = "fold"
            is_head = index == 0 and row[0].text
            parts.append(Padding(text, (0, 0, 0, 0 if is_head else _BLOCK_INDENT)))
        parts.extend(
            Padding(Text(cell.text, cell.style, overflow="fold"), (0, 0, 0, 2 * _BLOCK_INDENT)) for cell in texts
        )
    return _printed(Group(*parts), width=width, color=color)


def _packed(cells: list[Cell], width: int) -> list[list[Cell]]:
    from rich.cells import cell_len  # noqa: PLC0415

    lines: list[list[Cell]] = []
    used = width
    for cell in cells:
        needed = cell_len(cell.text) + 2
        if lines and used + needed <= width:
            lines[-1].append(cell)
            used += needed
        else:
            lines.append([cell])
            used = cell_len(cell.text)
    return lines


def _printed(renderable: object, *, width: int | None, color: bool) -> str:
    from rich.console import Console  # noqa: PLC0415

    out = StringIO()
    console = Console(
        file=out,
        width=width or _UNBOUNDED,
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
        markup=False,
        highlight=False,
        emoji=False,
    )
    console.print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def wrapped(text: str, width: int | None) -> list[str]:
    """Break a text, made printable, into lines of ``width`` terminal columns, at spaces where there are some.

    At least one line is returned; None leaves it whole.
    """
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    text = printable(text)
    if width is None or len(text) * 2 <= width:
        return [text]
    console = Console(file=StringIO(), width=max(1, width), legacy_windows=False)
    lines = Text(text).wrap(console, max(1, width), overflow="fold")
    return [line.plain.rstrip() for line in lines] or [""]

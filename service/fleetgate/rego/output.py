"""Answers and errors as ``opa eval`` prints them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from . import exact_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetgate.engine import RegoDefect

Answer = dict[str, Any]
"""``expressions`` and ``bindings`` of one answer, numbers as written."""

CELL = 80
"""Characters of a cell of ``pretty``; what is longer is cut."""


class Format(StrEnum):
    """What ``eval`` prints."""

    JSON = "json"
    VALUES = "values"
    BINDINGS = "bindings"
    PRETTY = "pretty"
    RAW = "raw"
    DISCARD = "discard"


def errors_json(defects: Sequence[RegoDefect]) -> str:
    """Return ``{"errors": […]}``."""
    return exact_json.write({"errors": [_error(defect) for defect in defects]}, indent=True) + "\n"


def _error(defect: RegoDefect) -> dict[str, Any]:
    error: dict[str, Any] = {"message": defect.message}
    if defect.code:
        error["code"] = defect.code
    if defect.location is not None:
        error["location"] = {"file": defect.location.file, "row": defect.location.row, "col": defect.location.col}
    return error


def errors_text(defects: Sequence[RegoDefect]) -> str:
    """Return the errors for people, a count first."""
    count = "1 error occurred: " if len(defects) == 1 else f"{len(defects)} errors occurred:\n"
    return count + "\n".join(map(str, defects)) + "\n"


def answers_text(answers: list[Answer], form: Format) -> str:
    """Return the answers in a format, newline-terminated where there is anything."""
    match form:
        case Format.JSON:
            shown = [{name: part for name, part in answer.items() if part} for answer in answers]
            return _block({"result": shown} if shown else {})
        case Format.DISCARD:
            return _block({"result": "discarded"} if answers else {})
        case Format.BINDINGS:
            return "".join(_block(answer["bindings"]) for answer in answers)
        case Format.VALUES:
            return "".join(_block(_values(answer)) for answer in answers)
        case Format.RAW:
            return "".join(" ".join(map(_raw, _values(answer))) + "\n" for answer in answers)
        case Format.PRETTY:
            return _pretty(answers)


def _values(answer: Answer) -> list[Any]:
    return [expression["value"] for expression in answer["expressions"]]


def _block(value: Any) -> str:
    return exact_json.write(value, indent=True) + "\n"


def _raw(value: Any) -> str:
    is_text = isinstance(value, str) and not isinstance(value, exact_json.Number)
    return str(value) if is_text else exact_json.write(value)


def _pretty(answers: list[Answer]) -> str:
    if not answers:
        return "undefined\n"
    first = answers[0]
    values = _values(first)
    if (
        len(answers) == 1
        and not first["bindings"]
        and (len(values) == 1 or all(isinstance(one, bool) for one in values))
    ):
        return _block(values[0])
    names = sorted(first["bindings"])
    # An expression that only holds says nothing beside bindings.
    shown = [index for index, value in enumerate(values) if not isinstance(value, bool) or not names]
    head = [first["expressions"][index]["text"] for index in shown] + names
    rows = [
        [_cell(_values(answer)[index]) for index in shown] + [_cell(answer["bindings"].get(name)) for name in names]
        for answer in answers
    ]
    return table(head, rows)


def _cell(value: Any) -> str:
    text = exact_json.write(value)
    return text if len(text) <= CELL else f"{text[:CELL]}..."


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table with lines around it; headings are centered."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(left: str, middle: str, right: str) -> str:
        return left + middle.join("─" * (width + 2) for width in widths) + right + "\n"

    def row(cells: list[str]) -> str:
        return "│" + "│".join(f" {cell} " for cell in cells) + "│\n"

    centered = [_centered(text, width) for text, width in zip(head, widths, strict=True)]
    body = [row([cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]) for cells in rows]
    return line("┌", "┬", "┐") + row(centered) + line("├", "┼", "┤") + "".join(body) + line("└", "┴", "┘")


def _centered(text: str, width: int) -> str:
    left = (width - len(text)) // 2
    return " " * left + text.ljust(width - left)

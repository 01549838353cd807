"""The support matrix: what of Gatekeeper works, and the tests that show it.

``tests/data/support_matrix.yaml`` is the source, ``python -m tests.matrix`` prints ``docs/support-matrix.md``. A row
that names a test that does not exist is an error, and so is a claim without a test.
"""

from __future__ import annotations

import ast
import re
import sys
import typing
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from fleetgate.config.model import Compatibility

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "tests" / "data" / "support_matrix.yaml"
PAGE = ROOT / "docs" / "support-matrix.md"

SWITCH, NOT_YET = "switch", "not yet"
STATES = {
    "equal": "as Gatekeeper",
    SWITCH: "as Gatekeeper unless told otherwise",
    "deviation": "different on purpose, or a known difference: the note says how",
    NOT_YET: "refused with a reason or without effect, as the note says",
}

_RUST_TEST = re.compile(r"#\[test\]\s+(?:#\[[^\]]*\]\s+)*fn (\w+)\(")


class MatrixError(Exception):
    """The source is wrong; one line per defect."""


@dataclass(frozen=True, slots=True)
class Row:
    """One feature. ``setting`` is the compatibility switch that it is about, empty where it is about none."""

    feature: str
    state: str
    note: str
    tests: tuple[str, ...]
    setting: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Rows that belong together."""

    title: str
    rows: tuple[Row, ...]


def load(text: str) -> list[Section]:
    """Read the source."""
    return [Section(each["title"], tuple(map(_row, each["rows"]))) for each in yaml.safe_load(text)]


def _row(fields: dict[str, Any]) -> Row:
    tests = tuple(fields.get("tests", ()))
    setting = fields.get("setting", "")
    if not setting:
        return Row(fields["feature"], fields["state"], fields.get("note", ""), tests)
    field = Compatibility.model_fields[setting]
    values = [f"`{value}`" + (" (default)" if value == field.default else "") for value in _values(field.annotation)]
    return Row(f"`compatibility.{setting}`: {', '.join(values)}", SWITCH, field.description or "", tests, setting)


def _values(annotation: Any) -> tuple[str, ...]:
    return typing.get_args(annotation)


def defects(sections: list[Section]) -> list[str]:
    """Say what is wrong with the matrix."""
    found = []
    rows = [row for section in sections for row in section.rows]
    for row in rows:
        if row.state not in STATES:
            found.append(f"{row.feature}: no state {row.state!r}")
        if not row.tests and row.state != NOT_YET:
            found.append(f"{row.feature}: no test shows it")
        found += [f"{row.feature}: there is no test {test}" for test in row.tests if not exists(test)]
    found += [f"{feature}: twice" for feature, count in Counter(row.feature for row in rows).items() if count > 1]
    missing = Compatibility.model_fields.keys() - {row.setting for row in rows}
    return found + [f"compatibility.{setting}: no row" for setting in sorted(missing)]


def exists(test: str) -> bool:
    """Whether ``FILE::FUNCTION`` is a test."""
    file, _, function = test.partition("::")
    return function in _tests_of(ROOT / file)


@cache
def _tests_of(file: Path) -> frozenset[str]:
    if not file.is_file():
        return frozenset()
    text = file.read_text()
    if file.suffix == ".rs":
        return frozenset(_RUST_TEST.findall(text))
    functions = (node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def page(sections: list[Section]) -> str:
    """Render the page. Raises MatrixError."""
    wrong = defects(sections)
    if wrong:
        raise MatrixError("\n".join(wrong))
    counts = Counter(row.state for section in sections for row in section.rows)
    parts = [_INTRODUCTION, "\n| state | rows | meaning |\n|---|---|---|\n"]
    parts += [f"| {state} | {counts[state]} | {meaning} |\n" for state, meaning in STATES.items()]
    for section in sections:
        parts.append(f"\n## {section.title}\n\n| feature | state | note | tests |\n|---|---|---|---|\n")
        parts += [
            f"| {_cell(row.feature)} | {row.state} | {_cell(row.note)} | {_links(row)} |\n" for row in section.rows
        ]
    return "".join(parts)


def _line(row: Row) -> str:
    return f"| {_cell(row.feature)} | {row.state} | {_cell(row.note)} | {_links(row)} |\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _links(row: Row) -> str:
    parts = (test.partition("::") for test in row.tests)
    return ", ".join(f"[{function}](../{file})" for file, _, function in parts)


_INTRODUCTION = """# What of Gatekeeper works

<!-- Generated from tests/data/support_matrix.yaml by `make matrix`; a test keeps them equal. -->

Behaviour is that of Gatekeeper 3.23.1 with OPA 1.17.1. Each row names the tests that show it.
"""


if __name__ == "__main__":
    sys.stdout.write(page(load(SOURCE.read_text())))

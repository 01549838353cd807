"""Gatekeeper's recorded answers, whole: Constraint, action, message, details. ``make golden`` records them again."""

from __future__ import annotations

import pytest

from tests.differential import golden
from tests.differential.golden import Entry
from tests.support.conformance import need_library

ROW_SECTIONS = ("constraints", "evaluation", "formatting", "inventory", "libraries", "loading", "lookup", "match",
                "numbers", "operations", "review")  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Entry]]:
    """Our own table, by section."""
    found: dict[str, list[Entry]] = {}
    for entry in golden.row_entries():
        found.setdefault(entry.section, []).append(entry)
    return found


def test_every_section_is_compared(rows: dict[str, list[Entry]]) -> None:
    assert tuple(sorted(rows)) == ROW_SECTIONS
    assert sum(map(len, rows.values())) > 900


@pytest.mark.parametrize("section", ROW_SECTIONS)
def test_rows_of(section: str, rows: dict[str, list[Entry]]) -> None:
    compare(section, rows[section])


def test_cases_of_the_library() -> None:
    need_library()
    compare(golden.LIBRARY, golden.library_entries())


def test_a_changed_answer_is_noticed(rows: dict[str, list[Entry]]) -> None:
    entry = next(entry for entry in rows["evaluation"] if entry.name == "evaluation/a constant message")
    theirs = golden.recorded("evaluation")[entry.name]
    assert golden.differing(entry, theirs) == []
    (violation,) = theirs.reviews[0].violations
    for name, value in (("message", "hellp"), ("details", '{"a": 1}'), ("action", "warn"), ("name", "other")):
        changed = theirs.reviews[0].__class__((violation._replace(**{name: value}),))
        assert golden.differing(entry, theirs.__class__((changed,))), name


def compare(section: str, entries: list[Entry]) -> None:
    """Compare a section; what differs must be exactly what the list says."""
    theirs = golden.recorded(section)
    assert list(theirs) == [entry.name for entry in entries], "recorded answers are of other entries: run make golden"
    found = {entry.name: differing for entry in entries if (differing := golden.differing(entry, theirs[entry.name]))}
    expected = {name for name in golden.expected_differences() if name.startswith(f"{section}/")}
    new = [f"{name}: {one.about}: {one.what}: {one.text}" for name in found.keys() - expected for one in found[name]]
    assert not new, "differs from Gatekeeper:\n" + "\n".join(sorted(new))
    agreeing = sorted(expected - found.keys())
    assert not agreeing, f"agrees now, take it out of {golden.DIFFERENCES.name}:\n" + "\n".join(agreeing)

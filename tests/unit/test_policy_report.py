"""Refused policies as a person reads them."""

from __future__ import annotations

from pathlib import Path

from fleetgate.engine.exceptions import Diagnostic
from fleetgate.policy.report import render


def test_the_line_is_shown_with_a_caret() -> None:
    diagnostic = Diagnostic("yaml", "no tabs", "a.yaml", 2, 2, "spec", "use spaces")
    assert render([diagnostic], {"a.yaml": b"kind: X\n\tspec: oops\n"}).splitlines() == [
        "error[yaml]: no tabs",
        " --> a.yaml:2:2",
        "  |",
        "2 |  spec: oops",
        "  |  ^",
        "  = field: spec",
        "  = hint: use spaces",
    ]


def test_what_is_not_known_is_left_out() -> None:
    found = [Diagnostic("c", "m"), Diagnostic("d", "n", "short.yaml", 3)]
    assert render(found, {"short.yaml": b"one\n"}) == "error[c]: m\n\nerror[d]: n\n --> short.yaml:3"


def test_no_file_is_opened() -> None:
    here = Path(__file__)
    assert render([Diagnostic("c", "m", str(here), 1)], {}) == f"error[c]: m\n --> {here}:1"


def test_long_lines_are_cut_around_the_caret() -> None:
    files = {"a.yaml": b"a" * 5000 + b"X" + b"b" * 5000}
    *_, source, caret = render([Diagnostic("c", "m", "a.yaml", 1, 5001)], files).splitlines()
    assert len(source) < 200
    assert source[caret.index("^")] == "X"


def test_files_cannot_rewrite_the_terminal() -> None:
    text = render([Diagnostic("c", "bad \x1b[31m\nname", "a.yaml", 1, 1)], {"a.yaml": b"\x1b[2J: 1\n"})
    assert "\x1b" not in text
    assert "bad \\x1b[31m\\nname" in text

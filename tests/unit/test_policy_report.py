"""Refused policies as a person reads them."""

from __future__ import annotations

from pathlib import Path

from fleetgate.engine.exceptions import Diagnostic
from fleetgate.policy.report import render


def test_the_line_is_shown_with_a_caret(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("kind: X\n\tspec: oops\n")
    diagnostic = Diagnostic("yaml", "no tabs", str(file), 2, 2, "spec", "use spaces")
    assert render([diagnostic]).splitlines() == [
        "error[yaml]: no tabs",
        f" --> {file}:2:2",
        "  |",
        "2 |  spec: oops",
        "  |  ^",
        "  = field: spec",
        "  = hint: use spaces",
    ]


def test_what_is_not_known_is_left_out() -> None:
    assert render([Diagnostic("c", "m"), Diagnostic("d", "n", "/absent.yaml", 3)]) == (
        "error[c]: m\n\nerror[d]: n\n --> /absent.yaml:3"
    )


def test_long_lines_are_cut_around_the_caret(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a" * 5000 + "X" + "b" * 5000)
    *_, source, caret = render([Diagnostic("c", "m", str(file), 1, 5001)]).splitlines()
    assert len(source) < 200
    assert source[caret.index("^")] == "X"


def test_files_cannot_rewrite_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("\x1b[2J: 1\n")
    text = render([Diagnostic("c", "bad \x1b[31m\nname", str(file), 1, 1)])
    assert "\x1b" not in text
    assert "bad \\x1b[31m\\nname" in text

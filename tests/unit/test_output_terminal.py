"""What reaches a terminal: colour where it is wanted, never a control character from outside."""

from __future__ import annotations

import io
import unicodedata

import pytest
from fleetgate_clients.output.documents import json_text, yaml_text
from fleetgate_clients.output.tables import Cell, Column, render_table
from fleetgate_clients.output.terminal import Color, Paint, printable, wants_color, width_of
from hypothesis import given
from hypothesis import strategies as st

FORBIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(st.text())
def test_printable_leaves_nothing_that_steers_a_terminal(text: str) -> None:
    assert not {unicodedata.category(char) for char in printable(text)} & FORBIDDEN


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größe 規則 🙂", "größe 規則 🙂"),
        ("a\x1b[31mred", "a\\x1b[31mred"),
        ("two\nlines\tand\r", "two\\nlines\\tand\\r"),
        ("\x9b2J", "\\x9b2J"),
        ("safe\u202egpj.exe", "safe\\u202egpj.exe"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
    ],
)
def test_printable_escapes_exactly_what_it_must(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("color", "terminal", "environment", "wanted"),
    [
        (Color.AUTO, True, {}, True),
        (Color.AUTO, True, {"NO_COLOR": "1"}, False),
        (Color.AUTO, True, {"NO_COLOR": ""}, True),
        (Color.AUTO, True, {"TERM": "dumb"}, False),
        (Color.AUTO, False, {}, False),
        (Color.ALWAYS, False, {"NO_COLOR": "1"}, True),
        (Color.NEVER, True, {}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    monkeypatch: pytest.MonkeyPatch, color: Color, terminal: bool, environment: dict[str, str], wanted: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wants_color(color, Terminal() if terminal else io.StringIO()) is wanted


def test_only_a_terminal_has_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "77")
    assert width_of(Terminal()) == 77
    assert width_of(io.StringIO()) is None


def test_paint_escapes_before_it_colours() -> None:
    assert Paint(enabled=True)("a\x1b[2J", "red") == "\x1b[31ma\\x1b[2J\x1b[0m"
    assert Paint(enabled=False)("a\x1b[2J", "red") == "a\\x1b[2J"


COLUMNS = (Column("OBJECT"), Column("ACTION"), Column("CONSTRAINT"), Column("MESSAGE", wraps=True))
NAME = "v1/Pod a-rather-long-namespace/and-a-long-name"
MESSAGE = "container app: image docker.io/library/nginx:1.29 does not come from an allowed registry " * 2
ROWS = [
    (NAME, Cell("deny", "red"), "AllowedRegistries/ours", MESSAGE),
    ("v1/Pod ns/short", Cell("warn", "yellow"), "RequiredLimits/all", "no limit"),
]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_table_fits_the_terminal_and_breaks_no_name(width: int) -> None:
    lines = render_table(COLUMNS, ROWS, width=width, color=False).splitlines()
    assert max(map(len, lines)) <= width
    assert any(NAME in line for line in lines)
    assert any("AllowedRegistries/ours" in line for line in lines)
    joined = "".join("".join(line.split()) for line in lines)
    if width < 120:  # too narrow for columns: one block per row, so that the message stays in one piece
        assert "".join(MESSAGE.split()) in joined
    else:
        assert lines[0].split() == ["OBJECT", "ACTION", "CONSTRAINT", "MESSAGE"]


def test_table_in_a_pipe_is_plain_aligned_and_never_wrapped() -> None:
    lines = render_table(COLUMNS, ROWS, width=None, color=False).splitlines()
    assert len(lines) == 1 + len(ROWS)
    assert {line.index(text) for line, text in zip(lines, ["ACTION", "deny", "warn"], strict=True)} == {len(NAME) + 2}
    assert lines[1].endswith(MESSAGE.rstrip())


def test_table_shows_hostile_text_escaped_and_markup_as_it_is() -> None:
    text = render_table(
        (Column("A"), Column("B", wraps=True)), [("\x1b]0;title\x07", "[red]x[/red]\nforged")], width=80, color=True
    )
    assert "\\x1b]0;title\\x07" in text
    assert "[red]x[/red]\\nforged" in text
    assert "\x07" not in text


def test_table_columns_line_up_below_wide_letters() -> None:
    lines = render_table(
        (Column("A"), Column("B")), [("規則", "x"), ("abcd", "y")], width=None, color=False
    ).splitlines()
    assert lines == ["A     B", "規則  x", "abcd  y"]


def test_json_is_json_and_steers_no_terminal() -> None:
    import json

    value = {"a<b>&": "\x7f\x9b\u202e\u2028ü🙂", "n": 12345678901234567890}
    text = json_text(value, like_go=True)
    assert json.loads(text) == value
    assert "\\u003c" in text
    assert printable(text.replace("\n", "")) == text.replace("\n", "")
    assert "ü🙂" in text


def test_yaml_is_read_back_alike() -> None:
    import yaml

    value = [{"yes": "no", "text": "ü", "number": "017", "steer": "\x1b\u202e"}]
    text = yaml_text(value)
    assert yaml.safe_load(text) == value
    assert all(printable(line) == line for line in text.splitlines())
    assert "ü" in yaml_text({"text": "ü"})

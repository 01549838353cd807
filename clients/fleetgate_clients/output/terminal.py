"""What a terminal may be sent: colour only where it is wanted, and no control character that came from outside."""

from __future__ import annotations

import os
import shutil
import unicodedata
from enum import StrEnum
from typing import Annotated, TextIO

import typer

_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that move the cursor, change direction, hide, or end a line."""

_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


class Color(StrEnum):
    """When to colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


ColorOption = Annotated[
    Color, typer.Option("--color", help="Colour the output; auto: on a terminal, unless NO_COLOR is set.")
]
"""The option of every verb that prints for people."""


def wants_color(color: Color, stream: TextIO) -> bool:
    """Say whether to colour what goes to ``stream``. ``NO_COLOR`` (https://no-color.org) wins over auto only."""
    if color is not Color.AUTO:
        return color is Color.ALWAYS
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width_of(stream: TextIO) -> int | None:
    """Return the columns of a terminal (``COLUMNS`` first), None for anything else: a pipe has no width."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def printable(text: str) -> str:
    r"""Escape what could steer a terminal or forge a line: ANSI and other controls, bidirectional marks, newlines.

    ``"a\x1b[31m"`` becomes ``"a\\x1b[31m"``; letters of every script stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(_escaped(char) if unicodedata.category(char) in _UNPRINTABLE else char for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    if char in _NAMED:
        return _NAMED[char]
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


_STYLES = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}


class Paint:
    """ANSI styles for single words; with ``enabled`` false it leaves text alone. Escapes what it is given."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __call__(self, text: str, *styles: str) -> str:
        """Return ``text``, made printable, in ``styles``."""
        text = printable(text)
        if not self.enabled or not styles:
            return text
        return f"\x1b[{';'.join(_STYLES[style] for style in styles)}m{text}\x1b[0m"

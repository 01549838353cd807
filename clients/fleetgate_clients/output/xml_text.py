"""Text that XML 1.0 can carry."""

from __future__ import annotations

from .terminal import printable

_NONCHARACTERS = str.maketrans({"\ufffe": "\\ufffe", "\uffff": "\\uffff"})
"""What XML forbids beside the controls and surrogates that :func:`printable` escapes."""


def xml_text(text: str) -> str:
    """Escape, visibly, what XML cannot hold and what could steer a terminal. Markup is for the XML writer to escape."""
    return printable(text).translate(_NONCHARACTERS)


def xml_lines(text: str) -> str:
    """The same for a text of several lines."""
    return "\n".join(map(xml_text, text.splitlines()))

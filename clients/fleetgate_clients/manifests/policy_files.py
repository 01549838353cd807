"""Policies out of files that hold other things too, cut so that every diagnostic still names the right line."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MARKER = b"---"


class Located(Protocol):
    """An object of a file. ``line`` is the 1-based line of its document, ``json`` the document as JSON."""

    @property
    def path(self) -> str:
        """The file."""

    @property
    def line(self) -> int:
        """Where it starts."""

    @property
    def json(self) -> bytes:
        """What it is."""


_Object = TypeVar("_Object", bound=Located)


def only(data: bytes, objects: Sequence[_Object], wanted: Callable[[_Object], bool]) -> list[tuple[str, bytes]]:
    """Return the (path, content) files that hold just the wanted objects of one file, each on the line it had.

    Unwanted documents become empty lines. Documents that share a line (JSON behind JSON) travel as files of their own.
    """
    if all(wanted(item) for item in objects):
        return [(objects[0].path, data)] if objects else []
    lines = [item.line for item in objects]
    if any(following <= line for line, following in pairwise(lines)):
        return [(item.path, item.json) for item in objects if wanted(item)]
    text = data.splitlines(keepends=True)
    ends = [line - 1 for line in lines[1:]] + [len(text)]
    for item, end in zip(objects, ends, strict=True):
        if not wanted(item):
            text[item.line - 1 : end] = [_blank(line) for line in text[item.line - 1 : end]]
    return [(objects[0].path, b"".join(text))] if any(wanted(item) for item in objects) else []


def _blank(line: bytes) -> bytes:
    # A document marker stays: the documents on its two sides must not become one.
    is_marker = line.startswith(_MARKER) and line[3:4] in (b"", b" ", b"\t", b"\r", b"\n")
    return _MARKER + b"\n" if is_marker else b"\n"

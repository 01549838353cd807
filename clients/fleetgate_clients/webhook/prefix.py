"""Who asks, from the first bytes of a body that is too large or too deep to be decoded.

A scanner that walks JSON without recursion and without building anything: it remembers at which key of which object it
stands and collects strings at six places. A ``uid`` in a label, in a string or in another object is somewhere else.
The bytes may end anywhere.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

PREFIX_BYTES = 64 * 1024

_TOKEN = re.compile(rb'[ \t\r\n]*(?:([{}\[\]:,])|("(?:[^"\\]|\\.)*")|([^\s{}\[\]:,"]+))', re.DOTALL)

_WANTED = frozenset(
    {
        ("kind",),
        ("apiVersion",),
        ("request", "uid"),
        ("request", "kind", "group"),
        ("request", "kind", "version"),
        ("request", "kind", "kind"),
    }
)


@dataclass(frozen=True, slots=True)
class Identity:
    """What was found; "" where it was not."""

    kind: str = ""
    api_version: str = ""
    uid: str = ""
    group: str = ""
    version: str = ""
    object_kind: str = ""


def identify(prefix: bytes) -> Identity:
    """Read the identity of an AdmissionReview from its first bytes. The last of duplicate keys wins."""
    found = _Scanner().scan(prefix)
    return Identity(
        kind=found.get(("kind",), ""),
        api_version=found.get(("apiVersion",), ""),
        uid=found.get(("request", "uid"), ""),
        group=found.get(("request", "kind", "group"), ""),
        version=found.get(("request", "kind", "version"), ""),
        object_kind=found.get(("request", "kind", "kind"), ""),
    )


@dataclass(slots=True)
class _Level:
    """An open object or array: the key that a value would belong to, "" in an array."""

    is_object: bool
    key: str = ""
    expects_key: bool = False


class _Scanner:
    """The levels that are open, the found strings; below the places of interest only the nesting counts."""

    def __init__(self) -> None:
        self._levels: list[_Level] = []
        self._deeper = 0
        self._found: dict[tuple[str, ...], str] = {}

    def scan(self, prefix: bytes) -> dict[tuple[str, ...], str]:
        position = 0
        while match := _TOKEN.match(prefix, position):
            position = match.end()
            mark, string, _ = match.groups()
            if mark in (b"{", b"["):
                self._open(is_object=mark == b"{")
            elif mark in (b"}", b"]"):
                self._close()
            elif not self._deeper and self._levels:
                self._inside(mark, string)
            if not self._levels:
                break
        return self._found

    def _open(self, *, is_object: bool) -> None:
        if self._deeper or not any(wanted[: len(self._levels)] == self._place() for wanted in _WANTED):
            self._deeper += 1
        else:
            self._levels.append(_Level(is_object, expects_key=is_object))

    def _close(self) -> None:
        if self._deeper:
            self._deeper -= 1
        elif self._levels:
            self._levels.pop()

    def _inside(self, mark: bytes | None, string: bytes | None) -> None:
        top = self._levels[-1]
        if mark == b",":
            top.expects_key = top.is_object
        elif string is not None and top.expects_key:
            top.key, top.expects_key = _text(string), False
        elif string is not None and (place := self._place()) in _WANTED:
            self._found[place] = _text(string)

    def _place(self) -> tuple[str, ...]:
        return tuple(level.key for level in self._levels)


def _text(literal: bytes) -> str:
    try:
        text = json.loads(literal)
    except ValueError:
        return ""
    return text if isinstance(text, str) else ""

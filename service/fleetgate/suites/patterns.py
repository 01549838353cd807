"""RE2, the regular expressions of Go: what ``message`` of an assertion and ``--run`` are written in.

Python's ``re`` answers differently (``$`` before a final newline, ``\\pL``, ``\\z``, Unicode digits, look-around, and
time that may grow exponentially), so RE2 itself decides.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any


class PatternError(Exception):
    """A regular expression that RE2 does not accept."""


class Pattern:
    """A compiled RE2 expression."""

    def __init__(self, text: str) -> None:
        re2, options = _re2()
        try:
            self._compiled = re2.compile(text, options)
        except re2.error as error:
            reason = error.args[0] if error.args else "invalid"
            raise PatternError(reason.decode() if isinstance(reason, bytes) else str(reason)) from error

    def found_in(self, text: str) -> bool:
        """Say whether it matches anywhere in ``text``."""
        return self._compiled.search(text) is not None


@cache
def _re2() -> tuple[Any, Any]:
    re2 = import_module("re2")  # loaded where a pattern is used; it has no type stubs
    options = re2.Options()
    options.log_errors = False
    return re2, options

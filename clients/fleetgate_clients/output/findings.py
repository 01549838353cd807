"""What a linter found in files. The writers beside this module print it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Severity(IntEnum):
    """How bad a finding is; greater is worse."""

    INFO = 1
    WARNING = 2
    ERROR = 3

    def __str__(self) -> str:
        """Return ``info``, ``warning`` or ``error``."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Rule:
    """A code and what it stands for. ``page`` explains it, in Markdown."""

    code: str
    name: str
    severity: Severity
    summary: str
    page: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at. ``line`` and ``column`` are 1-based, 0 where unknown; columns count characters."""

    rule: Rule
    message: str
    path: str
    line: int = 0
    column: int = 0
    field: str = ""
    hint: str = ""

    @property
    def place(self) -> str:
        """``path:line:column``, as far as it is known."""
        return ":".join([self.path, *(str(number) for number in (self.line, self.column) if number)])


@dataclass(frozen=True, slots=True)
class Findings:
    """A run: what is shown of it, in order, and what was looked at."""

    shown: tuple[Finding, ...]
    templates: int
    constraints: int
    hidden: int = 0
    """Findings that are less severe than what was asked for."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Text of each file, by path, for excerpts."""

    def count(self, severity: Severity) -> int:
        """Return how many of that severity are shown."""
        return sum(1 for finding in self.shown if finding.rule.severity is severity)

"""A baseline: an earlier report whose violations are known, so that only new ones fail."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from fleetgate_clients.audit.report import ConstraintName, Report, Violation

_Key = tuple[str, ...]


class KnownViolations:
    """The violations of a report, each good for one equal violation of a run."""

    def __init__(self, report: Report) -> None:
        self._left = Counter(map(_key, report.violations))
        self._counts = Counter((violation.object.cluster, violation.constraint) for violation in report.violations)
        self._known = 0

    def mark(self, violation: Violation) -> Violation:
        """Return it as known where one like it is left. A message that changed makes another violation."""
        key = _key(violation)
        if not self._left[key]:
            return violation
        self._left[key] -= 1
        self._known += 1
        return replace(violation, known=True)

    def count(self, cluster: str, constraint: ConstraintName) -> int:
        """How many violations of a Constraint in a cluster it has."""
        return self._counts[cluster, constraint]

    @property
    def known(self) -> int:
        """How many were found again."""
        return self._known

    @property
    def fixed(self) -> int:
        """How many were not."""
        return self._left.total()


def _key(violation: Violation) -> _Key:
    """Without version and uid: an object that was made anew, or read at another version, is the same to its owner."""
    constraint = violation.constraint
    return (*violation.object.identity, constraint.scope, constraint.kind, constraint.name, violation.message)

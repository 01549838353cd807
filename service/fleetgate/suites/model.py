"""The ``Suite`` of gator: group ``test.gatekeeper.sh``, kind ``Suite``. Paths in it are relative to its file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

GROUP = "test.gatekeeper.sh"
KIND = "Suite"
DEFAULT_CLUSTER_SET = "default"


@dataclass(frozen=True, slots=True)
class Assertion:
    """Something that must hold of the violations of a case.

    ``violations`` counts those whose message matches: ``"yes"`` at least one, ``"no"`` none, a number exactly so many.
    Anything else holds of no case.
    ``message`` is an RE2 regular expression, not anchored; without it every violation counts.
    """

    violations: int | str = "yes"
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster of a case, with what its inventory holds. ``cluster_set`` is the cluster set that it belongs to."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    cluster_set: str = DEFAULT_CLUSTER_SET
    inventory: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """An object to review: a plain object, or an AdmissionReview for its request.

    ``clusters`` is fleetgate's own: the clusters that fleet templates see. The first is the review's; ``inventory`` is
    in it too.
    """

    name: str
    object: str
    inventory: tuple[str, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    assertions: tuple[Assertion, ...] = ()
    skip: bool = False


@dataclass(frozen=True, slots=True)
class Test:
    """A ConstraintTemplate and a Constraint, and the cases to try on them.

    ``invalid`` says that the Constraint must be refused by the template's schema; its cases are then not run.
    """

    __test__ = False  # for pytest: not a test class

    name: str
    template: str
    constraint: str
    expansion: str = ""
    cases: tuple[Case, ...] = ()
    invalid: bool = False
    skip: bool = False


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of one file. ``shown`` is its path as the user would write it."""

    path: Path
    shown: str
    tests: tuple[Test, ...] = ()
    skip: bool = False

"""What an audit found. Every output is written from this model, whether a run or a file made it."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator


class Effect(StrEnum):
    """What a violation does, worst first. OTHER is an action that Gatekeeper does not enforce either."""

    DENY = "deny"
    WARN = "warn"
    DRYRUN = "dryrun"
    OTHER = "other"


_EFFECTS = {effect.value: effect for effect in Effect}


@lru_cache(maxsize=1024)
def effect_of(action: str, scoped: tuple[str, ...]) -> Effect:
    """The worst of the actions that hold: ``spec.enforcementAction``, or for ``scoped`` those of the point."""
    found = {_EFFECTS.get(name, Effect.OTHER) for name in (scoped if action == "scoped" else (action,))}
    return next((effect for effect in Effect if effect in found), Effect.OTHER)


class ObjectName(msgspec.Struct, frozen=True):
    """An object of a cluster. ``namespace`` is empty for objects of the cluster's scope, ``owner`` is ``Kind/name``."""

    cluster: str
    group: str
    version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""
    owner: str = ""

    @property
    def api_version(self) -> str:
        """``apps/v1``, or ``v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def path(self) -> str:
        """``namespace/name``, or ``name``."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes it the same object, whichever version of its kind it was read at."""
        return (self.cluster, self.group, self.kind, self.namespace, self.name)

    def __str__(self) -> str:
        """``apps/v1/Deployment namespace/name``, as gator names objects."""
        return f"{self.api_version}/{self.kind} {self.path}".rstrip()


class ConstraintName(msgspec.Struct, frozen=True):
    """A Constraint; ``scope`` is ``fleet`` or ``cluster``."""

    kind: str
    name: str
    scope: str

    def __str__(self) -> str:
        """``K8sRequiredLabels/owner``."""
        return f"{self.kind}/{self.name}"


class Place(msgspec.Struct, frozen=True):
    """Where an object stands in a file; ``line`` is 1-based, ``address`` that of a Terraform resource."""

    path: str
    line: int
    address: str = ""

    @property
    def is_file(self) -> bool:
        """Whether somebody can go there: standard input is gone."""
        return self.path != "<stdin>"

    def __str__(self) -> str:
        """``path:line``, or ``path[address]:line``."""
        return f"{self.path}{f'[{self.address}]' if self.address else ''}:{self.line}"


class Violation(msgspec.Struct, frozen=True):
    """One result of one Constraint on one object. Times are RFC 3339, empty where they are not known.

    ``details`` is JSON text of one line, empty where there are none. ``known`` says that the baseline has it. ``place``
    is known for objects of files.
    """

    object: ObjectName
    constraint: ConstraintName
    action: str
    actions: tuple[str, ...]
    message: str
    details: str = ""
    first_seen: str = ""
    last_seen: str = ""
    known: bool = False
    place: Place | None = None

    @property
    def effect(self) -> Effect:
        """What it does."""
        return effect_of(self.action, self.actions)

    @property
    def sentence(self) -> str:
        """Cluster, object, the resource that makes it, and the message."""
        address = f" ({self.place.address})" if self.place is not None and self.place.address else ""
        return f"{self.object.cluster}: {self.object}{address}: {self.message}"


class Problem(msgspec.Struct, frozen=True):
    """An object that was not judged (``constraint`` is None), or not by one Constraint: never "no violation"."""

    object: ObjectName
    constraint: ConstraintName | None
    reason: str
    message: str


class NotAudited(msgspec.Struct, frozen=True):
    """A kind that was not, or not completely, looked at. ``objects`` is 0 where their number is not known."""

    group: str
    version: str
    kind: str
    reason: str
    objects: int = 0

    def __str__(self) -> str:
        """``Ingress.networking.k8s.io``."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def words(self) -> str:
        """``3 objects of Ingress.networking.k8s.io: why``."""
        number = f"{self.objects:,} object{'' if self.objects == 1 else 's'} of " if self.objects else ""
        return f"{number}{self}: {self.reason}"


class Cluster(msgspec.Struct, frozen=True):
    """A cluster's part. ``age`` is seconds since all of it was last known to be complete; None where it never was.

    ``complete`` says that everything that Constraints match was looked at; ``reason`` says why not.
    """

    name: str
    complete: bool
    reason: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    state: str = ""
    revision: int = 0
    age: float | None = None
    objects: int = 0
    errors: int = 0
    not_audited: tuple[NotAudited, ...] = ()


class ConstraintResult(msgspec.Struct, frozen=True):
    """A Constraint that holds in a cluster. ``before`` is how many violations the run before had, None without one."""

    cluster: str
    constraint: ConstraintName
    action: str
    violations: int
    matched: int = 0
    errors: int = 0
    before: int | None = None
    volatile: bool = False


class Baseline(msgspec.Struct, frozen=True):
    """What a baseline says: how many of the violations it has too, and how many of its own are gone."""

    known: int
    fixed: int


class Run(msgspec.Struct, frozen=True):
    """What is known when a run starts. ``clusters`` are names."""

    id: str
    started_at: str
    generation: int
    digest: str
    clusters: tuple[str, ...]


class Counts:
    """Violations by cluster, Constraint and effect; new ones, which the baseline does not have, by effect."""

    def __init__(self) -> None:
        self.found: Counter[tuple[str, ConstraintName, Effect]] = Counter()
        self.new: Counter[Effect] = Counter()

    def __eq__(self, other: object) -> bool:
        """Whether the same was counted."""
        return isinstance(other, Counts) and (self.found, self.new) == (other.found, other.new)

    __hash__ = None  # type: ignore[assignment]

    def add(self, violation: Violation) -> None:
        """Count one."""
        effect = violation.effect
        self.found[violation.object.cluster, violation.constraint, effect] += 1
        if not violation.known:
            self.new[effect] += 1

    def of(self, effect: Effect) -> int:
        """How many have that effect."""
        return sum(count for (_, _, found), count in self.found.items() if found is effect)


class Report(msgspec.Struct, frozen=True):
    """A whole audit.

    ``reason`` says why the run did not come to its end; empty where it did. A run that was streamed to its output keeps
    no ``violations``; its ``counts`` are those of all that went by. With ``since`` (RFC 3339) they are only those first
    seen since then.
    """

    run: Run
    ended_at: str
    reason: str
    clusters: tuple[Cluster, ...]
    constraints: tuple[ConstraintResult, ...]
    violations: tuple[Violation, ...]
    errors: tuple[Problem, ...]
    counts: Counts
    baseline: Baseline | None = None
    since: str = ""

    @property
    def complete(self) -> bool:
        """Whether everything was looked at and judged."""
        return not self.reason and not self.errors and all(cluster.complete for cluster in self.clusters)

    @property
    def objects(self) -> int:
        """Objects that were judged."""
        return sum(cluster.objects for cluster in self.clusters)

    def shortfalls(self) -> Iterator[str]:
        """Yield a sentence for each thing that makes the report incomplete."""
        if self.reason:
            yield f"the run did not come to its end: {self.reason}"
        for cluster in self.clusters:
            if not cluster.complete:
                state = f" is {cluster.state}" if cluster.state not in {"", "SYNCED"} else " is incomplete"
                yield f"{cluster.name}{state}{f': {cluster.reason}' if cluster.reason else ''}"
        for problem in self.errors:
            by = f" by {problem.constraint}" if problem.constraint else ""
            yield f"{problem.object.cluster}: {problem.object} was not judged{by}: {problem.message}"

    def not_reviewed(self) -> Iterator[str]:
        """Yield a sentence for each kind of a cluster that was not, or not completely, looked at."""
        for cluster in self.clusters:
            for kind in cluster.not_audited:
                yield f"{cluster.name}: {kind.words}"

"""A what-if's messages, gathered: verdicts with the published policies and with the proposed ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from fleetgate_proto.v1 import audit_pb2

from fleetgate_clients.audit.collect import not_audited_of, object_of, problem_of, result_of
from fleetgate_clients.audit.files_as_cluster import not_reviewed_words
from fleetgate_clients.audit.report import Effect, NotAudited, ObjectName, Problem, Violation


@dataclass(frozen=True, slots=True)
class Verdict:
    """One object's. ``violations`` are those with the proposed policies, ``gone`` those of the published alone."""

    object: ObjectName
    allowed_before: bool
    allowed_after: bool
    violations: tuple[Violation, ...]
    gone: tuple[Violation, ...]

    @property
    def change(self) -> str:
        """``newly denied``, ``newly allowed``, ``still denied`` or ``still allowed``."""
        after = "allowed" if self.allowed_after else "denied"
        return f"{'still' if self.allowed_before == self.allowed_after else 'newly'} {after}"

    @property
    def admission(self) -> str:
        """The same of an object that would be written; there is none yet that could be denied still."""
        words = f"would be {'admitted' if self.allowed_after else 'denied'}"
        if self.allowed_before == self.allowed_after:
            return words
        return f"{words}, by the published policies {'admitted' if self.allowed_before else 'denied'}"

    def paired(self) -> tuple[list[tuple[Violation | None, Violation]], list[Violation]]:
        """Each violation with what it was where only its action or details change, and those that are gone."""
        gone = list(self.gone)
        pairs: list[tuple[Violation | None, Violation]] = []
        for violation in self.violations:
            before = next((one for one in gone if _key(one) == _key(violation)), None)
            if before is not None:
                gone.remove(before)
            pairs.append((before, violation))
        return pairs, gone


@dataclass(slots=True)
class Comparison:
    """All of them. ``reason`` says why the answer did not come to its end; empty where it did.

    ``written`` says that the objects are not there yet: somebody would write them. ``not_reviewed`` is what stood in
    the files and was not looked at.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    summary: audit_pb2.WhatIfSummary | None = None
    reason: str = ""
    not_reviewed: tuple[NotAudited, ...] = ()
    written: bool = False

    def take(self, message: audit_pb2.WhatIfResponse) -> None:
        """Take one message."""
        which = message.WhichOneof("message")
        if which == "findings":
            self.verdicts += map(_verdict, message.findings.findings)
            self.errors += map(problem_of, message.findings.errors)
        elif which == "summary":
            self.summary = message.summary

    @property
    def clusters(self) -> list[str]:
        """Clusters that were looked at, or should have been."""
        return [cluster.cluster for cluster in self.summary.clusters] if self.summary is not None else []

    @property
    def objects(self) -> int:
        """Objects that were judged."""
        return sum(cluster.objects for cluster in self.summary.clusters) if self.summary is not None else 0

    @property
    def newly_denied(self) -> int:
        """Objects that would be."""
        counts = self.summary.counts if self.summary is not None else ()
        return sum(count.newly_denied for count in counts)

    @property
    def denied(self) -> int:
        """Objects that would be, among the verdicts that were given."""
        return sum(1 for verdict in self.verdicts if not verdict.allowed_after)

    @property
    def stricter(self) -> int:
        """Violations that become deny on objects that are denied already: no object is newly denied for them."""
        pairs = [
            pair
            for verdict in self.verdicts
            if not verdict.allowed_before and not verdict.allowed_after
            for pair in verdict.paired()[0]
        ]
        return sum(1 for before, after in pairs if before and before.effect is not after.effect is Effect.DENY)

    @property
    def complete(self) -> bool:
        """Whether everything was compared."""
        return (
            self.summary is not None
            and not self.reason
            and not self.errors
            and not self.not_reviewed
            and all(cluster.complete for cluster in self.summary.clusters)
        )

    def shortfalls(self) -> list[str]:
        """A sentence for each thing that was not."""
        found = []
        if self.summary is None:
            found.append(f"the answer did not come to its end: {self.reason or 'it ended early'}")
        for cluster in self.summary.clusters if self.summary is not None else ():
            if not cluster.complete:
                found.append(f"{cluster.cluster} is incomplete: {cluster.reason}")
        if self.not_reviewed:
            found.append(f"the files are not reviewed completely: {not_reviewed_words(self.not_reviewed)}")
        for problem in self.errors:
            by = f" by {problem.constraint}" if problem.constraint else ""
            found.append(f"{problem.object.cluster}: {problem.object} was not judged{by}: {problem.message}")
        return found

    def kinds_not_reviewed(self) -> list[str]:
        """A sentence for each kind that was not, or not completely, looked at."""
        clusters = self.summary.clusters if self.summary is not None else ()
        found = [
            f"{cluster.cluster}: {kind.words}"
            for cluster in clusters
            for kind in map(not_audited_of, cluster.not_audited)
        ]
        return found + [kind.words for kind in self.not_reviewed]


def _key(violation: Violation) -> tuple[object, ...]:
    return (violation.constraint, violation.message)


def _verdict(message: audit_pb2.WhatIfFinding) -> Verdict:
    found = object_of(message.object)
    return Verdict(
        found,
        message.allowed_before,
        message.allowed_after,
        tuple(result_of(found, said) for said in message.violations),
        tuple(result_of(found, said) for said in message.gone),
    )

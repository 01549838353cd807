"""A run's messages, gathered into a report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fleetgate_proto.v1 import audit_pb2, review_pb2
from msgspec.structs import replace

from fleetgate_clients.audit.document import details_of
from fleetgate_clients.audit.report import (
    Baseline,
    Cluster,
    ConstraintName,
    ConstraintResult,
    Counts,
    NotAudited,
    ObjectName,
    Place,
    Problem,
    Report,
    Run,
    Violation,
)
from fleetgate_clients.inventory.text import state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.timestamp_pb2 import Timestamp

    from fleetgate_clients.audit.baseline import KnownViolations


@dataclass
class Collector:
    """Takes the messages of one run, in order, and makes the report.

    With ``emit`` each violation is handed on as it comes and not kept: memory then grows with errors and Constraints
    only. ``wanted`` says which violations are of interest; the others are as if they were not there. Not thread-safe.
    """

    emit: Callable[[Violation], object] | None = None
    known: KnownViolations | None = None
    places: Mapping[tuple[str, str, str, str], Place] = field(default_factory=dict)
    wanted: Callable[[Violation], bool] | None = None

    def __post_init__(self) -> None:
        self.run: Run | None = None
        self._started = audit_pb2.AuditStarted()
        self._summary: audit_pb2.AuditSummary | None = None
        self._violations: list[Violation] = []
        self._constraints: dict[ConstraintName, ConstraintName] = {}
        self._actions: dict[str, str] = {}
        self._errors: list[Problem] = []
        self._counts = Counts()

    @property
    def ended(self) -> bool:
        """Whether the last message was taken."""
        return self._summary is not None

    def take(self, message: audit_pb2.RunAuditResponse) -> None:
        """Take one message; progress is not looked at."""
        which = message.WhichOneof("message")
        if which == "started":
            self.start(message.started)
        elif which == "findings":
            self.find(message.findings)
        elif which == "summary":
            self.end(message.summary)

    def start(self, started: audit_pb2.AuditStarted) -> None:
        """The run has started."""
        self._started = started
        self.run = Run(
            started.run_id,
            moment(started, "started_at"),
            started.policy_generation.number,
            started.policy_generation.digest,
            tuple(cluster.name for cluster in started.clusters),
        )

    def find(self, findings: audit_pb2.AuditFindings) -> None:
        """Something was found."""
        for message in findings.violations:
            violation = violation_of(message, self.places)
            if self.wanted is not None and not self.wanted(violation):
                continue
            if self.known is not None:
                violation = self.known.mark(violation)
            self._counts.add(violation)
            if self.emit is None:
                self._violations.append(self._slim(violation))
            else:
                self.emit(violation)
        self._errors += map(problem_of, findings.errors)

    def _slim(self, violation: Violation) -> Violation:
        """Return an equal one that shares what others have: most differ in their message, and there may be millions."""
        last = self._violations[-1].object if self._violations else None
        return replace(
            violation,
            object=last if violation.object == last else violation.object,
            constraint=self._constraints.setdefault(violation.constraint, violation.constraint),
            action=self._actions.setdefault(violation.action, violation.action),
        )

    def end(self, summary: audit_pb2.AuditSummary) -> None:
        """The run came to its end. A summary that comes alone stands for the start too."""
        if self.run is None:
            self.start(
                audit_pb2.AuditStarted(
                    run_id=summary.run_id,
                    started_at=summary.started_at if summary.HasField("started_at") else None,
                    policy_generation=summary.policy_generation,
                    clusters=[audit_pb2.AuditedCluster(name=part.cluster) for part in summary.clusters],
                )
            )
        self._summary = summary

    def report(self, reason: str = "") -> Report:
        """Return the report; without a summary ``reason`` says why there is none."""
        summary = self._summary or audit_pb2.AuditSummary()
        if self._summary is None:
            reason = reason or "the answer ended early"
        return Report(
            self.run or Run("", "", 0, "", ()),
            moment(summary, "ended_at"),
            reason,
            self._clusters(summary),
            tuple(map(self._constraint_result, summary.constraints)),
            tuple(self._violations),
            tuple(self._errors),
            self._counts,
            None if self.known is None else Baseline(self.known.known, self.known.fixed),
        )

    def _constraint_result(self, message: audit_pb2.ConstraintAudit) -> ConstraintResult:
        """One Constraint; where the service remembers no run before, the baseline is the one before."""
        result = _constraint_result(message)
        if result.before is not None or self.known is None:
            return result
        return replace(result, before=self.known.count(result.cluster, result.constraint))

    def _clusters(self, summary: audit_pb2.AuditSummary) -> tuple[Cluster, ...]:
        started = {cluster.name: cluster for cluster in self._started.clusters}
        ended = {cluster.cluster: cluster for cluster in summary.clusters}
        names = dict.fromkeys([*started, *ended])
        return tuple(_cluster(name, started.get(name), ended.get(name)) for name in names)


def violation_of(
    message: audit_pb2.AuditViolation, places: Mapping[tuple[str, str, str, str], Place] | None = None
) -> Violation:
    """One violation."""
    found = object_of(message.object)
    return result_of(
        found,
        message.violation,
        first_seen=moment(message, "first_seen"),
        last_seen=moment(message, "last_seen"),
        place=places.get((found.group, found.kind, found.namespace, found.name)) if places else None,
    )


def result_of(
    found: ObjectName,
    said: review_pb2.Violation,
    *,
    first_seen: str = "",
    last_seen: str = "",
    place: Place | None = None,
) -> Violation:
    """One result of a Constraint on an object."""
    return Violation(
        found,
        ConstraintName(said.constraint_kind, said.constraint_name, said.scope),
        said.enforcement_action,
        tuple(said.scoped_enforcement_actions),
        said.message,
        details_of(said.details),
        first_seen,
        last_seen,
        place=place,
    )


def problem_of(message: audit_pb2.AuditError) -> Problem:
    """One object that was not judged."""
    if message.WhichOneof("error") == "constraint":
        error = message.constraint
        constraint = ConstraintName(error.constraint_kind, error.constraint_name, error.scope)
        return Problem(object_of(message.object), constraint, _reason(error.reason), error.message)
    return Problem(object_of(message.object), None, _reason(message.review.reason), message.review.message)


def object_of(message: audit_pb2.AuditedObject) -> ObjectName:
    """The name of an object."""
    kind = message.kind
    return ObjectName(
        message.cluster,
        kind.group,
        kind.version,
        kind.kind,
        message.namespace,
        message.name,
        message.uid,
        message.owner,
    )


def moment(message: object, name: str) -> str:
    """A field of type Timestamp as RFC 3339; empty where it is not set."""
    if not message.HasField(name):  # type: ignore[attr-defined]
        return ""
    stamp: Timestamp = getattr(message, name)
    text: str = stamp.ToJsonString()
    return text


def duration(message: Duration) -> float:
    """Seconds."""
    return float(message.seconds) + message.nanos / 1e9


def not_audited_of(message: audit_pb2.KindNotAudited) -> NotAudited:
    """A kind that was not looked at."""
    kind = message.kind
    return NotAudited(kind.group, kind.version, kind.kind, message.reason, message.objects)


def _reason(reason: review_pb2.ErrorReason.ValueType) -> str:
    known = review_pb2.ErrorReason
    name = known.Name(reason) if reason in known.values() else ""
    return name.removeprefix("ERROR_REASON_").replace("UNSPECIFIED", "") or "UNKNOWN"


def _cluster(name: str, started: audit_pb2.AuditedCluster | None, ended: audit_pb2.ClusterAudit | None) -> Cluster:
    """What is known of a cluster. One that the summary does not name was not audited to the end."""
    begun = started or audit_pb2.AuditedCluster(name=name)
    not_audited = ended.not_audited if ended is not None and ended.not_audited else begun.not_audited
    return Cluster(
        name,
        ended is not None and ended.complete,
        (ended.reason if ended is not None else "") or begun.reason,
        tuple(sorted(begun.labels.items())),
        state_of(begun.state) if begun.state else "",
        begun.revision,
        duration(begun.age) if begun.HasField("age") else None,
        ended.objects if ended is not None else 0,
        ended.errors if ended is not None else 0,
        tuple(map(not_audited_of, not_audited)),
    )


def _constraint_result(message: audit_pb2.ConstraintAudit) -> ConstraintResult:
    return ConstraintResult(
        message.cluster,
        ConstraintName(message.constraint_kind, message.constraint_name, message.scope),
        message.enforcement_action,
        message.violations,
        message.matched,
        message.errors,
        message.violations_before if message.HasField("violations_before") else None,
        message.volatile,
    )

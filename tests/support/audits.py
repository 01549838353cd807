"""Messages of audits, as tests make them up."""

from __future__ import annotations

from collections.abc import Iterable

from fleetgate_proto.v1 import audit_pb2, inventory_pb2, review_pb2
from google.protobuf.timestamp_pb2 import Timestamp

NEW = audit_pb2.ViolationChange.DIRECTION_NEW
FIXED = audit_pb2.ViolationChange.DIRECTION_FIXED


def violation(
    name: str,
    message: str = "no",
    *,
    cluster: str = "west",
    kind: str = "Pod",
    group: str = "",
    version: str = "v1",
    namespace: str = "shop",
    constraint: str = "K8sA/one",
    action: str = "deny",
    scope: str = "fleet",
    details: bytes = b"{}",
    scoped: Iterable[str] = (),
) -> audit_pb2.AuditViolation:
    """A violation by an object of this name."""
    constraint_kind, _, constraint_name = constraint.partition("/")
    return audit_pb2.AuditViolation(
        object=audit_pb2.AuditedObject(
            cluster=cluster,
            kind=inventory_pb2.KindName(group=group, version=version, kind=kind),
            namespace=namespace,
            name=name,
            uid=f"uid-{name}",
        ),
        violation=review_pb2.Violation(
            constraint_kind=constraint_kind,
            constraint_name=constraint_name,
            message=message,
            details=details,
            enforcement_action=action,
            scoped_enforcement_actions=scoped,
            scope=scope,
        ),
    )


def change(direction: int, found: audit_pb2.AuditViolation) -> audit_pb2.ViolationChange:
    """That a violation came or went."""
    return audit_pb2.ViolationChange(direction=direction, violation=found)


def at(seconds: int) -> int:
    """A time of the history."""
    return seconds * 1_000_000


def summary(
    run_id: str = "a" * 32, *, started: int = 1000, clusters: Iterable[str] = ("west",), incomplete: Iterable[str] = ()
) -> audit_pb2.AuditSummary:
    """A run of clusters, of which some were not looked at completely."""
    return audit_pb2.AuditSummary(
        run_id=run_id,
        started_at=Timestamp(seconds=started),
        ended_at=Timestamp(seconds=started + 1),
        clusters=[
            *(audit_pb2.ClusterAudit(cluster=one, complete=True) for one in clusters),
            *(audit_pb2.ClusterAudit(cluster=one, reason="unreachable") for one in incomplete),
        ],
    )

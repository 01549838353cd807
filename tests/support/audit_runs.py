"""Messages of audit runs, as the service sends them; names and messages are as hostile as Kubernetes and Rego allow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fleetgate_clients.audit.collect import Collector
from fleetgate_clients.audit.report import Report
from fleetgate_proto.v1 import audit_pb2, inventory_pb2, review_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

RUN_ID = "0123456789abcdef0123456789abcdef"
POD = inventory_pb2.KindName(version="v1", kind="Pod")
INGRESS = inventory_pb2.KindName(group="networking.k8s.io", version="v1", kind="Ingress")
NAMESPACE = inventory_pb2.KindName(version="v1", kind="Namespace")
SECRET = inventory_pb2.KindName(version="v1", kind="Secret")
STARTED = Timestamp(seconds=1_795_000_000)
ENDED = Timestamp(seconds=1_795_000_004, nanos=250_000_000)

HOSTILE = "<b>\x1b[31mred\x07</b>&\"'\nforged\u202e \ufffe=1+1]]>"
"""Markup, an escape sequence, a bell, a forged line, a bidirectional mark, what XML cannot hold."""

Constraint = tuple[str, str, str]
"""Kind, name, action; of the fleet's scope."""
REGISTRIES: Constraint = ("AllowedRegistries", "ours-only", "deny")
LABELS: Constraint = ("K8sRequiredLabels", "owner-of-everything-that-runs", "warn")
LIMITS: Constraint = ("RequiredLimits", "memory", "dryrun")
HOSTS: Constraint = ("K8sUniqueIngressHost", "unique", "deny")
SCOPED: Constraint = ("ScopedPolicy", "odd", "scoped")


def violation(
    cluster: str,
    kind: inventory_pb2.KindName,
    namespace: str,
    name: str,
    constraint: Constraint,
    message: str,
    *,
    details: Any = None,
    raw_details: str = "",
    owner: str = "",
    actions: tuple[str, ...] = (),
    first_seen: Timestamp | None = None,
) -> audit_pb2.AuditViolation:
    said = review_pb2.Violation(
        constraint_kind=constraint[0],
        constraint_name=constraint[1],
        message=message,
        details=raw_details.encode() if details is None else json.dumps(details).encode(),
        enforcement_action=constraint[2],
        scoped_enforcement_actions=actions,
        scope="fleet",
    )
    found = audit_pb2.AuditedObject(
        cluster=cluster, kind=kind, namespace=namespace, name=name, uid=f"uid-{name}"[:36], owner=owner
    )
    return audit_pb2.AuditViolation(object=found, violation=said, first_seen=first_seen, last_seen=first_seen)


def unanswered(cluster: str, namespace: str, name: str) -> list[audit_pb2.AuditError]:
    """An object that one Constraint did not judge, and one that nobody did."""
    found = audit_pb2.AuditedObject(cluster=cluster, kind=POD, namespace=namespace, name=name)
    one = review_pb2.ConstraintError(
        constraint_kind=HOSTS[0],
        constraint_name=HOSTS[1],
        message="time budget of 100 ms is spent",
        enforcement_action="deny",
        scope="fleet",
        reason=review_pb2.ERROR_REASON_TIME_BUDGET,
    )
    whole = review_pb2.ReviewError(
        code=413, message="nested deeper than 512", reason=review_pb2.ERROR_REASON_REQUEST_TOO_LARGE
    )
    return [audit_pb2.AuditError(object=found, constraint=one), audit_pb2.AuditError(object=found, review=whole)]


MESSAGE = "container <app> has an image <docker.io/library/nginx:1.29>, allowed are <registry.example/> and <mirror/>"

VIOLATIONS = (
    violation("prod-eu1", INGRESS, "team-a", "web", HOSTS, "host web.example is taken by team-b/web"),
    violation(
        "prod-eu1",
        POD,
        "team-a",
        "web-7d9c6f5b8-x2x4v",
        REGISTRIES,
        MESSAGE,
        details={"image": "docker.io/library/nginx:1.29", "count": 12345678901234567890},
        owner="ReplicaSet/web-7d9c6f5b8",
        first_seen=STARTED,
    ),
    violation("prod-eu1", POD, "team-a", "web-7d9c6f5b8-x2x4v", LABELS, "labels are missing: {owner}", details={}),
    violation("prod-eu1", POD, "team-b", "batch", LIMITS, "container <job> has no memory limit"),
    violation("stage", NAMESPACE, "", "team-a", LABELS, "you must provide labels: {owner}"),
    violation("stage", POD, "default", "=cmd", SCOPED, HOSTILE, details={"text": HOSTILE}, actions=("warn", "deny")),
)


def audited(name: str, **more: Any) -> audit_pb2.AuditedCluster:
    defaults: dict[str, Any] = {
        "labels": {"stage": name.partition("-")[0]},
        "revision": 7,
        "state": inventory_pb2.INVENTORY_STATE_SYNCED,
        "age": Duration(nanos=250_000_000),
        "objects": 600,
    }
    return audit_pb2.AuditedCluster(name=name, **{**defaults, **more})


def messages(
    violations: tuple[audit_pb2.AuditViolation, ...] = VIOLATIONS,
    *,
    errors: tuple[audit_pb2.AuditError, ...] = (),
    incomplete: dict[str, str] | None = None,
    ends: bool = True,
    before: int | None = None,
    batch: int = 2,
    not_audited: tuple[audit_pb2.KindNotAudited, ...] = (),
) -> Iterator[audit_pb2.RunAuditResponse]:
    """Yield a run over ``prod-eu1`` and ``stage``; ``incomplete`` are clusters and why they are."""
    generation = review_pb2.Generation(number=3, digest="ab" * 32)
    clusters = [audited("prod-eu1"), audited("stage")]
    started = audit_pb2.AuditStarted(
        run_id=RUN_ID, started_at=STARTED, policy_generation=generation, clusters=clusters, objects=1200
    )
    yield audit_pb2.RunAuditResponse(started=started)
    for start in range(0, len(violations), batch):
        findings = audit_pb2.AuditFindings(violations=violations[start : start + batch])
        yield audit_pb2.RunAuditResponse(findings=findings)
        yield audit_pb2.RunAuditResponse(progress=audit_pb2.AuditProgress(objects_done=start, objects=1200))
    if errors:
        yield audit_pb2.RunAuditResponse(findings=audit_pb2.AuditFindings(errors=errors))
    if not ends:
        return
    yield audit_pb2.RunAuditResponse(
        summary=audit_pb2.AuditSummary(
            run_id=RUN_ID,
            started_at=STARTED,
            ended_at=ENDED,
            policy_generation=generation,
            clusters=[
                audit_pb2.ClusterAudit(
                    cluster=name,
                    complete=name not in (incomplete or {}),
                    reason=(incomplete or {}).get(name, ""),
                    objects=600,
                    errors=len(errors),
                    not_audited=not_audited,
                )
                for name in ("prod-eu1", "stage")
            ],
            constraints=[
                _counted(cluster, constraint, violations, before)
                for cluster in ("prod-eu1", "stage")
                for constraint in (REGISTRIES, LABELS, HOSTS, LIMITS, SCOPED)
            ],
            objects=1200,
        )
    )


def _counted(
    cluster: str, constraint: Constraint, violations: tuple[audit_pb2.AuditViolation, ...], before: int | None
) -> audit_pb2.ConstraintAudit:
    found = [
        item
        for item in violations
        if item.object.cluster == cluster
        and (item.violation.constraint_kind, item.violation.constraint_name) == constraint[:2]
    ]
    return audit_pb2.ConstraintAudit(
        cluster=cluster,
        constraint_kind=constraint[0],
        constraint_name=constraint[1],
        scope="fleet",
        enforcement_action=constraint[2],
        violations=len(found),
        matched=300,
        violations_before=before,
        volatile=constraint is HOSTS,
    )


def report(**options: Any) -> Report:
    collector = Collector(known=options.pop("known", None), places=options.pop("places", {}))
    for message in messages(**options):
        collector.take(message)
    return collector.report()

"""Reports of every sort: what each output has to cope with."""

from __future__ import annotations

from fleetgate_clients.audit.baseline import KnownViolations
from fleetgate_clients.audit.report import Place, Report
from fleetgate_proto.v1 import audit_pb2

from tests.support import audit_runs as runs

NOT_REVIEWED = audit_pb2.KindNotAudited(kind=runs.SECRET, reason="Secrets are never read", objects=3)

REPORTS: dict[str, Report] = {
    "ordinary": runs.report(),
    "clean": runs.report(violations=()),
    "trend": runs.report(before=1),
    "not judged": runs.report(errors=tuple(runs.unanswered("stage", "default", "deep"))),
    "incomplete": runs.report(incomplete={"stage": "unreachable: no answer within 5s"}, not_audited=(NOT_REVIEWED,)),
    "cut off": runs.report(ends=False),
    "baseline": runs.report(known=KnownViolations(runs.report(violations=runs.VIOLATIONS[1:]))),
    "files": runs.report(places={("", "Pod", "team-b", "batch"): Place("manifests/batch.yaml", 12)}),
}

"""``fleetgate whatif``, ``explain`` and ``history`` in front of a service that gives set answers over real gRPC."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from fleetgate_clients.cli import build_app
from fleetgate_clients.output.audit.explain_text import explanation_lines
from fleetgate_proto.v1 import audit_pb2, review_pb2
from google.protobuf.duration_pb2 import Duration
from typer.testing import CliRunner

from tests.support import audit_runs as runs
from tests.support.scripted_audit_service import ScriptedAudits, scripted_audits

TEMPLATE = {"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "a"}}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "team-a"}}


@pytest.fixture
def service() -> Iterator[ScriptedAudits]:
    with scripted_audits() as running:
        yield running


def ask(service: ScriptedAudits, *arguments: str, given: str | None = None) -> Any:
    where = ("--server", service.address, "--insecure", "--color=never")
    return CliRunner().invoke(build_app(), [*arguments, *where], input=given)


def said(constraint: runs.Constraint, message: str, details: bytes = b"") -> review_pb2.Violation:
    return review_pb2.Violation(
        constraint_kind=constraint[0],
        constraint_name=constraint[1],
        enforcement_action=constraint[2],
        message=message,
        details=details,
        scope="fleet",
    )


# --- whatif ----------------------------------------------------------------------------------------------------------


def comparison(*, incomplete: str = "", newly_denied: int = 1) -> list[audit_pb2.WhatIfResponse]:
    web = audit_pb2.AuditedObject(cluster="prod", kind=runs.POD, namespace="team-a", name="web", owner="ReplicaSet/web")
    batch = audit_pb2.AuditedObject(cluster="prod", kind=runs.POD, namespace="team-b", name="batch")
    findings = [
        audit_pb2.WhatIfFinding(object=batch, allowed_after=True, gone=[said(runs.HOSTS, "gone \x1b[31m")]),
        audit_pb2.WhatIfFinding(object=web, allowed_before=True, violations=[said(runs.REGISTRIES, runs.MESSAGE)]),
    ]
    count = audit_pb2.WhatIfCount(
        cluster="prod", namespace="team-a", owner="ReplicaSet/web", newly_denied=newly_denied, unchanged=9
    )
    other = audit_pb2.WhatIfCount(cluster="prod", namespace="team-b", newly_allowed=1, still_denied=2, unchanged=3)
    summary = audit_pb2.WhatIfSummary(
        before=review_pb2.Generation(number=3, digest="ab" * 32),
        after=review_pb2.Generation(digest="cd" * 32),
        counts=[count, other],
        clusters=[audit_pb2.ClusterAudit(cluster="prod", complete=not incomplete, reason=incomplete)],
    )
    return [
        audit_pb2.WhatIfResponse(started=audit_pb2.AuditStarted(run_id=runs.RUN_ID, objects=20)),
        audit_pb2.WhatIfResponse(findings=audit_pb2.WhatIfFindings(findings=findings)),
        audit_pb2.WhatIfResponse(progress=audit_pb2.AuditProgress(objects_done=20, objects=20)),
        audit_pb2.WhatIfResponse(summary=summary),
    ]


def test_whatif_sends_policies_as_files_and_objects_as_objects(service: ScriptedAudits, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(f"# policies\n{json.dumps(TEMPLATE)}\n---\n{json.dumps(POD)}\n")
    service.answers = comparison()
    done = ask(service, "whatif", "-f", str(file), "--bundle", "b", "--clusters", "stage=prod", "--unchanged")
    assert done.exit_code == 1
    (request,) = service.asked
    assert (request.bundle, request.scope.cluster_selector, request.unchanged) == ("b", "stage=prod", True)
    (sent,) = request.files
    assert sent.path == str(file)
    assert yaml.safe_load(sent.content.split(b"---")[0]) == TEMPLATE
    assert [json.loads(item) for item in request.objects] == [POD]


def test_whatif_shows_who_is_concerned_and_why(service: ScriptedAudits) -> None:
    service.answers = comparison()
    text = ask(service, "whatif", "-f", "-", given=json.dumps(TEMPLATE)).stdout
    lines = text.splitlines()
    assert lines[1].split() == ["prod", "team-a", "ReplicaSet/web", "1", "0", "0", "9"]
    assert lines[4] == "+ prod  v1/Pod team-a/web  newly denied"
    assert lines[5] == "    deny  AllowedRegistries/ours-only"
    assert lines[6].strip() == runs.MESSAGE
    assert lines[7] == "- prod  v1/Pod team-b/batch  newly allowed"
    assert lines[8] == "    no longer deny  K8sUniqueIngressHost/unique"
    assert lines[-1] == "1 newly denied, 1 newly allowed, 2 denied as before, 12 unchanged"
    assert "\x1b" not in text


def test_objects_that_would_be_written_would_be_denied_or_admitted(service: ScriptedAudits) -> None:
    service.answers = comparison()
    lines = ask(service, "whatif", "-f", "-", given=json.dumps(POD)).stdout.splitlines()
    assert lines[0].split() == ["CLUSTER", "NAMESPACE", "OWNER", "DENIED", "ADMITTED"]
    assert lines[1].split() == ["prod", "team-a", "ReplicaSet/web", "1", "9"]
    assert lines[2].split() == ["prod", "team-b", "2", "4"]
    assert lines[4] == "x prod  v1/Pod team-a/web  would be denied, by the published policies admitted"
    assert lines[7] == "+ prod  v1/Pod team-b/batch  would be admitted, by the published policies denied"
    assert lines[-1] == "3 would be denied, 13 would be admitted"
    service.answers = comparison()
    document = json.loads(ask(service, "whatif", "-f", "-", "-o", "json", given=json.dumps(POD)).stdout)
    assert [one["change"].partition(",")[0] for one in document["objects"]] == ["would be admitted", "would be denied"]


def test_a_violation_whose_action_changes_is_shown_once(service: ScriptedAudits) -> None:
    warned = (runs.HOSTS[0], runs.HOSTS[1], "warn")
    registries = said(runs.REGISTRIES, "no")
    findings = [
        audit_pb2.WhatIfFinding(
            object=audit_pb2.AuditedObject(cluster="prod", kind=runs.POD, namespace="z", name="new"),
            allowed_before=True,
            violations=[said(runs.HOSTS, "taken"), said(runs.LABELS, "unchanged")],
            gone=[said(warned, "taken")],
        ),
        audit_pb2.WhatIfFinding(
            object=audit_pb2.AuditedObject(cluster="prod", kind=runs.POD, namespace="a", name="old"),
            violations=[registries, said(runs.HOSTS, "taken")],
            gone=[said(warned, "taken"), said(warned, "other")],
        ),
    ]
    _, _, _, last = comparison()
    service.answers = [audit_pb2.WhatIfResponse(findings=audit_pb2.WhatIfFindings(findings=findings)), last]
    done = ask(service, "whatif", "-f", "-", given=json.dumps(TEMPLATE))
    lines = done.stdout.splitlines()
    # In the order of the table.
    assert [line.strip() for line in lines[4:]] == [
        "= prod  v1/Pod a/old  still denied",
        "deny  AllowedRegistries/ours-only",
        "no",
        "warn → deny  K8sUniqueIngressHost/unique",
        "taken",
        "no longer warn  K8sUniqueIngressHost/unique",
        "other",
        "+ prod  v1/Pod z/new  newly denied",
        "warn → deny  K8sUniqueIngressHost/unique",
        "taken",
        "warn  K8sRequiredLabels/owner-of-everything-that-runs",
        "unchanged",
        "1 newly denied, 1 newly allowed, 2 denied as before, 12 unchanged",
        "1 violation becomes deny on objects that are denied already",
    ]


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        (comparison(), 1),
        (comparison(newly_denied=0), 0),
        (comparison(incomplete="it is STALE"), 3),
        (comparison()[:2], 3),
    ],
)
def test_exit_codes_of_whatif(service: ScriptedAudits, answers: list[Any], code: int) -> None:
    service.answers = answers
    done = ask(service, "whatif", "-f", "-", "-o", "json", given=json.dumps(TEMPLATE))
    assert done.exit_code == code
    assert json.loads(done.stdout)["complete"] is (code != 3)


def test_an_object_that_is_asked_about_is_denied_even_where_it_was_before(service: ScriptedAudits) -> None:
    still = audit_pb2.WhatIfFinding(
        object=audit_pb2.AuditedObject(cluster="prod", kind=runs.POD, name="web"), violations=[said(runs.HOSTS, "no")]
    )
    _, _, _, last = comparison(newly_denied=0)
    service.answers = [audit_pb2.WhatIfResponse(findings=audit_pb2.WhatIfFindings(findings=[still])), last]
    assert ask(service, "whatif", "-f", "-", given=json.dumps(POD)).exit_code == 1
    service.answers = [audit_pb2.WhatIfResponse(findings=audit_pb2.WhatIfFindings(findings=[still])), last]
    assert ask(service, "whatif", "-f", "-", given=json.dumps(TEMPLATE)).exit_code == 0


def test_whatif_of_no_cluster_is_exit_code_2(service: ScriptedAudits) -> None:
    service.answers = [audit_pb2.WhatIfResponse(summary=audit_pb2.WhatIfSummary())]
    done = ask(service, "whatif", "-f", "-", "--clusters", "stage=prodution", "-o", "json", given=json.dumps(TEMPLATE))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: no cluster matches --clusters stage=prodution\n"


def test_whatif_of_a_constraint_that_is_nowhere_is_exit_code_2(service: ScriptedAudits) -> None:
    service.answers, service.constraints = comparison(), [runs.HOSTS]
    done = ask(service, "whatif", "-f", "-", "--constraint", "K8sUniqueIngresHost", given=json.dumps(TEMPLATE))
    assert (done.exit_code, "did you mean K8sUniqueIngressHost?" in done.stderr) == (2, True)
    service.constraints = []
    assert ask(service, "whatif", "-f", "-", "--constraint", "A", given=json.dumps(TEMPLATE)).exit_code == 2
    service.constraints = [runs.HOSTS]
    assert ask(service, "whatif", "-f", "-", "--constraint", runs.HOSTS[0], given=json.dumps(TEMPLATE)).exit_code == 1


def test_whatif_names_resources_of_terraform_that_are_not_reviewed(service: ScriptedAudits, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    resources = [{"address": "aws_instance.x", "mode": "managed", "type": "aws_instance"}]
    plan.write_text(json.dumps({"format_version": "1.2", "planned_values": {"root_module": {"resources": resources}}}))
    nothing = ask(service, "whatif", "-f", str(plan))
    assert (nothing.exit_code, "neither policies nor objects" in nothing.stderr) == (2, True)
    service.answers = comparison(newly_denied=0)
    done = ask(service, "whatif", "-f", "-", "-f", str(plan), given=json.dumps(POD))
    assert done.exit_code == 3
    lines = done.stdout.splitlines()
    assert lines[0] == "INCOMPLETE  the files are not reviewed completely: 1 resource of Terraform was not reviewed"
    assert lines[1].startswith("NOT REVIEWED  1 object of aws_instance: a resource of Terraform")


def test_whatif_names_kinds_that_are_not_audited(service: ScriptedAudits) -> None:
    answers = comparison(newly_denied=0)
    answers[-1].summary.clusters[0].not_audited.add(kind=runs.SECRET, reason="not cached")
    service.answers = answers
    text = ask(service, "whatif", "-f", "-", given=json.dumps(TEMPLATE)).stdout
    assert "NOT REVIEWED  prod: Secret: not cached" in text


def test_clusters_of_files_cannot_be_selected() -> None:
    done = CliRunner().invoke(build_app(), ["whatif", "-f", "x.yaml", "--clusters", "stage=prod"])
    assert (done.exit_code, "--server" in done.stderr) == (2, True)


def test_whatif_tells_where_policies_are_refused(service: ScriptedAudits) -> None:
    service.error, service.defects = grpc.StatusCode.INVALID_ARGUMENT, [("a.yaml:3:1", "no such field")]
    done = ask(service, "whatif", "-f", "-", given=json.dumps(TEMPLATE))
    assert (done.exit_code, "a.yaml:3:1: no such field" in done.stderr) == (2, True)


# --- explain ---------------------------------------------------------------------------------------------------------


def explained(*, allowed: bool = False, error: bool = False) -> audit_pb2.ExplainResponse:
    position = review_pb2.RegoPosition(
        path="policies/hosts.yaml", line=31, column=7, source="rego", source_line=12, text='  violation[{"msg": msg}] {'
    )
    denies = review_pb2.ConstraintExplanation(
        constraint_kind=runs.HOSTS[0],
        constraint_name=runs.HOSTS[1],
        scope="fleet",
        enforcement_action="deny",
        matched=True,
        parameters=b'{"exempt":[]}',
        violations=[review_pb2.ExplainedViolation(violation=said(runs.HOSTS, "taken \x1b[31m"), positions=[position])],
        reads=[review_pb2.ReadObject(cluster="prod", kind=runs.INGRESS, namespace="b", name="web")],
        read_objects=12,
        time=Duration(nanos=2_500_000),
    )
    criterion = review_pb2.MatchCriterion(name="spec.match.kinds", expected='["Ingress"]', found="Pod")
    other = review_pb2.ConstraintExplanation(
        constraint_kind="A", constraint_name="b", scope="cluster", enforcement_action="warn", criterion=criterion
    )
    found = audit_pb2.AuditedObject(cluster="prod", kind=runs.INGRESS, namespace="a", name="web")
    decision = review_pb2.ReviewResponse(allowed=allowed, policy_generation=review_pb2.Generation(number=3))
    if error:
        decision.constraint_errors.add(message="time budget")
    return audit_pb2.ExplainResponse(
        object=found, decision=decision, explanation=review_pb2.Explanation(constraints=[denies, other])
    )


def test_explain_names_criteria_lines_and_what_was_read(service: ScriptedAudits) -> None:
    service.answers = [explained()]
    done = ask(service, "explain", "prod/a/Ingress/web")
    assert done.exit_code == 1
    assert service.asked[0].cached == audit_pb2.CachedObject(cluster="prod", namespace="a", kind="Ingress", name="web")
    lines = done.stdout.splitlines()
    assert lines[0] == "prod  networking.k8s.io/v1/Ingress a/web  denied"
    assert lines[3:12] == [
        "x K8sUniqueIngressHost/unique  deny  1 violation",
        "    taken \\x1b[31m",
        "      at policies/hosts.yaml:31:7, line 12 of rego",
        '        violation[{"msg": msg}] {',
        '    parameters {"exempt":[]}',
        "    read prod/Ingress.networking.k8s.io/b/web and 11 more",
        "    time 2.50 ms",
        "",
        "- A/b  warn  (cluster)  does not match",
    ]
    assert lines[12:] == ["    spec.match.kinds", '    expected ["Ingress"]', "    found Pod"]


def test_explain_can_leave_out_what_does_not_match(service: ScriptedAudits) -> None:
    service.answers = [explained()]
    assert "does not match" not in ask(service, "explain", "prod/Namespace/a", "--matched").stdout
    assert service.asked[0].cached == audit_pb2.CachedObject(cluster="prod", kind="Namespace", name="a")


@pytest.mark.parametrize(("form", "read_text"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_documents_leave_out_what_does_not_match_too(service: ScriptedAudits, form: str, read_text: Any) -> None:
    service.answers = [explained()]
    document = read_text(ask(service, "explain", "prod/Namespace/a", "--matched", "-o", form).stdout)
    assert [one["matched"] for one in document["constraints"]] == [True]


def test_an_object_of_no_cluster_is_said_to_be_of_none(service: ScriptedAudits) -> None:
    answer = explained()
    answer.object.cluster = ""
    service.answers = [answer]
    assert ask(service, "explain", "-", given=json.dumps(POD)).stdout.startswith("no cluster  networking")


def test_explain_sends_a_file_as_a_review(service: ScriptedAudits, tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(yaml.safe_dump(POD))
    service.answers = [explained(allowed=True)]
    done = ask(service, "explain", str(file), "--cluster", "prod", "-o", "json")
    assert done.exit_code == 0
    review = service.asked[0].review
    assert (review.cluster, json.loads(review.object), review.explain) == ("prod", POD, True)
    document = json.loads(done.stdout)
    assert document["constraints"][0]["violations"][0]["positions"][0]["line"] == 31
    assert document["constraints"][1]["criterion"]["name"] == "spec.match.kinds"


@pytest.mark.parametrize(("answer", "code"), [(explained(allowed=True), 0), (explained(error=True), 3)])
def test_exit_codes_of_explain(service: ScriptedAudits, answer: Any, code: int) -> None:
    service.answers = [answer]
    assert ask(service, "explain", "prod/a/Pod/web").exit_code == code


@pytest.mark.parametrize("subject", ["web", "a/Pod/", "a/b/c/d/e"])
def test_explain_says_how_objects_are_named(service: ScriptedAudits, subject: str) -> None:
    done = ask(service, "explain", subject)
    assert (done.exit_code, "CLUSTER/NAMESPACE/KIND/NAME" in done.stderr) == (2, True)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_an_explanation_fits_the_terminal(width: int) -> None:
    lines = list(explanation_lines(explained(), width, color=False, matched=False))
    assert max(map(len, lines)) <= width


# --- history ---------------------------------------------------------------------------------------------------------


def summaries() -> list[audit_pb2.AuditSummary]:
    (last,) = [message.summary for message in runs.messages() if message.HasField("summary")]
    return [last]


def test_history_lists_runs_over_pages(service: ScriptedAudits) -> None:
    service.answers = [
        audit_pb2.ListAuditRunsResponse(runs=summaries(), next_page_token="1"),
        audit_pb2.ListAuditRunsResponse(runs=summaries()),
    ]
    lines = ask(service, "history").stdout.splitlines()
    assert lines[0].split()[:3] == ["STARTED", "RUN", "TOOK"]
    row = ["2026-11-18T11:06:40Z", runs.RUN_ID, "4.2s", "3", "2", "1,200", "3", "2", "1", "complete"]
    assert [line.split() for line in lines[1:]] == [row, row]
    assert [request.page_token for request in service.asked] == ["", "1"]


def test_history_ends_at_its_limit(service: ScriptedAudits) -> None:
    service.answers = [audit_pb2.ListAuditRunsResponse(runs=summaries() * 3, next_page_token="0")]
    done = ask(service, "history", "--limit", "4", "-o", "json")
    assert len(json.loads(done.stdout)["runs"]) == 4


def test_history_of_changes(service: ScriptedAudits) -> None:
    change = audit_pb2.ViolationChange(
        direction=audit_pb2.ViolationChange.DIRECTION_FIXED, violation=runs.VIOLATIONS[5], at=runs.ENDED
    )
    service.answers = [audit_pb2.ListViolationChangesResponse(changes=[change])]
    done = ask(service, "history", "changes", "--since", "2026-11-01", "--kind", "Pod")
    request = service.asked[0]
    assert (request.since.ToJsonString(), list(request.scope.kinds)) == ("2026-11-01T00:00:00Z", ["Pod"])
    (row,) = done.stdout.splitlines()[1:]
    assert row.startswith("2026-11-18T11:06:44.250Z  -  stage")
    document = json.loads(ask(service, "history", "changes", "-o", "json").stdout)["changes"]
    assert document[0]["change"] == "fixed"


def test_runs_cannot_be_narrowed(service: ScriptedAudits) -> None:
    assert ask(service, "history", "--kind", "Pod").exit_code == 2

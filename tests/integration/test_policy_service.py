"""PolicyService: bundles applied, refused, stored, restored."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import grpc
import pytest
from fleetgate_proto.v1 import policy_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.support.processes import FLEETGATE
from tests.support.serving import DATA, TIMEOUT, Serve, Server, messages, question

LABELS = (DATA / "labels" / "labels.yaml").read_bytes()
TEMPLATE, *CONSTRAINTS = LABELS.decode().split("---\n")


def apply(
    server: Server, bundle: str, files: dict[str, str | bytes], *, dry_run: bool = False
) -> policy_pb2.ApplyPoliciesResponse:
    """Apply a bundle of path → content."""
    request = policy_pb2.ApplyPoliciesRequest(bundle=bundle, dry_run=dry_run)
    for path, content in files.items():
        request.files.add(path=path, content=content.encode() if isinstance(content, str) else content)
    return server.policy.ApplyPolicies(request, timeout=TIMEOUT)


def refusal(error: grpc.RpcError) -> tuple[str, list[str]]:
    """Reason and fields of a refused call."""
    status = rpc_status.from_call(error)
    assert status is not None, error
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    if len(status.details) > 1:
        assert status.details[1].Unpack(bad)
    return info.reason, [violation.field for violation in bad.field_violations]


def test_a_bundle_is_published_replaced_and_removed(serve: Serve, tmp_path: Path) -> None:
    server = serve(f"--state-directory={tmp_path / 'state'}")
    empty = server.generation()
    assert server.review.Review(question(), timeout=TIMEOUT).allowed

    first = apply(server, "team/base", {"labels.yaml": LABELS})
    assert first.changed
    assert first.generation.number == empty.number + 1
    assert messages(server.review.Review(question(), timeout=TIMEOUT)) == [
        "deny owner: label owner is missing",
        "warn team: label team is missing",
    ]

    again = apply(server, "team/base", {"labels.yaml": LABELS})
    assert (again.changed, again.generation) == (False, first.generation)

    less = apply(server, "team/base", {"labels.yaml": f"{TEMPLATE}---\n{CONSTRAINTS[1]}"})
    assert less.changed
    assert messages(server.review.Review(question(), timeout=TIMEOUT)) == ["warn team: label team is missing"]

    assert apply(server, "team/base", {}).changed
    assert server.review.Review(question(), timeout=TIMEOUT).allowed
    assert server.generation().digest == empty.digest


def test_a_dry_run_judges_and_changes_nothing(serve: Serve, tmp_path: Path) -> None:
    server = serve(f"--state-directory={tmp_path / 'state'}")
    before = server.generation()
    answer = apply(server, "x", {"labels.yaml": LABELS}, dry_run=True)
    assert (answer.changed, answer.generation) == (False, before)
    with pytest.raises(grpc.RpcError) as refused:
        apply(server, "x", {"labels.yaml": "a: ["}, dry_run=True)
    assert refusal(refused.value)[0] == "POLICY_REFUSED"
    assert server.generation() == before
    assert list((tmp_path / "state" / "bundles").iterdir()) == []


def test_a_bad_bundle_is_refused_as_a_whole_with_every_place(serve: Serve, tmp_path: Path) -> None:
    server = serve(f"--state-directory={tmp_path / 'state'}")
    good = apply(server, "x", {"labels.yaml": LABELS}).generation
    bad_constraint = CONSTRAINTS[0].replace('apiGroups: [""]', "apiGroups: 7")
    broken_rego = (
        TEMPLATE.replace("k8slabels", "k8sbad").replace("K8sLabels", "K8sBad").replace("sprintf(", "sprintf((")
    )
    with pytest.raises(grpc.RpcError) as refused:
        apply(server, "x", {"a.yaml": TEMPLATE, "b.yaml": bad_constraint, "c.yaml": "x: [\n", "d.yaml": broken_rego})
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    reason, fields = refusal(refused.value)
    assert reason == "POLICY_REFUSED"
    assert any(field.startswith("b.yaml:") and "spec.match" in field for field in fields), fields
    assert any(field.startswith("c.yaml:") for field in fields), fields
    rego_line = 1 + broken_rego.splitlines().index(next(li for li in broken_rego.splitlines() if "sprintf((" in li))
    assert any(field.startswith(f"d.yaml:{rego_line}:") for field in fields), fields
    assert server.generation() == good
    assert not server.review.Review(question(), timeout=TIMEOUT).allowed


@pytest.mark.parametrize("name", ["", "/etc", "a b", "x" * 254, "ü"])
def test_names_of_bundles(serve: Serve, tmp_path: Path, name: str) -> None:
    server = serve(f"--state-directory={tmp_path / 'state'}")
    with pytest.raises(grpc.RpcError) as refused:
        apply(server, name, {"labels.yaml": LABELS})
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal(refused.value) == ("INVALID_REQUEST", ["bundle"])


def test_without_a_state_directory_only_dry_runs(serve: Serve) -> None:
    server = serve()
    assert not apply(server, "x", {"labels.yaml": LABELS}, dry_run=True).changed
    with pytest.raises(grpc.RpcError) as refused:
        apply(server, "x", {"labels.yaml": LABELS})
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert refusal(refused.value)[0] == "NOT_STORED"


def test_applied_bundles_survive_kill_9(serve: Serve, tmp_path: Path) -> None:
    """Restored before the replica is ready: its first answer already knows them."""
    state = f"--state-directory={tmp_path / 'state'}"
    first = serve(state)
    applied = apply(first, "team/base", {"labels.yaml": LABELS}).generation
    os.kill(first.process.pid, signal.SIGKILL)
    second = serve(state)
    denied = second.review.Review(question(), timeout=TIMEOUT)
    assert not denied.allowed
    assert denied.policy_generation.digest == applied.digest
    bundles = second.policy.GetGeneration(policy_pb2.GetGenerationRequest(), timeout=TIMEOUT).bundles
    assert list(bundles) == ["team/base"]


def test_bundles_and_directories_may_need_each_other(serve: Serve, tmp_path: Path) -> None:
    """The constraint is in the directory, its template in an applied bundle: both come back in any order."""
    state, policies = f"--state-directory={tmp_path / 'state'}", tmp_path / "policies"
    policies.mkdir()
    first = serve(state)
    apply(first, "templates", {"template.yaml": TEMPLATE})
    first.process.stop()
    (policies / "owner.yaml").write_text(CONSTRAINTS[0])
    second = serve(state, f"--policies={policies}")
    assert messages(second.review.Review(question(), timeout=TIMEOUT)) == ["deny owner: label owner is missing"]


def test_a_refused_bundle_shows_its_own_lines_and_opens_no_file(serve: Serve, tmp_path: Path) -> None:
    """Whoever applies a bundle chooses its paths: one that names a file of the server must not show what is in it."""
    secret = tmp_path / "secret"
    secret.write_text("hush\n" * 40)
    policies = tmp_path / "policies"
    policies.mkdir()
    (policies / "template.yaml").write_text(TEMPLATE)
    state = f"--state-directory={tmp_path / 'state'}"
    server = serve(state, f"--policies={policies}")
    apply(server, "constraints", {str(secret): CONSTRAINTS[0]})
    server.process.stop()
    command = [str(FLEETGATE), "serve", "--insecure", "--listen=127.0.0.1:0", "--metrics-listen="]
    done = subprocess.run([*command, state], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert f"--> {secret}:" in done.stderr
    assert " | kind: K8sLabels\n" in done.stderr
    assert "hush" not in done.stderr


def test_a_damaged_bundle_refuses_to_start(serve: Serve, tmp_path: Path) -> None:
    state = tmp_path / "state"
    server = serve(f"--state-directory={state}")
    apply(server, "x", {"labels.yaml": LABELS})
    server.process.stop()
    (file,) = (state / "bundles").iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    command = [str(FLEETGATE), "serve", "--insecure", "--listen=127.0.0.1:0", "--metrics-listen="]
    done = subprocess.run(
        [*command, f"--state-directory={state}"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert file.name in done.stderr


def test_what_is_published_is_listed(serve: Serve, tmp_path: Path) -> None:
    server = serve(f"--state-directory={tmp_path / 'state'}", f"--policies={DATA / 'labels'}")
    apply(server, "other", {"a.yaml": (DATA / "answer-a" / "template.yaml").read_bytes()})
    generation = server.policy.GetGeneration(policy_pb2.GetGenerationRequest(), timeout=TIMEOUT)
    assert (generation.templates, generation.constraints) == (3, 2)
    assert list(generation.bundles) == sorted([str(DATA / "labels"), "other"])
    templates = server.policy.ListTemplates(policy_pb2.ListTemplatesRequest(), timeout=TIMEOUT)
    assert [template.kind for template in templates.templates] == ["K8sAnswer", "K8sLabels", "K8sOtherA"]
    labels = templates.templates[1]
    assert (labels.bundle, labels.line, labels.constraints) == (str(DATA / "labels"), 1, 2)
    assert labels.path.endswith("labels.yaml")
    assert labels.language == "rego/v0"
    assert labels.engine == "rego"
    constraints = server.policy.ListConstraints(policy_pb2.ListConstraintsRequest(), timeout=TIMEOUT)
    assert [(one.kind, one.name, one.enforcement_action, one.scope) for one in constraints.constraints] == [
        ("K8sLabels", "owner", "deny", "fleet"),
        ("K8sLabels", "team", "warn", "fleet"),
    ]
    assert constraints.generation == templates.generation == generation.generation

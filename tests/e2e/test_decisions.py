"""What users of kubectl see: allowed, warned, denied, on every operation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.certificates import Authority
from tests.support.kubeapiserver import Cluster
from tests.support.stack import Webhook
from tests.support.tenants import WEBHOOK_NAME, config_map, make_namespace, registered, wait_until_enforced

pytestmark = pytest.mark.e2e

TENANT = "decisions"
DENIED = f'admission webhook "{WEBHOOK_NAME}" denied the request: '
SUGGESTION = 'Warning: [purpose-suggested] the label "purpose" is missing\n'
# Every constraint that is not about the case at hand is content with these.
GOOD = {"owner": "team-a", "purpose": "testing"}


@pytest.fixture(scope="module")
def namespace(west: Cluster, west_webhook: Webhook, authority: Authority) -> Iterator[str]:
    """A guarded Namespace that is not production."""
    name = make_namespace(west, "decisions", tenant=TENANT, labels={"stage": "development"})
    with registered(west, west_webhook.url, authority, tenant=TENANT, failure_policy="Fail"):
        wait_until_enforced(west, name)
        yield name


def create(cluster: Cluster, manifest: dict[str, Any], *flags: str) -> tuple[int, str, str]:
    """Create an object; return kubectl's exit code, output and error output."""
    result = cluster.kubectl("create", *flags, "-f", "-", manifest=manifest, check=False)
    return result.returncode, result.stdout, result.stderr


def test_an_object_that_follows_the_policies_is_created_in_silence(west: Cluster, namespace: str) -> None:
    outcome = create(west, config_map("good", namespace, GOOD))

    # The dryrun constraint finds its label missing, and says nothing.
    assert outcome == (0, "configmap/good created\n", "")


def test_a_denial_reads_as_gatekeepers(west: Cluster, namespace: str) -> None:
    outcome = create(west, config_map("ownerless", namespace, {"purpose": "testing"}))

    message = 'Error from server (Forbidden): error when creating "STDIN": '
    assert outcome == (1, "", f'{message}{DENIED}[owner-required] the label "owner" is missing\n')
    assert west.kubectl("get", "configmap", "ownerless", "-n", namespace, check=False).returncode == 1


def test_a_warning_is_shown_and_the_object_created(west: Cluster, namespace: str) -> None:
    outcome = create(west, config_map("warned", namespace, {"owner": "team-a"}))

    assert outcome == (0, "configmap/warned created\n", SUGGESTION)


def test_a_denial_carries_the_warnings_too(west: Cluster, namespace: str) -> None:
    code, _, errors = create(west, config_map("bare", namespace))

    assert code == 1
    assert errors.startswith(SUGGESTION)
    assert errors.endswith(f'{DENIED}[owner-required] the label "owner" is missing\n')


def test_each_violation_is_a_line_sorted_by_its_message(west: Cluster, namespace: str) -> None:
    make_namespace(west, "decisions-production", tenant=TENANT, labels={"stage": "production"})

    _, _, errors = create(west, config_map("bare", "decisions-production"))

    lines = '[auditor-in-production] the label "auditor" is missing\n[owner-required] the label "owner" is missing\n'
    assert errors.endswith(DENIED + lines)


def test_a_server_side_dry_run_is_decided_alike_and_changes_nothing(west: Cluster, namespace: str) -> None:
    denied = create(west, config_map("rehearsal", namespace, {"purpose": "testing"}), "--dry-run=server")
    allowed = create(west, config_map("rehearsal", namespace, GOOD), "--dry-run=server")

    assert denied[0] == 1
    assert '[owner-required] the label "owner" is missing' in denied[2]
    assert allowed == (0, "configmap/rehearsal created (server dry run)\n", "")
    assert west.kubectl("get", "configmap", "rehearsal", "-n", namespace, check=False).returncode == 1


def test_a_generated_name_is_decided_before_it_is_stored(west: Cluster, namespace: str) -> None:
    manifest = config_map("", namespace, {"purpose": "testing"})
    manifest["metadata"] = {**manifest["metadata"], "generateName": "generated-"}
    del manifest["metadata"]["name"]

    code, _, errors = create(west, manifest)

    assert (code, "[owner-required]" in errors) == (1, True)


def test_an_update_is_compared_with_the_old_object(west: Cluster, namespace: str) -> None:
    create(west, config_map("fixed", namespace, {**GOOD, "immutable": "yes"}, {"colour": "red"}))
    change = ("patch", "configmap", "fixed", "-n", namespace, "--type=merge", "-p")

    refused = west.kubectl(*change, json.dumps({"data": {"colour": "blue"}}), check=False)
    accepted = west.kubectl(*change, json.dumps({"data": {"shape": "round"}}))

    assert refused.stderr == f'Error from server (Forbidden): {DENIED}[immutable] colour may not change from "red"\n'
    assert accepted.stdout == "configmap/fixed patched\n"
    assert west.get("configmap", "fixed", "-n", namespace)["data"] == {"colour": "red", "shape": "round"}


def test_taking_a_required_label_away_is_denied(west: Cluster, namespace: str) -> None:
    create(west, config_map("labelled", namespace, GOOD))

    result = west.kubectl("label", "configmap", "labelled", "owner-", "-n", namespace, check=False)

    assert (result.returncode, "[owner-required]" in result.stderr) == (1, True)


def test_an_apply_on_the_server_is_decided(west: Cluster, namespace: str) -> None:
    manifest = config_map("applied", namespace, {"purpose": "testing"})

    result = west.kubectl("apply", "--server-side", "-f", "-", manifest=manifest, check=False)

    assert (result.returncode, "[owner-required]" in result.stderr) == (1, True)


def test_a_deletion_is_decided_on_the_stored_object(west: Cluster, namespace: str) -> None:
    create(west, config_map("kept", namespace, {**GOOD, "immutable": "yes", "keep": "yes"}))
    create(west, config_map("loose", namespace, {**GOOD, "immutable": "yes"}))

    refused = west.kubectl("delete", "configmap", "kept", "-n", namespace, check=False)
    accepted = west.kubectl("delete", "configmap", "loose", "-n", namespace)

    assert refused.stderr == f"Error from server (Forbidden): {DENIED}[immutable] kept is kept\n"
    assert west.get("configmap", "kept", "-n", namespace)["metadata"]["name"] == "kept"
    assert accepted.returncode == 0


def test_a_deleted_collection_is_decided_object_by_object(west: Cluster, namespace: str) -> None:
    for name, keep in (("group-a", "no"), ("group-b", "yes")):
        create(west, config_map(name, namespace, {**GOOD, "immutable": "yes", "keep": keep, "group": "one"}))
    path = f"/api/v1/namespaces/{namespace}/configmaps?labelSelector=group%3Done"

    result = west.kubectl("delete", "--raw", path, check=False)

    left = [item["metadata"]["name"] for item in west.get("configmap", "-n", namespace, "-l", "group=one")["items"]]
    assert (result.returncode, "[immutable]" in result.stderr) == (1, True)
    assert "group-b" in left


def test_exec_is_denied_by_its_command(west: Cluster, namespace: str) -> None:
    container = {"name": "main", "image": "registry.example.com/tool:1"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shell", "namespace": namespace}}
    west.apply({**pod, "spec": {"containers": [container]}})

    denied = west.kubectl("exec", "shell", "-n", namespace, "--", "sh", check=False)
    admitted = west.kubectl("exec", "shell", "-n", namespace, "--", "date", check=False)

    assert denied.returncode == 1
    assert f"{DENIED}[no-shell] no sh in {namespace}/shell" in denied.stderr
    # Past admission it fails for want of a node, which these clusters have not.
    assert "does not have a host assigned" in admitted.stderr


def test_scaling_is_decided_on_the_scale_subresource(west: Cluster, namespace: str) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    west.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
        }
    )

    refused = west.kubectl("scale", "deployment/web", "--replicas=9", "-n", namespace, check=False)
    accepted = west.kubectl("scale", "deployment/web", "--replicas=3", "-n", namespace)

    assert f"{DENIED}[replica-limit] 9 replicas are more than 3" in refused.stderr
    assert accepted.stdout == "deployment.apps/web scaled\n"


def test_namespaces_of_others_are_not_guarded(west: Cluster, namespace: str) -> None:
    make_namespace(west, "unguarded", tenant="nobody")

    outcome = create(west, config_map("free", "unguarded"))

    assert outcome == (0, "configmap/free created\n", "")

"""namespaceSelector: the same object in two Namespaces, and a Namespace whose labels change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.certificates import Authority
from tests.support.kubeapiserver import Cluster
from tests.support.processes import eventually
from tests.support.stack import Webhook
from tests.support.tenants import attempt, make_namespace, registered, wait_until_enforced

pytestmark = pytest.mark.e2e

TENANT = "namespaces"
AUDITOR_MISSING = '[auditor-in-production] the label "auditor" is missing'


@pytest.fixture(scope="module", autouse=True)
def _guarded(west: Cluster, west_webhook: Webhook, authority: Authority) -> Iterator[None]:
    make_namespace(west, "workshop", tenant=TENANT, labels={"stage": "development"})
    with registered(west, west_webhook.url, authority, tenant=TENANT, failure_policy="Fail"):
        wait_until_enforced(west, "workshop")
        yield


def test_a_constraint_denies_in_one_namespace_and_allows_in_another(west: Cluster) -> None:
    make_namespace(west, "shopfloor", tenant=TENANT, labels={"stage": "production"})

    production = attempt(west, "shopfloor", owner="team-a", purpose="testing")
    development = attempt(west, "workshop", owner="team-a", purpose="testing")

    assert AUDITOR_MISSING in production
    assert development == "configmap/attempt created (server dry run)\n"


def test_an_object_in_a_namespace_made_a_moment_ago_is_decided_by_its_labels(west: Cluster) -> None:
    """No watch can have brought the Namespace yet each time: a miss is looked up."""
    for number in range(5):
        name = make_namespace(west, f"fresh-{number}", tenant=TENANT, labels={"stage": "production"})

        assert AUDITOR_MISSING in attempt(west, name, owner="team-a")


def test_a_change_of_a_namespaces_labels_is_followed(west: Cluster) -> None:
    make_namespace(west, "promoted", tenant=TENANT, labels={"stage": "development"})
    before = attempt(west, "promoted", owner="team-a")

    west.kubectl("label", "namespace", "promoted", "stage=production", "--overwrite")

    assert AUDITOR_MISSING not in before
    eventually(lambda: AUDITOR_MISSING in attempt(west, "promoted", owner="team-a"), "production's constraint applies")
    west.kubectl("label", "namespace", "promoted", "stage-")
    eventually(lambda: AUDITOR_MISSING not in attempt(west, "promoted", owner="team-a"), "it applies no longer")


def test_the_ignore_label_takes_a_namespace_out(west: Cluster) -> None:
    make_namespace(west, "exempt", tenant=TENANT, labels={"admission.gatekeeper.sh/ignore": "yes"})

    assert attempt(west, "exempt") == "configmap/attempt created (server dry run)\n"

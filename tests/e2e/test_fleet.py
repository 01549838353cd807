"""Two clusters behind one service: each webhook speaks for its own cluster, by its certificate."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.kubeapiserver import Cluster
from tests.support.processes import eventually
from tests.support.stack import Service, Webhook, running_webhook
from tests.support.tenants import attempt, make_namespace, registered, wait_until_enforced

pytestmark = pytest.mark.e2e

AUDITOR_MISSING = '[auditor-in-production] the label "auditor" is missing'


def test_each_cluster_is_decided_by_its_own_namespaces(
    west: Cluster, east: Cluster, west_webhook: Webhook, service: Service, authority: Authority, tmp_path: Path
) -> None:
    """The Namespace has the same name in both clusters and other labels."""
    tenant = "fleet"
    make_namespace(west, "shared-name", tenant=tenant, labels={"stage": "production"})
    make_namespace(east, "shared-name", tenant=tenant, labels={"stage": "development"})
    with (
        running_webhook(tmp_path, east, service.target, authority) as east_webhook,
        registered(west, west_webhook.url, authority, tenant=tenant, failure_policy="Fail"),
        registered(east, east_webhook.url, authority, tenant=tenant, failure_policy="Fail"),
    ):
        wait_until_enforced(west, "shared-name")
        wait_until_enforced(east, "shared-name")

        assert AUDITOR_MISSING in attempt(west, "shared-name", owner="team-a")
        assert AUDITOR_MISSING not in attempt(east, "shared-name", owner="team-a")


def test_a_webhook_cannot_speak_for_another_cluster(
    east: Cluster, service: Service, authority: Authority, tmp_path: Path
) -> None:
    """It holds east's certificate and says that it is west: refused, whatever the failurePolicy."""
    tenant = "impostor"
    namespace = make_namespace(east, "impostor", tenant=tenant)
    impostor = dataclasses.replace(east, name="west")
    with (
        running_webhook(
            tmp_path, impostor, service.target, authority, certified_as="east", wait_ready=False
        ) as webhook,
        registered(east, webhook.url, authority, tenant=tenant, failure_policy="Ignore"),
    ):
        refusal = (
            'admission webhook "validation.fleetgate.dev" denied the request: the policy service does not accept this '
            "webhook: the certificate is of cluster 'east', the request of 'west'"
        )
        eventually(lambda: refusal in attempt(east, namespace, owner="team-a", purpose="testing"), "it is refused")

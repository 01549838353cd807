"""The service or the webhook is gone: the API server's failurePolicy decides, unless the webhook is told to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.kubeapiserver import Cluster
from tests.support.processes import eventually
from tests.support.stack import Service, Webhook, running_service, running_webhook
from tests.support.tenants import attempt, make_namespace, registered, wait_until_enforced

pytestmark = pytest.mark.e2e

TENANT = "failure"
CREATED = "configmap/attempt created (server dry run)\n"


@pytest.fixture
def namespace(west: Cluster) -> str:
    return make_namespace(west, "failure", tenant=TENANT, labels={"stage": "development"})


@pytest.fixture
def own_service(tmp_path: Path, editable_policies: Path, authority: Authority) -> Iterator[Service]:
    """A service that the test may stop."""
    with running_service(tmp_path / "service", editable_policies, authority) as running:
        yield running


@pytest.fixture
def own_webhook(tmp_path: Path, west: Cluster, own_service: Service, authority: Authority) -> Iterator[Webhook]:
    """Its webhook, which leaves failures to the API server: the default."""
    with running_webhook(tmp_path / "webhook", west, own_service.target, authority) as running:
        yield running


@pytest.mark.parametrize("failure_policy", ["Fail", "Ignore"])
def test_with_the_service_stopped_the_failure_policy_applies_until_it_is_back(
    west: Cluster,
    namespace: str,
    own_service: Service,
    own_webhook: Webhook,
    authority: Authority,
    tmp_path: Path,
    failure_policy: str,
) -> None:
    with registered(west, own_webhook.url, authority, tenant=TENANT, failure_policy=failure_policy):
        wait_until_enforced(west, namespace)

        assert own_service.process.stop() == 0

        # The object breaks a policy: only a webhook that cannot tell lets it in.
        answer = attempt(west, namespace)
        if failure_policy == "Fail":
            assert 'failed calling webhook "validation.fleetgate.dev"' in answer
        else:
            assert answer == CREATED

        port = int(own_service.target.rpartition(":")[2])
        with running_service(tmp_path / "service", own_service.policies, authority, port=port):
            eventually(lambda: "[owner-required]" in attempt(west, namespace), "the service decides again")


def test_a_webhook_told_to_deny_refuses_even_where_failures_are_ignored(
    west: Cluster, namespace: str, own_service: Service, authority: Authority, tmp_path: Path
) -> None:
    arguments = ["--on-unavailable=deny"]
    with (
        running_webhook(tmp_path / "strict", west, own_service.target, authority, arguments=arguments) as webhook,
        registered(west, webhook.url, authority, tenant=TENANT, failure_policy="Ignore"),
    ):
        wait_until_enforced(west, namespace)
        own_service.process.stop()

        answer = attempt(west, namespace, owner="team-a", purpose="testing")

        assert 'admission webhook "validation.fleetgate.dev" denied the request' in answer


def test_a_restarted_webhook_takes_up_its_work(
    west: Cluster, namespace: str, own_service: Service, own_webhook: Webhook, authority: Authority, tmp_path: Path
) -> None:
    port = int(own_webhook.url.split(":")[2].split("/")[0])
    with registered(west, own_webhook.url, authority, tenant=TENANT, failure_policy="Fail"):
        wait_until_enforced(west, namespace)

        assert own_webhook.process.stop() == 0
        assert "failed calling webhook" in attempt(west, namespace, owner="team-a")

        with running_webhook(tmp_path / "again", west, own_service.target, authority, port=port):
            eventually(lambda: "[owner-required]" in attempt(west, namespace), "the webhook decides again")

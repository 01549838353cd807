"""A policy edited while everything runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.kubeapiserver import Cluster
from tests.support.processes import eventually
from tests.support.stack import Service, running_service, running_webhook
from tests.support.tenants import attempt, make_namespace, registered, wait_until_enforced

pytestmark = pytest.mark.e2e

TENANT = "live-policy"


@pytest.fixture
def guarded(
    west: Cluster, tmp_path: Path, editable_policies: Path, authority: Authority
) -> Iterator[tuple[Service, str]]:
    """A service whose policies may be edited, and a Namespace that it guards."""
    namespace = make_namespace(west, "live-policy", tenant=TENANT, labels={"stage": "development"})
    with (
        running_service(tmp_path / "service", editable_policies, authority) as service,
        running_webhook(tmp_path / "webhook", west, service.target, authority) as webhook,
        registered(west, webhook.url, authority, tenant=TENANT, failure_policy="Fail"),
    ):
        wait_until_enforced(west, namespace)
        yield service, namespace


def test_an_edit_applies_without_a_restart_and_a_bad_one_not_at_all(
    west: Cluster, guarded: tuple[Service, str]
) -> None:
    service, namespace = guarded
    file = service.policies / "required-label.yaml"
    text = file.read_text()

    file.write_text(text.replace('the label %q is missing"', 'please add the label %q"'))
    eventually(
        lambda: '[owner-required] please add the label "owner"' in attempt(west, namespace), "the new text is used"
    )

    # Refused as a whole: the set that was published last stays.
    file.write_text(text.replace("violation[{", "violation[{{{"))
    eventually(lambda: "required-label.yaml" in service.process.tail(), "the error is logged with its file")
    assert '[owner-required] please add the label "owner"' in attempt(west, namespace)

    file.unlink()
    eventually(lambda: "created" in attempt(west, namespace), "the constraint is gone with its file")

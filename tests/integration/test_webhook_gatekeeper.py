"""Webhook and service as processes, held to the recorded answers of Gatekeeper's own webhooks, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support import gatekeeper_webhook as world
from tests.support.canned_service import canned_service
from tests.support.serving import serving
from tests.support.webhook_client import JSON, RunningWebhook, admission_review, webhook_process

IN_OTHER_WORDS = {
    # Go's decoders and apimachinery's validation speak for themselves, and Gatekeeper quotes the object.
    "delete without oldObject",
    "templates deleted",
    "constraints deleted",
    "configs deleted",
    "template with a bad label",
    "template with a kind that is no name",
    "template of an unknown version",
    "template whose rego is a number",
    "template whose kind is a number",
    "template whose targets are a map",
    "template whose labels are a list",
    "template without an object",
    "constraint with a bad selector",
    "constraint with a bad namespaceSelector",
    "constraint whose spec is a list",
    "constraint without an object",
    "assign of an unknown version",
    "assign without an object",
    "assign that is of another kind",
    "assign whose location is a number",
    "assign whose match is a list",
    "assign whose match has a number",
    "assign whose parameters are a list",
    "image v1",
    "set of no list",
    "expansion v1",
    "expansion whose source is a list",
    "provider v1",
    "provider whose timeout is a text",
    "provider whose timeout is a fraction",
    "provider whose CA is no certificate",
    "label of an object without a kind",
    "label without an object",
}
"""Answers that agree in everything but the words."""

OTHERWISE = {
    "an object without a kind": "denied by each Constraint with a match block, where Gatekeeper fails with code 500",
}
"""Answers that differ, and how."""


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWebhook]:
    directory = tmp_path_factory.mktemp("gatekeeper")
    policies = directory / "policies.json"
    items = [*world.TEMPLATES, *world.CONSTRAINTS, world.CONFIG]
    policies.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    namespaces = directory / "namespaces.json"
    namespaces.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": world.NAMESPACES}))
    exempt = [f"--{flag}={value}" for flag, values in world.EXEMPT.items() for value in values]
    with (
        serving(directory, f"--policies={policies}") as server,
        webhook_process(
            directory, [f"127.0.0.1:{server.port}"], *exempt, namespaces=(f"--namespaces-from={namespaces}",)
        ) as running,
    ):
        yield running


@pytest.mark.parametrize("asked", world.recorded(), ids=lambda asked: asked.name)
def test_answers_as_gatekeeper(webhook: RunningWebhook, asked: world.Recorded) -> None:
    answered = webhook.request("POST", f"{asked.path}?timeout=10s", json.dumps(asked.body).encode(), JSON)
    if asked.name in OTHERWISE:
        assert answered.review["status"]["code"] != asked.response["status"]["code"]
    elif asked.name in IN_OTHER_WORDS:
        ours, theirs = answered.review, asked.response
        assert ours["status"].pop("message") != theirs["status"].pop("message")
        assert ours == theirs
    else:
        assert answered.body.decode() == asked.answer


def test_the_questions_are_the_recorded_ones() -> None:
    assert {name: (path, body) for name, (path, body) in world.posts().items()} == {
        asked.name: (asked.path, asked.body) for asked in world.recorded()
    }


def test_an_excluded_namespace_need_not_be_known(webhook: RunningWebhook) -> None:
    """Gatekeeper looks the Namespace up only after it has asked its Config."""
    excluded = webhook.admit(admission_review(namespace="kube-gone")).review
    assert (excluded["allowed"], excluded["status"]["message"]) == (
        True,
        "Namespace is set to be ignored by Gatekeeper config",
    )
    reviewed = webhook.admit(admission_review(namespace="gone")).review
    assert (reviewed["allowed"], reviewed["status"]["code"]) == (False, 500)
    assert reviewed["status"]["message"].startswith("failed to create augmentedReview: ")


def test_the_namespace_of_gatekeeper_is_a_setting(tmp_path_factory: pytest.TempPathFactory) -> None:
    def asked(namespace: str) -> dict[str, object]:
        return admission_review(userInfo={"username": f"system:serviceaccount:{namespace}:gatekeeper-admin"})

    with (
        canned_service() as service,
        webhook_process(tmp_path_factory.mktemp("w"), [service.target], "--gatekeeper-namespace=policies") as webhook,
    ):
        own = webhook.admit(asked("policies")).review
        other = webhook.admit(asked("gatekeeper-system")).review
    assert own["status"] == {"metadata": {}, "message": "Gatekeeper does not self-manage", "code": 200}
    assert (other["allowed"], other["status"]) == (True, {"metadata": {}, "code": 200})


def test_labels_are_judged_without_the_service(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its registration has failurePolicy Fail: no Namespace could be made while the service is away."""
    with webhook_process(tmp_path_factory.mktemp("w"), ["127.0.0.1:1"], wait_ready=False) as webhook:
        for asked in world.recorded():
            if asked.name in ("no label", "label"):
                body = json.dumps(asked.body).encode()
                assert webhook.request("POST", asked.path, body, JSON).body.decode() == asked.answer
        assert webhook.request("GET", world.ADMIT_LABEL).status == 405
        assert webhook.request("POST", world.ADMIT_LABEL, b"{", JSON).status == 400

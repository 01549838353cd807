"""One trace from the API server through webhook, service, matching and evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.kubeapiserver import Cluster, start_fleet
from tests.support.otlp_receiver import OtlpReceiver, ReceivedSpan, otlp_receiver
from tests.support.processes import eventually
from tests.support.stack import running_service, running_webhook
from tests.support.tenants import attempt, make_namespace, registered, wait_until_enforced

pytestmark = pytest.mark.e2e

TENANT = "traced"
ADMIT = "POST /v1/admit"
REVIEW = "fleetgate.v1.ReviewService/Review"


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    """Where API server, webhook and service send their spans."""
    with otlp_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, receiver: OtlpReceiver) -> Iterator[Cluster]:
    """An API server that samples every request."""
    directory = tmp_path_factory.mktemp("traced")
    with start_fleet(directory, ["traced"], tracing_endpoint=receiver.endpoint) as fleet:
        yield fleet["traced"]


def test_one_traceparent_of_the_api_server_reaches_every_stage(
    traced: Cluster,
    receiver: OtlpReceiver,
    policies: Path,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    directory = tmp_path_factory.mktemp("stack")
    namespace = make_namespace(traced, "traced", tenant=TENANT)
    with (
        running_service(directory, policies, authority, otlp_endpoint=receiver.endpoint) as service,
        running_webhook(directory, traced, service.target, authority, otlp_endpoint=receiver.endpoint) as webhook,
        registered(traced, webhook.url, authority, tenant=TENANT, failure_policy="Fail"),
    ):
        wait_until_enforced(traced, namespace)
        attempt(traced, namespace, owner="team-a")
        eventually(lambda: bool(complete_chains(receiver.spans())), "a whole trace is received", timeout_s=30.0)

    api_server, admit, review, match, evaluate = complete_chains(receiver.spans())[0]
    assert len({span.trace_id for span in (api_server, admit, review, match, evaluate)}) == 1
    assert len({api_server.service, admit.service, review.service}) == 3
    assert (match.service, evaluate.service) == (review.service, review.service)


def complete_chains(spans: list[ReceivedSpan]) -> list[tuple[ReceivedSpan, ...]]:
    """Return (API server, webhook, gRPC, match, evaluate) of every trace that has them all, each below its parent."""
    by_id = {span.span_id: span for span in spans}
    below = {(span.parent_id, span.name): span for span in spans}
    chains = []
    for admit in (span for span in spans if span.name == ADMIT):
        review = below.get((admit.span_id, REVIEW))
        if review is None:
            continue
        chain = (
            by_id.get(admit.parent_id),
            admit,
            review,
            below.get((review.span_id, "match")),
            below.get((review.span_id, "evaluate")),
        )
        present = tuple(span for span in chain if span is not None)
        if len(present) == len(chain):
            chains.append(present)
    return chains

"""One trace from the API server's request to the evaluation of a policy, at an OTLP receiver."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.otlp_receiver import OtlpReceiver, ReceivedSpan, otlp_receiver
from tests.support.processes import eventually
from tests.support.serving import DATA, serving
from tests.support.webhook_client import JSON, RunningWebhook, admission_review, webhook_process

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
API_SERVER_SPAN = "00f067aa0ba902b7"
CHAIN = ("POST /v1/admit", "fleetgate.v1.ReviewService/Review")
STAGES = ("match", "evaluate")


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as running:
        yield running


@pytest.fixture(scope="module")
def target(receiver: OtlpReceiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("service")
    arguments = (
        f"--policies={DATA / 'labels'}",
        f"--otlp-endpoint=http://{receiver.endpoint}",
        "--trace-sample-ratio=0",
    )
    with serving(directory, *arguments, env={"OTEL_BSP_SCHEDULE_DELAY": "100"}) as service:
        yield f"127.0.0.1:{service.port}"


def ask(webhook: RunningWebhook, headers: dict[str, str]) -> str:
    """Send a review that is denied; return its message."""
    body = json.dumps(admission_review(uid="traced")).encode()
    review = webhook.request("POST", "/v1/admit?timeout=10s", body, {**JSON, **headers}).review
    assert review["allowed"] is False
    return str(review["status"]["message"])


def spans_of(receiver: OtlpReceiver, trace: str) -> dict[str, ReceivedSpan]:
    """The four spans of a trace, by name."""
    eventually(lambda: sum(span.trace_id == trace for span in receiver.spans()) >= 4, "four spans")
    found = [span for span in receiver.spans() if span.trace_id == trace]
    assert len(found) == 4
    return {span.name: span for span in found}


def check_chain(spans: dict[str, ReceivedSpan], parent: str) -> None:
    """Each span is the child of the one before; the stages are children of the call."""
    assert set(spans) == {*CHAIN, *STAGES}
    for name in CHAIN:
        assert spans[name].parent_id == parent
        parent = spans[name].span_id
    assert {spans[name].parent_id for name in STAGES} == {parent}
    assert spans[CHAIN[0]].service == "fleetgate-webhook"
    assert spans[CHAIN[1]].service != "fleetgate-webhook"


def test_the_api_servers_trace_goes_through_everything(receiver: OtlpReceiver, target: str, tmp_path: Path) -> None:
    with webhook_process(tmp_path, [target], f"--otlp-endpoint=http://{receiver.endpoint}") as webhook:
        assert ask(webhook, {}), "no context, ratio 0: not traced"
        assert ask(webhook, {"traceparent": f"00-{'1' * 32}-{API_SERVER_SPAN}-00"}), "not sampled"
        assert ask(webhook, {"traceparent": f"00-{TRACE}-{API_SERVER_SPAN}-01"})
        check_chain(spans_of(receiver, TRACE), API_SERVER_SPAN)
        assert {span.trace_id for span in receiver.spans()} == {TRACE}


def test_a_trace_begins_here_where_the_ratio_says_so(receiver: OtlpReceiver, target: str, tmp_path: Path) -> None:
    before = {span.trace_id for span in receiver.spans()}
    arguments = (f"--otlp-endpoint=http://{receiver.endpoint}", "--trace-sample-ratio=1")
    with webhook_process(tmp_path, [target], *arguments) as webhook:
        message = ask(webhook, {})
        eventually(lambda: {span.trace_id for span in receiver.spans()} > before, "a new trace")
        (trace,) = {span.trace_id for span in receiver.spans()} - before
        check_chain(spans_of(receiver, trace), "")
    log = (tmp_path / "webhook.log").read_text()
    decision = next(line for line in map(json.loads, log.splitlines()) if line.get("outcome") == "deny")
    assert re.fullmatch("[0-9a-f]{32}", decision["decision_id"])
    assert (decision["uid"], decision["kind"], decision["name"]) == ("traced", "Pod", "web")
    # What was under review is in no log line.
    assert "containers" not in log
    assert message not in log

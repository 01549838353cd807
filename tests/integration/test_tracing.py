"""Spans of sampled reviews, at an OTLP receiver."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from fleetgate_proto.v1 import review_pb2

from tests.support.otlp_receiver import otlp_receiver
from tests.support.processes import eventually
from tests.support.serving import TIMEOUT, Serve, Server, question

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
REVIEW = "fleetgate.v1.ReviewService/Review"


def _parent(sampled: bool, trace: str = TRACE) -> list[tuple[str, str]]:
    return [("traceparent", f"00-{trace}-{SPAN}-{int(sampled):02x}")]


def _serve(serve: Serve, policies: Path, endpoint: str, ratio: str) -> Server:
    """Export within 100 ms instead of OpenTelemetry's 5 s."""
    arguments = (f"--policies={policies}", f"--otlp-endpoint=http://{endpoint}", f"--trace-sample-ratio={ratio}")
    return serve(*arguments, env={"OTEL_BSP_SCHEDULE_DELAY": "100"})


def test_a_sampled_parent_gets_its_spans(serve: Serve, labels: Path) -> None:
    with otlp_receiver() as receiver:
        server = _serve(serve, labels, receiver.endpoint, "0")
        server.review.Review(question(), timeout=TIMEOUT)
        server.review.Review(question(), timeout=TIMEOUT, metadata=_parent(False, "1" * 32))
        server.review.Review(question(), timeout=TIMEOUT, metadata=_parent(True))
        eventually(lambda: len(receiver.spans()) >= 3, "spans arrive")
        spans = {span.name: span for span in receiver.spans()}
        assert len(receiver.spans()) == 3
        assert set(spans) == {REVIEW, "match", "evaluate"}
        assert {span.trace_id for span in spans.values()} == {TRACE}
        assert spans[REVIEW].parent_id == SPAN
        assert spans["match"].parent_id == spans["evaluate"].parent_id == spans[REVIEW].span_id
        assert {span.service for span in spans.values()} == {"fleetgate"}
        server.process.stop()


def test_roots_are_sampled_at_the_ratio_and_failures_have_spans(serve: Serve, labels: Path) -> None:
    with otlp_receiver() as receiver:
        server = _serve(serve, labels, receiver.endpoint, "1")
        server.review.BatchReview(review_pb2.BatchReviewRequest(requests=[question()] * 3), timeout=TIMEOUT)
        with pytest.raises(grpc.RpcError):
            server.review.Review(review_pb2.ReviewRequest(), timeout=TIMEOUT)
        assert server.process.stop() == 0
        names = sorted(span.name for span in receiver.spans())
        assert names == ["evaluate", "fleetgate.v1.ReviewService/BatchReview", REVIEW, "match"]
        assert all(not span.parent_id for span in receiver.spans() if span.name not in {"match", "evaluate"})

"""What Prometheus and an OTLP collector see; what the log says of denials."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from fleetgate_proto.v1 import review_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from tests.support.processes import eventually
from tests.support.serving import TIMEOUT, Serve, Server, pod, question


def _samples(server: Server) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(server.get("/metrics")[1])
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def _ask_a_bit(server: Server) -> None:
    """Two denials (one of a dry run, of another cluster), one allowed review, one that fails."""
    server.review.Review(question(), timeout=TIMEOUT)
    server.review.Review(question(cluster="us-1", dry_run=True), timeout=TIMEOUT)
    server.review.BatchReview(
        review_pb2.BatchReviewRequest(requests=[question(pod(labels={"owner": "a", "team": "b"}))]), timeout=TIMEOUT
    )
    with pytest.raises(grpc.RpcError):
        server.review.Review(review_pb2.ReviewRequest(), timeout=TIMEOUT)


def test_prometheus_sees_gatekeepers_names(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}", "--metrics-clusters=eu-1")
    _ask_a_bit(server)
    found = _samples(server)

    def value(name: str, **named: str) -> float:
        return found[name, frozenset(named.items())]

    count = "gatekeeper_validation_request_count_total"
    assert value(count, admission_status="deny", admission_dryrun="false", cluster="eu-1") == 1
    assert value(count, admission_status="deny", admission_dryrun="true", cluster="other") == 1
    assert value(count, admission_status="allow", admission_dryrun="false", cluster="eu-1") == 1
    assert value(count, admission_status="error", admission_dryrun="false", cluster="other") == 1
    assert value("gatekeeper_validation_request_duration_seconds_count", admission_status="deny") == 2
    assert value("gatekeeper_constraints", enforcement_action="deny", status="active") == 1
    assert value("gatekeeper_constraints", enforcement_action="warn", status="active") == 1
    assert value("gatekeeper_constraint_templates", status="active") == 1
    assert value("gatekeeper_constraint_template_ingestion_count_total", status="active") == 1
    assert value("fleetgate_policy_generation") == server.generation().number
    engines = {dict(labels)["engine"] for name, labels in found if name == "fleetgate_constraint_template_engines"}
    assert engines == {"rego"}
    calls = "rpc_server_call_duration_seconds_count"
    common = {"rpc_system_name": "grpc", "rpc_method": "fleetgate.v1.ReviewService/Review"}
    assert value(calls, rpc_response_status_code="OK", **common) == 2
    assert value(calls, rpc_response_status_code="INVALID_ARGUMENT", **common) == 1


class _Collector(metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self) -> None:
        self.names: set[str] = set()
        self.headers: set[str] = set()
        self.services: set[str] = set()
        self.lock = threading.Lock()

    def Export(  # noqa: N802 (gRPC names it)
        self, request: metrics_service_pb2.ExportMetricsServiceRequest, context: grpc.ServicerContext
    ) -> metrics_service_pb2.ExportMetricsServiceResponse:
        with self.lock:
            self.headers |= {value for key, value in context.invocation_metadata() if key == "authorization"}
            for resource in request.resource_metrics:
                self.services |= {a.value.string_value for a in resource.resource.attributes if a.key == "service.name"}
                for scope in resource.scope_metrics:
                    self.names |= {metric.name for metric in scope.metrics}
        return metrics_service_pb2.ExportMetricsServiceResponse()


@contextmanager
def _collector() -> Iterator[tuple[_Collector, str]]:
    collector = _Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        server.stop(1).wait()


def test_a_collector_gets_the_same_by_otlp(serve: Serve, labels: Path) -> None:
    with _collector() as (collector, endpoint):
        server = serve(
            f"--policies={labels}",
            f"--otlp-endpoint={endpoint}",
            "--otlp-metrics-interval-seconds=0.2",
            env={"FLEETGATE_OTLP__HEADERS": "authorization=secret-token"},
        )
        _ask_a_bit(server)
        wanted = {"rpc.server.call.duration", "gatekeeper_validation_request_count", "fleetgate_policy_generation"}
        eventually(lambda: wanted <= collector.names, "metrics arrive")
        assert collector.services == {"fleetgate"}
        assert collector.headers == {"secret-token"}
        assert server.process.stop() == 0
        assert "secret-token" not in server.process.log.read_text()


def test_denials_are_logged_as_gatekeeper_logs_them(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}", "--log-denies")
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = [("traceparent", f"00-{trace}-b7ad6b7169203331-00")]
    response = server.review.Review(question(), timeout=TIMEOUT, metadata=parent)
    lines = [line for line in server.log_lines() if line.get("event_type") == "violation"]
    assert [line["message"] for line in lines] == [
        "denied admission: label owner is missing",
        "denied admission: label team is missing",
    ]
    expected = {
        "decision_id": response.decision_id,
        "trace_id": trace,
        "cluster": "eu-1",
        "process": "admission",
        "constraint_kind": "K8sLabels",
        "constraint_name": "owner",
        "constraint_action": "deny",
        "resource_kind": "Pod",
        "resource_namespace": "shop",
        "resource_name": "web",
        "request_username": "alice",
        "level": "info",
    }
    assert expected.items() <= lines[0].items()
    assert "registry.example" not in server.process.log.read_text(), "an object's body is in the log"


def test_denials_are_not_logged_unless_asked_for(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}")
    assert not server.review.Review(question(), timeout=TIMEOUT).allowed
    assert not [line for line in server.log_lines() if line.get("event_type") == "violation"]

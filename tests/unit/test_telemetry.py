"""Names, metrics, traces and logs."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence

import pytest
from fleetgate.telemetry import names
from fleetgate.telemetry.logs import JsonFormatter, TextFormatter
from fleetgate.telemetry.metrics import Metrics
from fleetgate.telemetry.names import Kind
from fleetgate.telemetry.otlp import snapshot
from fleetgate.telemetry.tracing import Parent, Tracing, parent_of
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind
from prometheus_client import generate_latest

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


def _used() -> Metrics:
    metrics = Metrics(["eu-1"])
    metrics.reviewed("allow", False, "eu-1", 0.0015)
    metrics.reviewed("deny", True, "us-1", 20.0)
    metrics.computed(1_500_000)
    metrics.called("fleetgate.v1.ReviewService/Review", "OK", 0.003)
    metrics.loaded(True, 0.02)
    metrics.published(7, 2, {"deny": 3, "warn": 1}, {"vm": 2})
    metrics.certificate_expires(1e9)
    metrics.audited(100.0, 160.0, 2.0, {("deny", "eu-1"): 2, ("deny", "us-1"): 3, ("deny", "us-2"): 4})
    return metrics


def test_prometheus_names_are_gatekeepers() -> None:
    text = generate_latest(_used().registry).decode()
    count = "gatekeeper_validation_request_count_total"
    for line in (
        count + '{admission_dryrun="false",admission_status="allow",cluster="eu-1"} 1.0',
        count + '{admission_dryrun="true",admission_status="deny",cluster="other"} 1.0',
        'gatekeeper_validation_request_duration_seconds_bucket{admission_status="allow",le="0.002"} 1.0',
        'gatekeeper_validation_request_duration_seconds_bucket{admission_status="allow",le="0.001"} 0.0',
        'gatekeeper_constraints{enforcement_action="deny",status="active"} 3.0',
        'gatekeeper_violations{cluster="eu-1",enforcement_action="deny"} 2.0',
        'gatekeeper_violations{cluster="eu-1",enforcement_action="warn"} 0.0',
        'gatekeeper_violations{cluster="other",enforcement_action="deny"} 7.0',
        'gatekeeper_audit_duration_seconds_bucket{le="3.0"} 1.0',
        "gatekeeper_audit_last_run_time 100.0",
        "gatekeeper_audit_last_run_end_time 160.0",
        'gatekeeper_constraint_templates{status="active"} 2.0',
        'gatekeeper_constraint_template_ingestion_count_total{status="active"} 1.0',
        'fleetgate_constraint_template_engines{engine="vm"} 2.0',
        "fleetgate_core_cpu_seconds_total 0.0015",
        "fleetgate_policy_generation 7.0",
        "fleetgate_policy_reload_failures_total 0.0",
        "fleetgate_policy_sources_refused 0.0",
        'rpc_server_call_duration_seconds_count{rpc_method="fleetgate.v1.ReviewService/Review",'
        'rpc_response_status_code="OK",rpc_system_name="grpc"} 1.0',
    ):
        assert line in text


def test_every_metric_is_declared_in_the_one_file() -> None:
    families = {family.name for family in _used().registry.collect()}
    declared = {metric.prometheus.removesuffix("_total") for metric in names.METRICS}
    assert {name for name in families if not name.startswith("process_")} == declared


def test_names_are_unique_described_and_well_formed() -> None:
    assert len({metric.prometheus for metric in names.METRICS}) == len(names.METRICS)
    for metric in names.METRICS:
        assert re.fullmatch(r"(gatekeeper|fleetgate)_[a-z_]+|rpc\.server\.call\.duration", metric.name)
        assert metric.description.endswith(".")
        assert (metric.kind is Kind.HISTOGRAM) == bool(metric.buckets)
        assert list(metric.buckets) == sorted(set(metric.buckets))


def test_a_constraint_that_is_gone_is_not_counted_any_more() -> None:
    metrics = _used()
    metrics.published(8, 1, {"dryrun": 1}, {"interpreter": 1})
    text = generate_latest(metrics.registry).decode()
    assert 'gatekeeper_constraints{enforcement_action="dryrun",status="active"} 1.0' in text
    assert 'gatekeeper_constraints{enforcement_action="deny"' not in text
    assert 'engine="vm"' not in text


def test_cluster_labels_are_bounded() -> None:
    metrics = Metrics(["a"])
    for number in range(1000):
        metrics.reviewed("allow", False, f"cluster-{number}", 0.1)
    assert generate_latest(metrics.registry).decode().count("gatekeeper_validation_request_count_total{") == 1


def test_otlp_carries_the_same_numbers() -> None:
    encoded = encode_metrics(snapshot(_used().registry, Resource.create({}), 5))
    found = {metric.name: metric for metric in encoded.resource_metrics[0].scope_metrics[0].metrics}
    assert set(found) == {metric.name for metric in names.METRICS}

    count = found["gatekeeper_validation_request_count"].sum
    assert count.is_monotonic
    points = {
        tuple(sorted((label.key, label.value.string_value) for label in point.attributes)): point.as_double
        for point in count.data_points
    }
    assert points[("admission_dryrun", "true"), ("admission_status", "deny"), ("cluster", "other")] == 1.0

    durations = found["gatekeeper_validation_request_duration_seconds"].histogram.data_points
    denied = next(point for point in durations if point.attributes[0].value.string_value == "deny")
    assert denied.count == 1
    assert denied.sum == 20.0
    assert len(denied.bucket_counts) == len(denied.explicit_bounds) + 1
    assert denied.bucket_counts[-1] == 1
    assert sum(denied.bucket_counts) == 1
    assert not denied.HasField("min")
    call = found["rpc.server.call.duration"]
    assert call.unit == "s"
    assert {label.key for label in call.histogram.data_points[0].attributes} == set(names.RPC_DURATION.attributes)


@pytest.mark.parametrize(
    ("header", "parent"),
    [
        (f"00-{TRACE}-{SPAN}-01", Parent(TRACE, SPAN, True)),
        (f"00-{TRACE}-{SPAN}-00", Parent(TRACE, SPAN, False)),
        (f"00-{TRACE}-{SPAN}-03", Parent(TRACE, SPAN, True)),
        (f"cc-{TRACE}-{SPAN}-01-later", Parent(TRACE, SPAN, True)),
        (f"00-{TRACE}-{SPAN}-01-extra", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        ("00-garbage", None),
        ("", None),
    ],
)
def test_traceparent(header: str, parent: Parent | None) -> None:
    assert parent_of([("user-agent", "x"), ("traceparent", header)]) == parent


class _Kept(SpanExporter):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans.extend(spans)
        return SpanExportResult.SUCCESS


def test_a_parent_decides_and_roots_follow_the_ratio() -> None:
    def tracing(ratio: float) -> Tracing:
        return Tracing(ratio, Resource.create({}), SimpleSpanProcessor(_Kept()))

    assert tracing(0).sampled(Parent(TRACE, SPAN, True))
    assert not tracing(1).sampled(Parent(TRACE, SPAN, False))
    assert tracing(1).sampled(None)
    assert not tracing(0).sampled(None)
    half = tracing(0.5)
    assert 300 < sum(half.sampled(None) for _ in range(1000)) < 700
    assert not Tracing(1, Resource.create({}), None).sampled(Parent(TRACE, SPAN, True))


def test_spans_of_a_decision() -> None:
    kept = _Kept()
    tracing = Tracing(1, Resource.create({}), SimpleSpanProcessor(kept))
    span = tracing.start("/fleetgate.v1.ReviewService/Review", Parent(TRACE, SPAN, True, "vendor=1"))
    span.stages(1_000_000, (10, 20, 30, 40))
    span.end("INTERNAL")
    match, evaluate, server = kept.spans
    assert span.trace_id == TRACE
    assert [one.name for one in kept.spans] == ["match", "evaluate", "fleetgate.v1.ReviewService/Review"]
    assert (match.start_time, match.end_time) == (1_000_010, 1_000_030)
    assert (evaluate.start_time, evaluate.end_time) == (1_000_030, 1_000_060)
    assert server.kind is SpanKind.SERVER
    assert server.parent is not None
    assert f"{server.parent.span_id:016x}" == SPAN
    assert server.parent.trace_state == {"vendor": "1"}
    assert server.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": "fleetgate.v1.ReviewService/Review",
        "rpc.response.status_code": "INTERNAL",
    }
    assert not server.status.is_ok
    for child in (match, evaluate):
        assert child.parent is not None
        assert child.parent.span_id == server.context.span_id
        assert f"{child.context.trace_id:032x}" == TRACE


def _record(message: str, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("fleetgate.x", logging.INFO, "f", 1, message, (), None)
    record.fields = fields
    return record


def test_json_logs() -> None:
    text = JsonFormatter().format(_record("line\nbreak \x1b[31m", decision_id="ab", cluster="eu-1"))
    assert "\n" not in text
    assert "\x1b" not in text
    line = json.loads(text)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "info",
        "logger": "fleetgate.x",
        "message": "line\nbreak \x1b[31m",
        "decision_id": "ab",
        "cluster": "eu-1",
    }


def test_text_logs_cannot_rewrite_the_terminal() -> None:
    text = TextFormatter().format(_record("bad \x1b[2J", name="x\x07 y"))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert text.endswith('info    bad \\x1b[2J name="x\\x07 y"')

"""Every metric, span, attribute and log key that the server emits, with its meaning.

A metric has an OpenTelemetry name (as OTLP carries it); Prometheus' name follows from it by OpenTelemetry's rules: dots
become underscores, the unit's name and, for counters, ``_total`` are appended. Names that begin with ``gatekeeper_``
mean what they mean in Gatekeeper, with ``cluster`` added, so that its dashboards and alerts keep working.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Instrument of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``unit`` is UCUM: ``s``, or empty for counts."""

    name: str
    kind: Kind
    description: str
    attributes: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()

    @property
    def prometheus(self) -> str:
        """Name at the Prometheus endpoint."""
        name = self.name.replace(".", "_")
        if self.unit == "s" and not name.endswith("_seconds"):
            name += "_seconds"
        return name + "_total" if self.kind is Kind.COUNTER else name

    @property
    def labels(self) -> tuple[str, ...]:
        """Attributes as Prometheus labels."""
        return tuple(attribute.replace(".", "_") for attribute in self.attributes)


_REQUEST_BUCKETS = (
    *(0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008, 0.009),
    *(0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09),
    *(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    *(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0),
)
"""Buckets from 1 ms to 10 s of Gatekeeper's webhook, in seconds."""

_RPC_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Buckets that OpenTelemetry's conventions advise for ``rpc.server.call.duration``, in seconds."""

_AUDIT_BUCKETS = (
    *(0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
    *(60.0, 180.0, 300.0, 600.0, 900.0, 1200.0, 2400.0, 4800.0, 9600.0, 19200.0),
)
"""Buckets of Gatekeeper's audit, which begin at a minute, and shorter ones, in seconds."""

_INGESTION_BUCKETS = (
    *(0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09),
    *(0.1, 0.2, 0.3, 0.4, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0),
)

REQUEST_COUNT = Metric(
    "gatekeeper_validation_request_count",
    Kind.COUNTER,
    "Reviews by their outcome (allow, deny, error), server-side dry run and cluster.",
    ("admission_status", "admission_dryrun", "cluster"),
)
REQUEST_DURATION = Metric(
    "gatekeeper_validation_request_duration_seconds",
    Kind.HISTOGRAM,
    "Time to decide a review.",
    ("admission_status",),
    unit="s",
    buckets=_REQUEST_BUCKETS,
)
CORE_CPU = Metric(
    "fleetgate_core_cpu_seconds",
    Kind.COUNTER,
    "CPU time that the core took for decisions, by the clock of the thread that ran them.",
    unit="s",
)
CONSTRAINTS = Metric(
    "gatekeeper_constraints",
    Kind.GAUGE,
    "Published Constraints by enforcement action.",
    ("enforcement_action", "status"),
)
TEMPLATES = Metric("gatekeeper_constraint_templates", Kind.GAUGE, "Published ConstraintTemplates.", ("status",))
INGESTION_COUNT = Metric(
    "gatekeeper_constraint_template_ingestion_count",
    Kind.COUNTER,
    "Loads of policy bundles (status active: published, error: refused).",
    ("status",),
)
INGESTION_DURATION = Metric(
    "gatekeeper_constraint_template_ingestion_duration_seconds",
    Kind.HISTOGRAM,
    "Time to load a policy bundle: parse, validate, compile, publish.",
    ("status",),
    unit="s",
    buckets=_INGESTION_BUCKETS,
)
TEMPLATE_ENGINES = Metric(
    "fleetgate_constraint_template_engines",
    Kind.GAUGE,
    "Published ConstraintTemplates by the engine that runs them (vm, interpreter).",
    ("engine",),
)
ENGINE_COMPARISONS = Metric(
    "fleetgate_engine_comparisons",
    Kind.COUNTER,
    "Evaluations of a Constraint that the engine that cross-checks answered too.",
)
ENGINE_DISAGREEMENTS = Metric(
    "fleetgate_engine_disagreements",
    Kind.COUNTER,
    "Evaluations of a Constraint that the engine that cross-checks answered otherwise; the answer was not changed.",
    ("template",),
)
GENERATION = Metric("fleetgate_policy_generation", Kind.GAUGE, "Number of the published policy generation.")
GENERATION_TIME = Metric(
    "fleetgate_policy_generation_timestamp_seconds",
    Kind.GAUGE,
    "When the published policy generation was published (Unix time).",
    unit="s",
)
RELOAD_FAILURES = Metric(
    "fleetgate_policy_reload_failures",
    Kind.COUNTER,
    "Changes of policy directories that were refused; the generation before is kept.",
)
SOURCES_REFUSED = Metric(
    "fleetgate_policy_sources_refused",
    Kind.GAUGE,
    "1 while what stands in the policy directories is refused and the generation before is kept, else 0.",
)
CERTIFICATE_FAILURES = Metric(
    "fleetgate_certificate_reload_failures",
    Kind.COUNTER,
    "Changed certificate files that could not be used; the certificate before is kept.",
)
CERTIFICATE_EXPIRY = Metric(
    "fleetgate_certificate_not_after_timestamp_seconds",
    Kind.GAUGE,
    "When the certificate of the listener expires (Unix time).",
    unit="s",
)
RPC_DURATION = Metric(
    "rpc.server.call.duration",
    Kind.HISTOGRAM,
    "Duration of gRPC calls as the server saw them.",
    ("rpc.system.name", "rpc.method", "rpc.response.status_code"),
    unit="s",
    buckets=_RPC_BUCKETS,
)

VIOLATIONS = Metric(
    "gatekeeper_violations",
    Kind.GAUGE,
    "Violations that the continuous audit knows, by enforcement action and cluster.",
    ("enforcement_action", "cluster"),
)
AUDIT_DURATION = Metric(
    "gatekeeper_audit_duration_seconds",
    Kind.HISTOGRAM,
    "Time that the continuous audit worked in an interval; at first, that of the full run.",
    unit="s",
    buckets=_AUDIT_BUCKETS,
)
AUDIT_START = Metric(
    "gatekeeper_audit_last_run_time",
    Kind.GAUGE,
    "When the last interval of the continuous audit began, seconds since 1970.",
)
AUDIT_END = Metric(
    "gatekeeper_audit_last_run_end_time",
    Kind.GAUGE,
    "When the last interval of the continuous audit ended, seconds since 1970.",
)
AUDIT_STREAMS = Metric("fleetgate_audit_streams", Kind.GAUGE, "Audit streams that are open.")

METRICS: tuple[Metric, ...] = (
    REQUEST_COUNT,
    REQUEST_DURATION,
    CORE_CPU,
    CONSTRAINTS,
    TEMPLATES,
    INGESTION_COUNT,
    INGESTION_DURATION,
    TEMPLATE_ENGINES,
    ENGINE_COMPARISONS,
    ENGINE_DISAGREEMENTS,
    GENERATION,
    GENERATION_TIME,
    RELOAD_FAILURES,
    SOURCES_REFUSED,
    CERTIFICATE_FAILURES,
    CERTIFICATE_EXPIRY,
    RPC_DURATION,
    VIOLATIONS,
    AUDIT_DURATION,
    AUDIT_START,
    AUDIT_END,
    AUDIT_STREAMS,
)

OTHER_CLUSTER = "other"
"""Label of all clusters that ``metrics.clusters`` does not name, which keeps the number of series bounded."""

SCOPE = "fleetgate"
"""Instrumentation scope of spans and metrics."""

SPAN_MATCH = "match"
"""Child of the server span: finding the Constraints that match."""

SPAN_EVALUATE = "evaluate"
"""Child of the server span: evaluating them."""

ATTRIBUTE_RPC_SYSTEM = "rpc.system.name"
ATTRIBUTE_RPC_METHOD = "rpc.method"
ATTRIBUTE_RPC_STATUS = "rpc.response.status_code"
ATTRIBUTE_DECISION_ID = "fleetgate.decision_id"
ATTRIBUTE_CLUSTER = "fleetgate.cluster"
ATTRIBUTE_GENERATION = "fleetgate.policy_generation"
ATTRIBUTE_STATUS = "fleetgate.admission_status"
ATTRIBUTE_MATCHED = "fleetgate.constraints_matched"
ATTRIBUTE_BATCH_SIZE = "fleetgate.batch_size"

LOG_KEYS = ("time", "level", "logger", "message", "decision_id", "trace_id", "cluster", "exception")
"""Keys of a JSON log line, ``decision_id``, ``trace_id`` and ``cluster`` where known; other keys are the event's."""


def span_name(method: str) -> str:
    """Name of a server span, of a method's path: ``/fleetgate.v1.ReviewService/Review`` without its first slash."""
    return method.removeprefix("/")

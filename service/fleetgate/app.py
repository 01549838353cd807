"""The composition root of ``fleetgate serve``: the one module that imports everything and wires it."""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from importlib.metadata import version

import grpc
from fleetgate_proto.v1 import policy_pb2
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from fleetgate.audit.continuous import Continuous
from fleetgate.audit.history.database import Database, HistoryFailed, open_database
from fleetgate.audit.history.process import WriterProcess
from fleetgate.audit.history.reader import Reader
from fleetgate.audit.recording import Recording
from fleetgate.audit.runs import Runs
from fleetgate.config import Settings
from fleetgate.engine import ContinuousAudit, Engine, Generation
from fleetgate.fleet import Fleet, FleetInvalid
from fleetgate.policy import report
from fleetgate.policy.errors import BundlesRefused, SourceFailed, StorageFailed
from fleetgate.policy.lifecycle import Policies
from fleetgate.policy.store import BundleStore
from fleetgate.policy.watcher import Watcher
from fleetgate.telemetry import logs
from fleetgate.telemetry.endpoint import Endpoint
from fleetgate.telemetry.metrics import Metrics
from fleetgate.telemetry.otlp import MetricsExport
from fleetgate.telemetry.tracing import Tracing
from fleetgate.transport.audit import AuditService
from fleetgate.transport.denials import DenialLog
from fleetgate.transport.disagreements import DisagreementLog
from fleetgate.transport.guard import Callers
from fleetgate.transport.inventory import InventoryService
from fleetgate.transport.policy import PolicyServicer
from fleetgate.transport.review import ReviewService
from fleetgate.transport.server import Limits, Server
from fleetgate.transport.server_info import ServerInfoServicer
from fleetgate.transport.streams import StreamSlots
from fleetgate.transport.tls import CertificateFiles, CertificateInvalid, server_credentials

_LOGGER = logging.getLogger("fleetgate")

_GIL_SECONDS = 0.001
"""How long a thread that computes in Python (an audit that records, say) may keep reviews from the interpreter.

Python's own measure, 5 ms, is several reviews.
"""


class StartupError(Exception):
    """The server cannot start; the text says why, for a person."""


def run(settings: Settings) -> int:
    """Serve until a signal comes. Returns the exit code; raises StartupError."""
    logs.configure(settings.log.level, settings.log.format)
    signals = _Signals()
    with ExitStack() as running:
        replica = _start(settings, running)
        _LOGGER.info("ready", extra={"fields": {"listen": replica.address, "http": replica.http}})
        signals.wait()
        _drain(settings, replica)
    _LOGGER.info("stopped")
    return 0


class _Signals:
    """SIGTERM and SIGINT: the first begins the drain, the second has the system's default action and ends at once.

    The interpreter's own C handler writes to a pipe. A Python handler would run only between byte codes, and so be late
    for a thread that is just about to block; and it could interrupt itself while it holds a lock.
    """

    _NUMBERS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in self._NUMBERS:
            signal.signal(number, lambda *_: None)

    def wait(self) -> None:
        """Return once the first signal came; end the process if a second one came with it."""
        os.read(self._reader, 1)
        for number in self._NUMBERS:
            signal.signal(number, signal.SIG_DFL)
        # Whatever came before this line is in the pipe, whatever comes after it ends the process.
        if select.select([self._reader], [], [], 0)[0]:
            signal.raise_signal(signal.SIGTERM)


class _Replica:
    """What runs."""

    def __init__(self, server: Server, address: str) -> None:
        self.server = server
        self.address = address
        self.http = ""
        self.ready = False


def _start(settings: Settings, running: ExitStack) -> _Replica:
    """Bring everything up in the order of its dependencies; ``running`` takes it down in the reverse order."""
    credentials_mode = _mode(settings)
    metrics = Metrics(settings.metrics.clusters)
    tracing = _tracing(settings, metrics, running)
    engine = Engine(
        contexts=settings.review.contexts,
        constraint_instructions=settings.review.constraint_instructions,
        constraint_seconds=settings.review.constraint_seconds,
        review_seconds=settings.review.review_seconds,
        cross_check=settings.evaluation.cross_check,
        compatibility=settings.compatibility.model_dump(),
        state_directory=settings.state_directory,
        view_bytes=settings.inventory.view_bytes,
        ready_bytes=settings.inventory.ready_bytes,
        write_behind_seconds=settings.inventory.write_behind_seconds,
    )
    observer = _PolicyMetrics(engine, metrics)
    policies = _policies(settings, engine, observer)
    fleet = _fleet(settings, engine, observer, metrics.certificate_failed, running)
    callers = Callers(credentials_mode, settings.tls.trust_domain)
    server = Server(
        _limits(settings),
        callers,
        metrics,
        review=ReviewService(
            engine,
            callers,
            metrics,
            tracing,
            DenialLog() if settings.log.denies else None,
            disagreements=DisagreementLog(metrics) if settings.evaluation.cross_check else None,
        ),
        policy=PolicyServicer(engine, policies),
        inventory=InventoryService(engine, callers),
        audit=_audit(settings, engine, callers, metrics=metrics, fleet=fleet, running=running),
        info=ServerInfoServicer(engine, callers),
    )
    replica = _Replica(server, _listen(settings, server, metrics))
    if settings.policies:
        watcher = Watcher(
            settings.policies,
            policies.reload,
            debounce_ms=settings.reload.debounce_ms,
            rescan_seconds=settings.reload.rescan_seconds,
            polling=settings.reload.polling,
        )
        running.callback(watcher.close)
    if settings.metrics.listen:
        replica.http = _endpoint(settings, metrics, replica, running)
    _never_pause()
    server.ready()
    replica.ready = True
    return replica


def _never_pause() -> None:
    """Keep the interpreter's housekeeping from reviews.

    A full collection looks at every object and stops all threads meanwhile: some 80,000 are there once everything is
    imported and wired, which is 90 ms. Almost all of them live as long as the process, so collections leave them out.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(_GIL_SECONDS)


def _drain(settings: Settings, replica: _Replica) -> None:
    """NOT_SERVING, a while for load balancers to notice, then no new calls and time for those in flight."""
    _LOGGER.info("draining", extra={"fields": {"delay_seconds": settings.drain.delay_seconds}})
    replica.ready = False
    replica.server.not_serving()
    time.sleep(settings.drain.delay_seconds)
    if not replica.server.stop(settings.drain.grace_seconds):
        _LOGGER.warning("calls were cut off at the end of the grace period")


def _mode(settings: Settings) -> str:
    if settings.tls.certificate is None:
        if not settings.insecure:
            raise StartupError(
                "error: no certificate: give --tls-certificate, --tls-key and --tls-client-ca, "
                "or --insecure on a loopback address"
            )
        return "local"
    return "mutual-tls" if settings.tls.client_ca else "tls"


def _tracing(settings: Settings, metrics: Metrics, running: ExitStack) -> Tracing:
    """Traces, and the export of both signals where there is an endpoint."""
    resource = Resource.create(
        {
            "service.name": os.environ.get("OTEL_SERVICE_NAME", "fleetgate"),
            "service.version": version("fleetgate"),
        }
    )
    processor = None
    if settings.otlp.endpoint:
        headers = settings.otlp.headers.get_secret_value() or None
        exporter = OTLPMetricExporter(endpoint=settings.otlp.endpoint, headers=headers)
        export = MetricsExport(metrics.registry, resource, exporter, settings.otlp.metrics_interval_seconds)
        running.callback(export.close)
        processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otlp.endpoint, headers=headers))
    tracing = Tracing(settings.trace.sample_ratio, resource, processor)
    running.callback(tracing.close)
    return tracing


def _policies(settings: Settings, engine: Engine, observer: _PolicyMetrics) -> Policies:
    """Restore all policies; a replica without them never becomes ready."""
    try:
        store = BundleStore(settings.state_directory) if settings.state_directory else None
        policies = Policies(engine, settings.policies, store, observer, allow_empty=settings.reload.allow_empty)
        policies.restore()
    except BundlesRefused as error:
        blocks = [report.render(diagnostics, files) for diagnostics, files in error.bundles]
        summary = f"{error.count} error{'s' if error.count != 1 else ''}: the policies are refused as a whole"
        raise StartupError("\n\n".join([*blocks, summary])) from error
    except (SourceFailed, StorageFailed) as error:
        raise StartupError(f"error: {error}") from error
    if not engine.generation.constraints:
        _LOGGER.warning("no Constraint is published: every review will be allowed")
    return policies


def _fleet(
    settings: Settings,
    engine: Engine,
    observer: _PolicyMetrics,
    certificate_failed: Callable[[], None],
    running: ExitStack,
) -> Fleet | None:
    """Connect the clusters, where there are any to connect."""
    if not (settings.clusters.kubeconfigs or settings.hub.kubeconfig or settings.feed.listen):
        return None
    try:
        fleet = Fleet(settings, engine, running, observer.published, certificate_failed)
    except (FleetInvalid, StorageFailed) as error:
        raise StartupError(str(error)) from error
    observer.listeners.append(fleet.policies_changed)
    return fleet


def _audit(
    settings: Settings,
    engine: Engine,
    callers: Callers,
    *,
    metrics: Metrics,
    fleet: Fleet | None,
    running: ExitStack,
) -> AuditService:
    """The history, and the continuous audit where it is wanted. Reviews need neither: they wait for none of it."""
    database = _history(settings, running)
    reader, writer = Reader(database), WriterProcess(database)
    try:
        writer.acquire()
    except HistoryFailed as error:
        _LOGGER.warning("%s; it is asked again", error)
    running.callback(writer.release)
    continuous = None
    if settings.audit.interval_seconds:
        recording = Recording(
            writer,
            reader,
            settings.audit,
            fleet.audited if fleet else lambda _cluster, _found: None,
            log_changes=settings.log.audit,
            leased=fleet is not None and fleet.is_leased,
        )
        interval = settings.audit.interval_seconds
        native = ContinuousAudit(engine, volatile_seconds=interval)
        continuous = Continuous(native, recording, metrics, interval_seconds=interval)
        continuous.start()
        running.callback(continuous.close)
    slots = StreamSlots(settings.audit.streams, metrics.audit_streams)
    return AuditService(engine, callers, reader=reader, runs=Runs(reader, writer), continuous=continuous, slots=slots)


def _history(settings: Settings, running: ExitStack) -> Database:
    try:
        database = open_database(settings.audit.database.get_secret_value(), settings.state_directory)
    except HistoryFailed as error:
        raise StartupError(f"error: audit.database: {error}") from error
    running.callback(database.close)
    return database


def _listen(settings: Settings, server: Server, metrics: Metrics) -> str:
    credentials: grpc.ServerCredentials | None = None
    if settings.tls.certificate is not None and settings.tls.key is not None:

        def loaded(expires: datetime) -> None:
            metrics.certificate_expires(expires.timestamp())

        try:
            files = CertificateFiles(
                settings.tls.certificate,
                settings.tls.key,
                settings.tls.client_ca,
                loaded=loaded,
                failed=metrics.certificate_failed,
            )
        except CertificateInvalid as error:
            raise StartupError(f"error: {error}") from error
        credentials = server_credentials(files)
    try:
        return server.listen(settings.listen, credentials)
    except RuntimeError as error:
        raise StartupError(f"error: cannot listen on {settings.listen}: {error}") from error


def _endpoint(settings: Settings, metrics: Metrics, replica: _Replica, running: ExitStack) -> str:
    try:
        endpoint = Endpoint(settings.metrics.listen, metrics.registry, lambda: replica.ready)
    except (OSError, ValueError, OverflowError) as error:
        raise StartupError(f"error: cannot listen on {settings.metrics.listen} (--metrics-listen): {error}") from error
    running.callback(endpoint.close)
    return endpoint.address


class _PolicyMetrics:
    """Tells the metrics what is published."""

    def __init__(self, engine: Engine, metrics: Metrics) -> None:
        self._engine, self._metrics = engine, metrics
        self.listeners: list[Callable[[], None]] = []
        self.loaded, self.reloaded = metrics.loaded, metrics.reloaded

    def published(self, generation: Generation) -> None:
        """Count Constraints by action and templates by engine."""
        constraints = policy_pb2.ListConstraintsResponse.FromString(self._engine.list_constraints()).constraints
        templates = policy_pb2.ListTemplatesResponse.FromString(self._engine.list_templates()).templates
        self._metrics.published(
            generation.number,
            len(templates),
            Counter(constraint.enforcement_action for constraint in constraints),
            Counter(template.engine for template in templates),
        )
        for listener in self.listeners:
            listener()


def _limits(settings: Settings) -> Limits:
    limits = settings.grpc
    return Limits(
        threads=settings.review.threads,
        max_receive_bytes=limits.max_receive_bytes,
        max_metadata_bytes=limits.max_metadata_bytes,
        max_concurrent_streams=limits.max_concurrent_streams,
        max_concurrent_rpcs=limits.max_concurrent_rpcs,
        max_connections=limits.max_connections,
        max_connection_age=limits.max_connection_age_seconds,
        max_connection_age_grace=limits.max_connection_age_grace_seconds,
        handshake=limits.handshake_seconds,
        min_ping_interval=limits.min_ping_interval_seconds,
        max_ping_strikes=limits.max_ping_strikes,
        reflection=limits.reflection_seconds,
    )

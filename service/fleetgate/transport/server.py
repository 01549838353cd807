"""The gRPC server: its limits, its services, its end.

Threads: Review and BatchReview have a pool of their own, which no stream ever enters. Health's watches hold no thread.
Reflection's streams hold one each, of a small pool, and end after a while. Audit's hold one each, of a pool with room
for all that are allowed, and for some more that are refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from fleetgate_proto.v1 import (
    audit_pb2,
    inventory_pb2,
    policy_pb2,
    policy_pb2_grpc,
    review_pb2,
    server_info_pb2,
    server_info_pb2_grpc,
)
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from fleetgate.telemetry.metrics import Metrics
from fleetgate.transport.audit import STREAMS, AuditService
from fleetgate.transport.guard import Callers, Guard
from fleetgate.transport.inventory import InventoryService
from fleetgate.transport.policy import PolicyServicer
from fleetgate.transport.review import ReviewService
from fleetgate.transport.server_info import ServerInfoServicer
from fleetgate.transport.workers import Workers

SERVICES: tuple[str, ...] = (
    review_pb2.DESCRIPTOR.services_by_name["ReviewService"].full_name,
    policy_pb2.DESCRIPTOR.services_by_name["PolicyService"].full_name,
    server_info_pb2.DESCRIPTOR.services_by_name["ServerInfoService"].full_name,
    inventory_pb2.DESCRIPTOR.services_by_name["InventoryService"].full_name,
    audit_pb2.DESCRIPTOR.services_by_name["AuditService"].full_name,
)
"""Our services: each has a health status of its own, beside the overall one (``""``)."""

_HEALTH = health.SERVICE_NAME
_REFLECTION = reflection.SERVICE_NAME
_SMALL_POOL = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the listener; sizes in bytes, times in seconds."""

    threads: int
    max_receive_bytes: int
    max_metadata_bytes: int
    max_concurrent_streams: int
    max_concurrent_rpcs: int
    max_connections: int
    max_connection_age: float
    max_connection_age_grace: float
    handshake: float
    min_ping_interval: float
    max_ping_strikes: int
    reflection: float

    def options(self) -> list[tuple[str, int]]:
        """The limits as gRPC's channel arguments."""
        return [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", self.max_receive_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_metadata_size", self.max_metadata_bytes),
            ("grpc.absolute_max_metadata_size", self.max_metadata_bytes),
            ("grpc.max_concurrent_streams", self.max_concurrent_streams),
            # gRPC would refuse streams while finished ones are not freed, which Python does a moment late: on a busy
            # connection every other call. What callers give up at once is bounded by `max_concurrent_rpcs`.
            ("grpc.http.overload_protection", 0),
            ("grpc.max_allowed_incoming_connections", self.max_connections),
            ("grpc.max_connection_age_ms", round(self.max_connection_age * 1000)),
            ("grpc.max_connection_age_grace_ms", round(self.max_connection_age_grace * 1000)),
            ("grpc.server_handshake_timeout_ms", round(self.handshake * 1000)),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", round(self.min_ping_interval * 1000)),
            ("grpc.http2.max_ping_strikes", self.max_ping_strikes),
        ]


class Server:
    """The listener and its services."""

    def __init__(
        self,
        limits: Limits,
        callers: Callers,
        metrics: Metrics,
        *,
        review: ReviewService,
        policy: PolicyServicer,
        inventory: InventoryService,
        audit: AuditService,
        info: ServerInfoServicer,
    ) -> None:
        self._reviews = Workers(limits.threads, "review")
        self._control = ThreadPoolExecutor(_SMALL_POOL, thread_name_prefix="control")
        self._health_pool = ThreadPoolExecutor(_SMALL_POOL, thread_name_prefix="health")
        self._streams = ThreadPoolExecutor(_SMALL_POOL, thread_name_prefix="reflection")
        self._server = grpc.server(
            self._reviews, options=limits.options(), maximum_concurrent_rpcs=limits.max_concurrent_rpcs
        )
        self._queries = ThreadPoolExecutor(_SMALL_POOL, thread_name_prefix="query")
        self._audits = ThreadPoolExecutor(audit.slots.limit + _SMALL_POOL, thread_name_prefix="audit")
        pools = {
            **dict.fromkeys(SERVICES[1:3], self._control),
            **dict.fromkeys(SERVICES[3:], self._queries),
            **dict.fromkeys(STREAMS, self._audits),
            _HEALTH: self._health_pool,
            _REFLECTION: self._streams,
        }
        guard = Guard(self._server, callers, metrics, pools)
        self._open_streams = _Streams()
        self._health = _Health(self._open_streams)
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        review.register(self._server)
        policy_pb2_grpc.add_PolicyServiceServicer_to_server(policy, guard)
        inventory.register(guard)
        audit.register(guard)
        self._end_watches = audit.end_watches
        server_info_pb2_grpc.add_ServerInfoServiceServicer_to_server(info, guard)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, guard)
        names = (*SERVICES, _HEALTH, _REFLECTION)
        reflector = _Reflection(names, limits.reflection, self._open_streams)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflector, guard)

    def listen(self, address: str, credentials: grpc.ServerCredentials | None) -> str:
        """Bind the address and begin to answer, NOT_SERVING as yet. Returns the address with the port that was bound.

        Raises RuntimeError where it cannot be bound.
        """
        if credentials is None:
            port = self._server.add_insecure_port(address)
        else:
            port = self._server.add_secure_port(address, credentials)
        self._server.start()
        return address if address.startswith("unix") else f"{address.rpartition(':')[0]}:{port}"

    def ready(self) -> None:
        """Report SERVING."""
        self._set_health(health_pb2.HealthCheckResponse.SERVING)

    def not_serving(self) -> None:
        """Report NOT_SERVING for good, while calls are still answered."""
        self._health.enter_graceful_shutdown()

    def stop(self, grace: float) -> bool:
        """Accept no more calls, wait for those in flight, cancel what is left after ``grace`` seconds.

        Streams are ended at once: a client that watches health would do so for ever. Returns whether all calls finished
        in time.
        """
        stopped = self._server.stop(grace)
        self._open_streams.end()
        self._end_watches()
        finished = bool(stopped.wait(grace))
        stopped.wait()
        self._reviews.shutdown()
        for pool in (self._control, self._queries, self._audits, self._health_pool, self._streams):
            pool.shutdown(wait=False, cancel_futures=True)
        return finished

    def _set_health(self, status: Any) -> None:
        for service in ("", *SERVICES):
            self._health.set(service, status)


class _Streams:
    """Open streams that nobody waits for when the server stops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._enders: set[Callable[[], None]] = set()

    def add(self, context: grpc.ServicerContext, end: Callable[[], None]) -> None:
        """Remember a stream until it ends; ``end`` ends it."""
        with self._lock:
            self._enders.add(end)
        context.add_callback(lambda: self._discard(end))

    def _discard(self, end: Callable[[], None]) -> None:
        with self._lock:
            self._enders.discard(end)

    def end(self) -> None:
        """End all of them."""
        with self._lock:
            enders = list(self._enders)
        for end in enders:
            end()


class _Health(health.HealthServicer):  # type: ignore[misc]  # grpcio-health-checking has no types
    """gRPC's health service, with the method that it leaves out."""

    def __init__(self, streams: _Streams) -> None:
        # Asks the base for watches that hold no thread: it marks the method, and gRPC hands over a callback.
        super().__init__(experimental_non_blocking=True)
        self._streams = streams

    def Watch(self, request: Any, context: grpc.ServicerContext, send_response_callback: Any = None) -> Any:  # noqa: N802
        """Tell the status of a service, and each change of it."""
        self._streams.add(context, lambda: send_response_callback(None))
        return super().Watch(request, context, send_response_callback)

    def List(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 (gRPC's signature)
        """Tell the status of every service."""
        services = ("", *SERVICES)
        statuses = {name: self.Check(health_pb2.HealthCheckRequest(service=name), context) for name in services}
        return health_pb2.HealthListResponse(statuses=statuses)


class _Reflection(reflection.ReflectionServicer):  # type: ignore[misc]  # nor has grpcio-reflection
    """gRPC's reflection; a stream ends after ``seconds``, lest a forgotten one holds its thread for life."""

    def __init__(self, service_names: tuple[str, ...], seconds: float, streams: _Streams) -> None:
        super().__init__(service_names)
        self._seconds, self._streams = seconds, streams

    def ServerReflectionInfo(  # noqa: N802 (gRPC names it)
        self, request_iterator: Iterator[Any], context: grpc.ServicerContext
    ) -> Iterator[reflection_pb2.ServerReflectionResponse]:
        """Answer questions about the services."""
        timer = threading.Timer(self._seconds, context.cancel)
        timer.daemon = True
        timer.start()
        context.add_callback(timer.cancel)
        self._streams.add(context, context.cancel)
        answers: Iterator[reflection_pb2.ServerReflectionResponse] = super().ServerReflectionInfo(
            request_iterator, context
        )
        return answers

"""A policy service with canned answers: real grpcio, real health service, nothing decided."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager

import grpc
from fleetgate_proto.v1 import review_pb2, review_pb2_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

REVIEW_SERVICE = "fleetgate.v1.ReviewService"

Answer = Callable[[review_pb2.ReviewRequest, grpc.ServicerContext], review_pb2.ReviewResponse]


def allow(_request: review_pb2.ReviewRequest, _context: grpc.ServicerContext) -> review_pb2.ReviewResponse:
    """Allow everything."""
    return review_pb2.ReviewResponse(decision_id="0" * 32, allowed=True)


class CannedService(review_pb2_grpc.ReviewServiceServicer):
    """Answers with ``answer``; keeps the last request and its metadata, counts calls."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.target = ""
        self.calls = 0
        self.last: review_pb2.ReviewRequest | None = None
        self.metadata: dict[str, str | bytes] = {}
        self.time_remaining = 0.0
        self.max_receive_bytes = 8 * 1024 * 1024
        self.health = health.HealthServicer()
        self._lock = threading.Lock()
        self._server: grpc.Server | None = None

    def Review(  # noqa: N802 (the contract's name)
        self, request: review_pb2.ReviewRequest, context: grpc.ServicerContext
    ) -> review_pb2.ReviewResponse:
        """Answer one review."""
        with self._lock:
            self.calls += 1
        self.last = request
        self.metadata = dict(context.invocation_metadata())
        self.time_remaining = context.time_remaining() or 0.0
        return self.answer(request, context)

    def set_serving(self, *, serving: bool) -> None:
        """Say SERVING or NOT_SERVING from now on."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        self.health.set(REVIEW_SERVICE, status)

    def start(self, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None) -> None:
        """Listen."""
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", self.max_receive_bytes)]
        server = grpc.server(futures.ThreadPoolExecutor(32), options=options)
        review_pb2_grpc.add_ReviewServiceServicer_to_server(self, server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, server)
        port = (
            server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
        )
        self.set_serving(serving=True)
        server.start()
        self.target = f"127.0.0.1:{port}"
        self._server = server

    def stop(self, grace: float | None = None) -> None:
        """Stop, letting calls finish for ``grace`` seconds."""
        if self._server is not None:
            self._server.stop(grace).wait()
            self._server = None

    def drain(self, delay: float, grace: float) -> None:
        """Stop as a draining replica does: NOT_SERVING, a delay, then finish."""
        self.set_serving(serving=False)
        time.sleep(delay)
        self.stop(grace)


@contextmanager
def canned_service(
    answer: Answer = allow, *, address: str = "127.0.0.1:0", credentials: grpc.ServerCredentials | None = None
) -> Iterator[CannedService]:
    """Serve until the block ends."""
    service = CannedService(answer)
    service.start(address, credentials)
    try:
        yield service
    finally:
        service.stop()

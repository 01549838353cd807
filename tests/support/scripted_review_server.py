"""A gRPC server that answers Review and BatchReview by a script: it stalls, denies and fails when a test wants it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager

import grpc

Handler = Callable[[bytes, grpc.ServicerContext], bytes]


class ScriptedReviewServer(grpc.GenericRpcHandler):
    """Real grpcio server on a loopback port; ``handlers`` by method name take and return encoded messages."""

    def __init__(self, handlers: dict[str, Handler]) -> None:
        self._handlers = handlers
        self.port = 0
        self.calls = 0

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Find the handler of a method; unknown ones are UNIMPLEMENTED."""
        service, _, method = handler_call_details.method.rpartition("/")
        handler = self._handlers.get(method)
        if service != "/fleetgate.v1.ReviewService" or handler is None:
            return None

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            self.calls += 1
            return handler(request, context)

        return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def scripted_review_server(
    handlers: dict[str, Handler], *, threads: int = 4, credentials: grpc.ServerCredentials | None = None
) -> Iterator[ScriptedReviewServer]:
    """Serve until the block ends."""
    scripted = ScriptedReviewServer(handlers)
    server = grpc.server(futures.ThreadPoolExecutor(threads), handlers=(scripted,))
    if credentials is None:
        scripted.port = server.add_insecure_port("127.0.0.1:0")
    else:
        scripted.port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield scripted
    finally:
        server.stop(grace=None).wait()


class Stall:
    """Holds callers up during one period, as a collection of garbage or a lock does."""

    def __init__(self) -> None:
        self._from = self._until = float("inf")

    def schedule(self, after: float, seconds: float) -> None:
        """Begin ``after`` seconds from now and last ``seconds``."""
        self._from = time.monotonic() + after
        self._until = self._from + seconds

    def pass_by(self) -> None:
        """Return at once, or at the end of the period."""
        now = time.monotonic()
        if self._from <= now < self._until:
            time.sleep(self._until - now)

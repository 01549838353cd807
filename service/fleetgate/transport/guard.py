"""Every handler behind the method x role table: who calls, may it, how long did it take, how did it end.

This is a function around each handler instead of gRPC's interceptors, which see no certificate and cost more. Review
and BatchReview have the same in their own module, shaped for speed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc

from fleetgate.telemetry.metrics import Metrics
from fleetgate.transport import status
from fleetgate.transport.identity import ANONYMOUS, LOCAL, Identities, Identity
from fleetgate.transport.refusals import Refusals
from fleetgate.transport.roles import METHODS, OPEN, RoleForbidden

_LOGGER = logging.getLogger(__name__)

Behaviour = Callable[[Any, grpc.ServicerContext], Any]


class Callers:
    """Tells who calls, as the listener's mode has it. ``refusals`` is the log of those who may not."""

    def __init__(self, mode: str, trust_domain: str = "") -> None:
        """``mode`` is ``mutual-tls``, ``tls`` or ``local``."""
        self.refusals = Refusals()
        self._identities = Identities(trust_domain)
        self._fixed = {"mutual-tls": None, "tls": ANONYMOUS, "local": LOCAL}[mode]

    def identify(self, context: grpc.ServicerContext) -> Identity:
        """The caller. Raises IdentityInvalid."""
        return self._fixed or self._identities.of(context.auth_context())

    def admit(self, method: str, context: grpc.ServicerContext) -> Identity:
        """The caller, who may call the method. Raises IdentityInvalid, RoleForbidden."""
        identity = self.identify(context)
        if identity.role not in METHODS[method]:
            raise RoleForbidden(method, identity.role)
        return identity


class Guard:
    """A stand-in for the server that generated code registers services with: guards their handlers on the way."""

    def __init__(
        self, server: grpc.Server, callers: Callers, metrics: Metrics, pools: Mapping[str, ThreadPoolExecutor]
    ):
        """``pools`` maps the path of a method or the name of a service to its threads; others use the server's."""
        self._server, self._callers, self._metrics, self._pools = server, callers, metrics, pools

    def add_generic_rpc_handlers(self, _handlers: Any) -> None:
        """Ignored: generated code registers the same methods by name as well."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, grpc.RpcMethodHandler]) -> None:
        """Register guarded handlers; a method that the table does not know raises KeyError."""
        guarded = {name: self._guarded(service, name, handler) for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, guarded),))
        self._server.add_registered_method_handlers(service, guarded)

    def _guarded(self, service: str, name: str, handler: grpc.RpcMethodHandler) -> grpc.RpcMethodHandler:
        method = f"/{service}/{name}"
        kind, make = _KINDS[handler.request_streaming, handler.response_streaming]
        behaviour = self._around(method, getattr(handler, kind), streams=handler.response_streaming)
        pool = self._pools.get(method) or self._pools.get(service)
        if pool is not None:
            behaviour.experimental_thread_pool = pool  # type: ignore[attr-defined]
        guarded: grpc.RpcMethodHandler = make(
            behaviour,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return guarded

    def _around(self, method: str, behaviour: Behaviour, *, streams: bool) -> Behaviour:
        open_to_all = METHODS[method] is OPEN
        admit, refused = self._callers.admit, self._callers.refusals.log
        called, path = self._metrics.called, method.removeprefix("/")

        def fail(error: Exception, context: grpc.ServicerContext, started: float) -> NoReturn:
            code = status.code_of(error).name
            if code == "INTERNAL":
                _LOGGER.error("%s failed", path, exc_info=error)
            refused(path, error, context)
            called(path, code, time.perf_counter() - started)
            status.abort(context, error)

        def guarded(request: Any, context: grpc.ServicerContext, *callback: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                if not open_to_all:
                    admit(method, context)
                answer = behaviour(request, context, *callback, **named)
            except Exception as error:  # noqa: BLE001 (it is told to the caller)
                fail(error, context, started)
            if not streams:
                called(path, "OK", time.perf_counter() - started)
            return answer

        def guarded_stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            started = time.perf_counter()
            try:
                if not open_to_all:
                    admit(method, context)
                yield from behaviour(request, context)
            except Exception as error:  # noqa: BLE001
                fail(error, context, started)
            called(path, "OK", time.perf_counter() - started)

        if getattr(behaviour, "experimental_non_blocking", False):
            guarded.experimental_non_blocking = True  # type: ignore[attr-defined]
            return guarded
        return guarded_stream if streams else guarded


_KINDS: Mapping[tuple[bool, bool], tuple[str, Callable[..., grpc.RpcMethodHandler]]] = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}

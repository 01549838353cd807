"""InventoryService: which clusters there are, and what is cached of them.

Requests and answers pass as bytes: the core reads and makes them. A caller whose certificate names a cluster sees that
one, and is refused where it names another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from fleetgate_proto.v1 import inventory_pb2
from google.protobuf.message import DecodeError

from fleetgate.engine import ClusterMismatch, Engine, InvalidRequest
from fleetgate.transport.guard import Callers, Guard

Reader = Callable[[bytes], Any]
"""Decodes a request; it has a field ``clusters``."""

SERVICE: str = inventory_pb2.DESCRIPTOR.services_by_name["InventoryService"].full_name


class InventoryService:
    """Thin over the engine; errors are the guard's to convert."""

    def __init__(self, engine: Engine, callers: Callers) -> None:
        self._callers = callers
        self._behaviours: dict[str, tuple[Callable[..., bytes], Reader]] = {
            "ListClusters": (engine.list_clusters, inventory_pb2.ListClustersRequest.FromString),
            "QueryInventory": (engine.query_inventory, inventory_pb2.QueryInventoryRequest.FromString),
        }

    def register(self, guard: Guard) -> None:
        """Add the handlers, without (de)serialisers."""
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(self._bound(answer, read))
            for name, (answer, read) in self._behaviours.items()
        }
        guard.add_registered_method_handlers(SERVICE, handlers)

    def _bound(self, answer: Callable[..., bytes], read: Reader) -> Callable[[bytes, Any], bytes]:
        def handle(request: bytes, context: grpc.ServicerContext) -> bytes:
            own = self._callers.identify(context).cluster
            if own is not None:
                _check(own, request, read)
            return answer(request, cluster=own)

        return handle


def _check(own: str, request: bytes, read: Reader) -> None:
    """Refuse a request that names another cluster than the caller's. Raises ClusterMismatch, InvalidRequest."""
    try:
        named = read(request).clusters
    except DecodeError as error:
        raise InvalidRequest("", str(error)) from error
    for name in named:
        if name != own:
            raise ClusterMismatch(own, name)

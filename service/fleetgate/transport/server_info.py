"""ServerInfoService: what runs here, and who the caller is to it."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from importlib.metadata import version

import grpc
from fleetgate_proto.v1 import server_info_pb2, server_info_pb2_grpc

from fleetgate.engine import REGORUS_VERSION, Engine
from fleetgate.transport.guard import Callers

GATEKEEPER_VERSION = "3.23.1"
"""The version of Gatekeeper whose behaviour is reproduced."""


class ServerInfoServicer(server_info_pb2_grpc.ServerInfoServiceServicer):
    """Describes this process."""

    def __init__(self, engine: Engine, callers: Callers) -> None:
        self._engine, self._callers = engine, callers
        self._replica = secrets.token_hex(8)
        self._started = datetime.now(UTC)

    def GetServerInfo(  # noqa: N802 (gRPC names it)
        self,
        request: server_info_pb2.GetServerInfoRequest,  # noqa: ARG002 (gRPC's signature)
        context: grpc.ServicerContext,
    ) -> server_info_pb2.GetServerInfoResponse:
        """Describe this replica."""
        caller = self._callers.identify(context)
        response = server_info_pb2.GetServerInfoResponse(
            version=version("fleetgate"),
            replica_id=self._replica,
            gatekeeper_version=GATEKEEPER_VERSION,
            regorus_version=REGORUS_VERSION,
            evaluation_contexts=self._engine.contexts,
            caller_cluster=caller.cluster or "",
            caller_role=caller.role if "/" in caller.role else "",
        )
        response.started_at.FromDatetime(self._started)
        return response

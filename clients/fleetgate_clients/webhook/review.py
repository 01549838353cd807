"""One call of the service, and what its gRPC status means for the API server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum

import grpc
import grpc.aio
from fleetgate_proto.v1 import review_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from fleetgate_clients.channel import MAX_MESSAGE_BYTES, REVIEW, ServicePool
from fleetgate_clients.telemetry import Instruments

TOO_LARGE = review_pb2.ErrorReason.Name(review_pb2.ERROR_REASON_REQUEST_TOO_LARGE).removeprefix("ERROR_REASON_")

_UNAVAILABLE = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
)

# gRPC's own words where a server's limit is lower than ours. It says so with the code of an overload, and without
# details; taken for one, a large object would pass where failurePolicy is Ignore.
_GRPC_TOO_LARGE = "larger than max"


class Failure(StrEnum):
    """Why there is no decision."""

    UNAVAILABLE = "unavailable"
    """Nobody answered in time, or everybody is busy: ``--on-unavailable`` says what follows."""
    TOO_LARGE = "too_large"
    """The review is beyond a limit: never a way around a policy, so ``--on-oversize`` says what follows."""
    REFUSED = "refused"
    """The service will not or cannot decide: asking again would not help."""


class NoDecision(Exception):  # noqa: N818
    """The service gave no decision."""

    def __init__(self, failure: Failure, message: str) -> None:
        super().__init__(message)
        self.failure = failure


class Reviewer:
    """Asks the service on behalf of one cluster."""

    def __init__(self, pool: ServicePool, cluster: str, instruments: Instruments) -> None:
        self._pool = pool
        self._cluster = cluster
        self._instruments = instruments

    async def review(
        self, admission_request: bytes, namespace: bytes, *, timeout: float, metadata: Sequence[tuple[str, str]]
    ) -> review_pb2.ReviewResponse:
        """Ask for a decision within ``timeout`` seconds. Raises NoDecision."""
        request = review_pb2.ReviewRequest(
            cluster=self._cluster, admission_request=admission_request, namespace=namespace
        ).SerializeToString()
        if len(request) > MAX_MESSAGE_BYTES:
            raise NoDecision(Failure.TOO_LARGE, f"the review is over {MAX_MESSAGE_BYTES} bytes")
        started = time.perf_counter()
        code = "OK"
        try:
            encoded = await self._pool.call(REVIEW, request, timeout=timeout, metadata=metadata)
            return review_pb2.ReviewResponse.FromString(encoded)
        except grpc.aio.AioRpcError as error:
            code = error.code().name
            raise _no_decision(error) from error
        except DecodeError as error:
            code = "INTERNAL"
            raise NoDecision(Failure.REFUSED, "the service's answer does not decode") from error
        finally:
            self._instruments.service_calls.record(
                time.perf_counter() - started,
                {"rpc.system.name": "grpc", "rpc.method": REVIEW[1:], "rpc.response.status_code": code},
            )


def _no_decision(error: grpc.aio.AioRpcError) -> NoDecision:
    code = error.code()
    text = error.details() or "no details"
    if _reason(error) == TOO_LARGE or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and _GRPC_TOO_LARGE in text):
        return NoDecision(Failure.TOO_LARGE, text)
    if code in _UNAVAILABLE:
        return NoDecision(Failure.UNAVAILABLE, f"{code.name}: {text}")
    if code in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED):
        return NoDecision(Failure.REFUSED, f"the policy service does not accept this webhook: {text}")
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return NoDecision(Failure.REFUSED, f"the policy service cannot read the request: {text}")
    return NoDecision(Failure.REFUSED, f"the policy service failed: {code.name}: {text}")


def _reason(error: grpc.aio.AioRpcError) -> str:
    """The ErrorInfo's reason, "" where there is none."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            try:
                details = status_pb2.Status.FromString(value).details
            except DecodeError:
                return ""
            for detail in details:
                info = error_details_pb2.ErrorInfo()
                if detail.Is(info.DESCRIPTOR) and detail.Unpack(info):
                    return str(info.reason)
    return ""

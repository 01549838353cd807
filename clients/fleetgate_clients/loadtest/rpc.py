"""Review and BatchReview over gRPC, as raw bytes."""

import asyncio

import grpc
import grpc.aio
from fleetgate_proto.v1 import review_pb2
from google.protobuf.message import DecodeError

from fleetgate_clients.channel import (
    BATCH_REVIEW,
    REVIEW,
    ChannelError,
    ServiceOptions,
    channel_arguments,
    credentials,
)
from fleetgate_clients.loadtest.plan import Endpoint, Target, Tls
from fleetgate_clients.loadtest.tally import Outcome
from fleetgate_clients.loadtest.transport import ConnectError, RequestFailed

_METHODS = {Target.REVIEW: REVIEW, Target.BATCH: BATCH_REVIEW}


class RpcTransport:
    """One HTTP/2 connection."""

    def __init__(self, channel: grpc.aio.Channel, target: Target, timeout: float) -> None:
        self._channel = channel
        # Without (de)serialisers the payloads built beforehand go out as they are.
        self._call = channel.unary_unary(_METHODS[target])
        self._timeout = timeout
        self._batch = target is Target.BATCH

    @classmethod
    async def open(cls, endpoint: Endpoint, *, timeout: float) -> "RpcTransport":
        """Connect, or raise ConnectError within ``timeout`` seconds."""
        channel = _channel(endpoint)
        try:
            await asyncio.wait_for(channel.channel_ready(), timeout)
        except TimeoutError:
            await channel.close()
            raise ConnectError(
                f"no connection to {endpoint.address} within {timeout:g} s: is a server SERVING there, does it "
                f"{'use TLS with a certificate that --ca trusts' if endpoint.tls else 'listen without TLS'}?"
            ) from None
        return cls(channel, endpoint.target, timeout)

    async def send(self, payload: bytes) -> bytes:
        try:
            answer: bytes = await self._call(payload, timeout=self._timeout)
        except grpc.aio.AioRpcError as error:
            raise RequestFailed(error.code().name) from error
        return answer

    def read(self, answer: bytes) -> Outcome:
        outcome = Outcome()
        try:
            if self._batch:
                _read_batch(review_pb2.BatchReviewResponse.FromString(answer), outcome)
            else:
                _read_review(review_pb2.ReviewResponse.FromString(answer), outcome)
        except DecodeError:
            outcome.failures["not a response"] += 1
        return outcome

    async def close(self) -> None:
        await self._channel.close()


def _read_batch(response: review_pb2.BatchReviewResponse, outcome: Outcome) -> None:
    for item in response.items:
        if item.HasField("response"):
            _read_review(item.response, outcome)
        else:
            outcome.failures[f"item {_status_name(item.status.code)}"] += 1


def _read_review(response: review_pb2.ReviewResponse, outcome: Outcome) -> None:
    revision = response.inventory_revision
    if revision.HasField("read_age"):
        outcome.read_ages.append(revision.read_age.ToNanoseconds())
    outcome.read_stale += revision.read_stale
    outcome.constraint_errors.update(map(_reason, response.constraint_errors))
    if response.HasField("review_error"):
        outcome.failures[f"review {response.review_error.code}"] += 1
    elif not response.allowed:
        outcome.decisions["deny"] += 1
    elif any(map(_warns, response.violations)) or any(map(_warns, response.constraint_errors)):
        outcome.decisions["warn"] += 1
    else:
        outcome.decisions["allow"] += 1


def _warns(finding: review_pb2.Violation | review_pb2.ConstraintError) -> bool:
    return finding.enforcement_action == "warn" or "warn" in finding.scoped_enforcement_actions


def _reason(error: review_pb2.ConstraintError) -> str:
    return review_pb2.ErrorReason.Name(error.reason).removeprefix("ERROR_REASON_")


def _status_name(code: int) -> str:
    return next((status.name for status in grpc.StatusCode if status.value[0] == code), str(code))


def _channel(endpoint: Endpoint) -> grpc.aio.Channel:
    tls = endpoint.tls or Tls()
    options = ServiceOptions(
        targets=(endpoint.address,),
        ca=tls.ca,
        cert=tls.certificate,
        key=tls.key,
        server_name=tls.server_name or "",
        insecure=endpoint.tls is None,
    )
    try:
        options.check()
        secret = credentials(options)
    except ChannelError as error:
        raise ConnectError(str(error)) from error
    # A call repeated by gRPC itself would hide a failure.
    arguments = [*channel_arguments(options), ("grpc.enable_retries", 0)]
    if secret is None:
        return grpc.aio.insecure_channel(endpoint.address, arguments)
    return grpc.aio.secure_channel(endpoint.address, secret, arguments)

"""Review and BatchReview over gRPC, as raw bytes."""

import asyncio
from pathlib import Path

import grpc
import grpc.aio
from fleetgate_proto.v1 import review_pb2
from google.protobuf.message import DecodeError

from fleetgate_clients.loadtest.plan import Endpoint, Target, Tls
from fleetgate_clients.loadtest.tally import Outcome
from fleetgate_clients.loadtest.transport import ConnectError, RequestFailed

_METHODS = {
    Target.REVIEW: "/fleetgate.v1.ReviewService/Review",
    Target.BATCH: "/fleetgate.v1.ReviewService/BatchReview",
}
_OPTIONS: list[tuple[str, str | int]] = [
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # A pool of subchannels shared with other channels of the process would make one connection of several.
    ("grpc.use_local_subchannel_pool", 1),
    # A retried call would hide a failure.
    ("grpc.enable_retries", 0),
]


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
        channel = _channel(endpoint.address, endpoint.tls)
        try:
            await asyncio.wait_for(channel.channel_ready(), timeout)
        except TimeoutError:
            await channel.close()
            raise ConnectError(
                f"no connection to {endpoint.address} within {timeout:g} s: is the server there, does it "
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


def _status_name(code: int) -> str:
    return next((status.name for status in grpc.StatusCode if status.value[0] == code), str(code))


def _channel(address: str, tls: Tls | None) -> grpc.aio.Channel:
    if tls is None:
        return grpc.aio.insecure_channel(address, options=_OPTIONS)
    options = list(_OPTIONS)
    if tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    credentials = grpc.ssl_channel_credentials(_read(tls.ca), _read(tls.key), _read(tls.certificate))
    return grpc.aio.secure_channel(address, credentials, options=options)


def _read(path: str | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()

"""Ways to a target: encoded request in, encoded answer out, and what the answer says."""

from typing import Protocol

from fleetgate_clients.loadtest.plan import Endpoint, Target
from fleetgate_clients.loadtest.tally import Outcome


class ConnectError(Exception):
    """The target cannot be reached before the test begins; the message says why."""


class RequestFailed(Exception):  # noqa: N818 - a request that failed is what the test measures, not an error of it
    """One request failed; ``code`` is the gRPC status, ``HTTP 503``, or what the connection did."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Transport(Protocol):
    """One connection, or a pool of them, of one worker."""

    async def send(self, payload: bytes) -> bytes:
        """Send one request and return the answer's bytes; raises RequestFailed."""
        ...

    def read(self, answer: bytes) -> Outcome:
        """What an answer says. Called after the clock has stopped."""
        ...

    async def close(self) -> None: ...


async def open_transport(endpoint: Endpoint, *, timeout: float, connections: int) -> Transport:
    """Connect to the endpoint, or raise ConnectError within ``timeout`` seconds."""
    if endpoint.target is Target.WEBHOOK:
        from fleetgate_clients.loadtest.webhook import WebhookTransport  # noqa: PLC0415 - aiohttp is not needed for gRPC

        return await WebhookTransport.open(endpoint, timeout=timeout, connections=connections)
    from fleetgate_clients.loadtest.rpc import RpcTransport  # noqa: PLC0415 - grpc is not needed for the webhook

    return await RpcTransport.open(endpoint, timeout=timeout)

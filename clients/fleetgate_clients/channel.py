"""The way to the service: TLS, deadlines, several targets, retries.

One gRPC channel per target. Every channel watches ``grpc.health.v1`` for ReviewService, so a replica that drains
(NOT_SERVING) stops being READY here before it stops to answer, and calls move to its neighbours. A call that fails with
UNAVAILABLE is repeated on another target while its deadline lasts: a review has no side effects.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import json
import logging
import random
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio

from fleetgate_clients.filewatch import FileWatch

logger = logging.getLogger(__name__)

REVIEW_SERVICE = "fleetgate.v1.ReviewService"
REVIEW = f"/{REVIEW_SERVICE}/Review"
BATCH_REVIEW = f"/{REVIEW_SERVICE}/BatchReview"

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""What the service takes: 7 MiB of objects and what goes with them."""

# Rounds over all targets before UNAVAILABLE is the answer, and the pauses between them. Bounded: where every replica is
# gone the caller's failure policy should apply at once, not at the deadline.
_PAUSES_SECONDS = (0.0, 0.05, 0.15)

# The reply to a retried call must still be worth something.
_LEAST_ATTEMPT_SECONDS = 0.005


class ChannelError(ValueError):
    """The options of the connection contradict each other or a file cannot be used."""


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """Where the service is and how to reach it.

    ``targets`` are ``host:port`` (or any gRPC target URI). ``ca`` is a PEM bundle, the system's where None; ``cert``
    and ``key`` are the client's, for mutual TLS. ``server_name`` is the name that the service's certificate must carry
    where it differs from the target's host. ``insecure`` is plaintext, on loopback only.
    """

    targets: tuple[str, ...]
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    server_name: str = ""
    insecure: bool = False

    def check(self) -> None:
        """Raise ChannelError where a channel cannot be made of this."""
        if not self.targets:
            raise ChannelError("no server is named: give --server HOST:PORT (several for replicas)")
        if self.insecure:
            if self.ca or self.cert or self.key:
                raise ChannelError("plaintext and certificates exclude each other: drop --server-insecure or the files")
            for target in self.targets:
                if not is_loopback(target):
                    raise ChannelError(f"plaintext is for loopback only, {target} is not: use --server-ca instead")
        if bool(self.cert) != bool(self.key):
            raise ChannelError("a client certificate needs its key: give both --server-cert and --server-key")

    def files(self) -> list[Path]:
        """The files that the credentials are made of."""
        return [path for path in (self.ca, self.cert, self.key) if path is not None]


def is_loopback(target: str) -> bool:
    """Whether a ``host:port`` names this machine only."""
    host = target.rpartition(":")[0].strip("[]") if ":" in target else target
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def credentials(options: ServiceOptions) -> grpc.ChannelCredentials | None:
    """Read the files; None for plaintext. Raises ChannelError for files that do not fit together."""
    if options.insecure:
        return None
    try:
        # gRPC itself only finds out at the first handshake, and says little.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if options.ca:
            context.load_verify_locations(options.ca)
        if options.cert:
            context.load_cert_chain(options.cert, options.key)
        return grpc.ssl_channel_credentials(
            options.ca.read_bytes() if options.ca else None,
            options.key.read_bytes() if options.key else None,
            options.cert.read_bytes() if options.cert else None,
        )
    except (OSError, ValueError) as error:
        names = ", ".join(map(str, options.files()))
        reason = error if isinstance(error, ssl.SSLError | ValueError) else error.strerror
        raise ChannelError(f"the certificates for the service ({names}) cannot be used: {reason}") from error


def channel_arguments(options: ServiceOptions) -> list[tuple[str, str | int]]:
    """gRPC channel arguments that every client of the service uses."""
    service_config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": REVIEW_SERVICE},
    }
    arguments: list[tuple[str, str | int]] = [
        ("grpc.service_config", json.dumps(service_config)),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        # A replica that comes back is found within seconds, not minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 2_000),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # A host that vanished without a FIN is noticed by pings; the service allows one each 10 s.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 3_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Going idle would end the health watch and with it what `ready` says.
        ("grpc.client_idle_timeout_ms", 2**31 - 1),
        # Clusters' proxies are for the internet; the service is inside.
        ("grpc.enable_http_proxy", 0),
        # Replicas that listen on one host must not share one connection's fate.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if options.server_name:
        arguments.append(("grpc.ssl_target_name_override", options.server_name))
    return arguments


class _Target:
    """One replica (or one DNS name of several)."""

    def __init__(self, name: str, options: ServiceOptions, creds: grpc.ChannelCredentials | None) -> None:
        self.name = name
        arguments = channel_arguments(options)
        self.channel = (
            grpc.aio.insecure_channel(name, arguments)
            if creds is None
            else grpc.aio.secure_channel(name, creds, arguments)
        )
        self.methods = {
            path: self.channel.unary_unary(path, request_serializer=None, response_deserializer=None)
            for path in (REVIEW, BATCH_REVIEW)
        }

    @property
    def ready(self) -> bool:
        """Connected, and the service says SERVING."""
        return self.channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY


def _any_ready(targets: list[_Target]) -> bool:
    # All are asked: that makes each of them connect.
    return True in [target.ready for target in targets]


class ServicePool:
    """Calls the service on any of its targets. Lives in one event loop.

    Certificates are reread when their files change: new channels take over, calls in flight finish on the old ones.
    """

    def __init__(self, options: ServiceOptions) -> None:
        options.check()
        self._options = options
        self._turn = itertools.count()
        self._targets: list[_Target] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._handover: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the channels and begin to connect. Raises ChannelError for unusable certificates."""
        self._open()
        watch = FileWatch("certificates for the service", self._options.files, self._replace)
        if self._options.files():
            self._keep(asyncio.create_task(watch.run(), name="watch-service-certificates"))

    @property
    def ready(self) -> bool:
        """Whether at least one target is connected and SERVING."""
        return _any_ready(self._targets)

    async def call(
        self, method: str, request: bytes, *, timeout: float, metadata: Sequence[tuple[str, str]] = ()
    ) -> bytes:
        """Call ``method`` with encoded bytes and return the encoded answer.

        Raises grpc.aio.AioRpcError of the last attempt; with ``timeout`` seconds gone, one of DEADLINE_EXCEEDED.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        last: grpc.aio.AioRpcError | None = None
        for pause in _PAUSES_SECONDS:
            if pause:
                pause *= 0.5 + random.random()  # noqa: S311, PLW2901 (jitter)
                if loop.time() + pause + _LEAST_ATTEMPT_SECONDS > deadline:
                    break
                await asyncio.sleep(pause)
            places = self._in_turn()
            for index, place in enumerate(places):
                left = deadline - loop.time()
                if not self._targets or (last is not None and left < _LEAST_ATTEMPT_SECONDS):
                    break
                # Looked up at its turn: new certificates may have replaced all channels during the attempt before.
                target = self._targets[place]
                # A target that is still connecting may swallow the call: leave time for those after it.
                partial = len(places) - index > 1 and not target.ready
                share = left / (len(places) - index) if partial else left
                try:
                    answer: bytes = await target.methods[method](
                        request, timeout=max(share, 0.0), metadata=tuple(metadata), wait_for_ready=False
                    )
                    return answer
                except grpc.aio.AioRpcError as error:
                    last = error
                    code = error.code()
                    if code is grpc.StatusCode.UNAVAILABLE:
                        continue
                    if code is grpc.StatusCode.DEADLINE_EXCEEDED and partial:
                        continue
                    raise
        if last is None:
            raise RuntimeError("the pool is not started or closed")
        raise last

    async def close(self, grace: float = 5.0) -> None:
        """Let calls in flight finish for ``grace`` seconds, then close."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        targets, self._targets = self._targets, []
        await asyncio.gather(*(target.channel.close(grace) for target in targets))

    def _in_turn(self) -> list[int]:
        """Places of the targets: READY ones first, each call beginning with the next of them."""
        count = len(self._targets)
        if count <= 1:
            return list(range(count))
        start = next(self._turn) % count
        rotated = [*range(start, count), *range(start)]
        return sorted(rotated, key=lambda place: not self._targets[place].ready)

    def _open(self) -> None:
        creds = credentials(self._options)
        self._targets = [_Target(name, self._options, creds) for name in self._options.targets]
        for target in self._targets:
            target.channel.get_state(try_to_connect=True)

    def _replace(self) -> None:
        creds = credentials(self._options)
        if self._handover is not None:
            self._handover.cancel()
        self._handover = asyncio.create_task(self._hand_over(creds), name="replace-channels")
        self._keep(self._handover)

    async def _hand_over(self, creds: grpc.ChannelCredentials | None) -> None:
        """Connect with the new certificates before they are used, so that no call waits for a handshake.

        While the new ones are refused and the old connections stand, the old ones stay in use.
        """
        fresh = [_Target(name, self._options, creds) for name in self._options.targets]
        old: list[_Target] = []
        try:
            while not _any_ready(fresh) and self.ready:
                await asyncio.sleep(0.05)
            old, self._targets = self._targets, fresh
        except asyncio.CancelledError:
            old = fresh
            raise
        finally:
            await asyncio.gather(*(target.channel.close(30.0) for target in old))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

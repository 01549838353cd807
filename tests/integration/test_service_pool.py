"""The way from the webhook to the service: several targets and certificates that change under calls."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import grpc
from fleetgate_clients.channel import REVIEW, ServiceOptions, ServicePool
from fleetgate_proto.v1 import review_pb2

from tests.support.canned_service import Answer, allow, canned_service
from tests.support.certificates import Authority

TIMEOUT = 20.0


class _FailsItsFirst:
    """Answers of all replicas: the first call of all waits for ``go`` and fails, the others are allowed."""

    def __init__(self) -> None:
        self.waiting = threading.Event()
        self.go = threading.Event()
        self._first = threading.Lock()

    def __call__(self, request: review_pb2.ReviewRequest, context: grpc.ServicerContext) -> review_pb2.ReviewResponse:
        if self._first.acquire(blocking=False):
            self.waiting.set()
            self.go.wait(TIMEOUT)
            context.abort(grpc.StatusCode.UNAVAILABLE, "on purpose")
        return allow(request, context)


class _Connections:
    """The connections that each replica has seen."""

    def __init__(self, answer: _FailsItsFirst) -> None:
        self.peers: defaultdict[str, set[str]] = defaultdict(set)
        self._answer = answer

    def of(self, replica: str) -> Answer:
        def answer(request: review_pb2.ReviewRequest, context: grpc.ServicerContext) -> review_pb2.ReviewResponse:
            self.peers[replica].add(context.peer())
            return self._answer(request, context)

        return answer

    @property
    def replaced(self) -> bool:
        """Whether a replica was called over a second connection."""
        return any(len(peers) > 1 for peers in self.peers.values())


def test_a_call_outlives_the_channels_it_began_with(tmp_path: Path) -> None:
    """One attempt fails after the certificates were replaced: the next goes over the new channels."""
    authority = Authority(tmp_path / "ca")
    serving = authority.issue("serving")
    client = authority.issue("client")
    credentials = grpc.ssl_server_credentials([(serving.key.read_bytes(), serving.certificate.read_bytes())])
    answer = _FailsItsFirst()
    connections = _Connections(answer)

    async def run(targets: tuple[str, ...]) -> bytes:
        pool = ServicePool(ServiceOptions(targets, ca=authority.file, cert=client.certificate, key=client.key))
        await pool.start()
        try:
            while not pool.ready:
                await asyncio.sleep(0.01)
            call = asyncio.create_task(pool.call(REVIEW, b"", timeout=TIMEOUT))
            await asyncio.to_thread(answer.waiting.wait, TIMEOUT)
            for _ in targets:
                await pool.call(REVIEW, b"", timeout=TIMEOUT)
            authority.issue("client")
            while not connections.replaced:
                await pool.call(REVIEW, b"", timeout=TIMEOUT)
                await asyncio.sleep(0.02)
            answer.go.set()
            return await call
        finally:
            await pool.close(0.0)

    with ExitStack() as stack:
        replicas = [
            stack.enter_context(canned_service(connections.of(name), credentials=credentials)) for name in ("a", "b")
        ]
        encoded = asyncio.run(asyncio.wait_for(run(tuple(replica.target for replica in replicas)), 2 * TIMEOUT))
    assert review_pb2.ReviewResponse.FromString(encoded).allowed

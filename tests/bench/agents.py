"""Agents that have nothing to tell: streams that are open, each with a certificate of its own.

As a program: ``agents.py ADDRESS CA DIRECTORY COUNT`` opens a stream for each pair of files ``agent-N.crt``/``.key`` of
the directory, prints a line once all are welcome, and keeps them open until it is terminated.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import grpc.aio
from fleetgate_proto.v1 import feed_pb2, feed_pb2_grpc

from tests.support.certificates import Authority

_SIGN_OF_LIFE_SECONDS = 0.8
"""As often as the real agent, where it has nothing else to say."""


@contextmanager
def idle_agents(scratch: Path, port: int, authority: Authority, count: int, trust_domain: str) -> Iterator[None]:
    """Keep so many streams open until the context ends. Each is of another cluster."""
    pairs = scratch / "pki"
    for number in range(count):
        if not (pairs / f"agent-{number}.crt").exists():
            spiffe = f"spiffe://{trust_domain}/cluster/idle-{number}/sync"
            authority.issue(f"agent-{number}", hosts=(), spiffe_id=spiffe)
    command = [sys.executable, "-m", "tests.bench.agents", f"localhost:{port}", authority.file, pairs, count]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            if not process.stdout.readline():
                raise RuntimeError("the agents were not welcomed; their error is above")
            yield
        finally:
            process.terminate()


async def _stream(address: str, ca: bytes, files: Path, welcomed: asyncio.Semaphore) -> None:
    credentials = grpc.ssl_channel_credentials(
        ca, files.with_suffix(".key").read_bytes(), files.with_suffix(".crt").read_bytes()
    )

    async def say() -> AsyncIterator[feed_pb2.SyncInventoryRequest]:
        yield feed_pb2.SyncInventoryRequest(hello=feed_pb2.AgentHello())
        while True:
            await asyncio.sleep(_SIGN_OF_LIFE_SECONDS)
            yield feed_pb2.SyncInventoryRequest(report=feed_pb2.FeedReport())

    async with grpc.aio.secure_channel(address, credentials, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        async for answer in feed_pb2_grpc.FeedServiceStub(channel).SyncInventory(say()):
            if answer.HasField("welcome"):
                welcomed.release()


async def _main(address: str, ca: Path, directory: Path, count: int) -> None:
    welcomed = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as streams:
        for number in range(count):
            streams.create_task(_stream(address, ca.read_bytes(), directory / f"agent-{number}", welcomed))
        for _ in range(count):
            await welcomed.acquire()
        print("welcome", flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))

"""More calls at once than a connection may have, and streams that are reset as soon as they are opened."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from pathlib import Path

import grpc
import grpc.aio
import psutil
from fleetgate_proto.v1 import review_pb2_grpc

from tests.support.serving import TIMEOUT, Serve, question

STREAMS = 100
"""Calls at a time on one connection, unless configured."""

CALLERS, CALLS = STREAMS + 50, 30
RESETS = 50_000
MOST_BYTES = 256 << 20

NO_RETRIES = [("grpc.enable_retries", 0)]


def test_callers_beyond_a_connections_streams_wait_and_are_answered(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}")

    async def ask() -> None:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", NO_RETRIES) as channel:
            stub = review_pb2_grpc.ReviewServiceStub(channel)

            async def call() -> None:
                for _ in range(CALLS):
                    await stub.Review(question(), timeout=6 * TIMEOUT)

            await asyncio.gather(*(call() for _ in range(CALLERS)))

    asyncio.run(ask())


def test_streams_that_are_reset_at_once_cost_others_nothing(serve: Serve, labels: Path) -> None:
    """What CVE-2023-44487 is about: a stream that is reset does not count as one that the connection has."""
    server = serve(f"--policies={labels}")
    before = psutil.Process(server.process.pid).memory_info().rss
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        threading.Thread(target=_drain, args=(connection,), daemon=True).start()
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(SETTINGS, 0, 0, b""))
        try:
            for first in range(1, 2 * RESETS, 2 * STREAMS):
                streams = range(first, first + 2 * STREAMS, 2)
                connection.sendall(
                    b"".join(
                        _frame(HEADERS, END_HEADERS, stream, REQUEST) + _frame(RST_STREAM, 0, stream, CANCEL)
                        for stream in streams
                    )
                )
        except ConnectionError:
            pass  # It is welcome to hang up.
        assert not server.review.Review(question(), timeout=TIMEOUT).allowed
    assert psutil.Process(server.process.pid).memory_info().rss - before < MOST_BYTES


def _drain(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(1 << 16):
            pass


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of RFC 9113, section 4.1."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _headers(fields: dict[str, str]) -> bytes:
    """Literal fields without indexing, as RFC 7541, section 6.2.2, has them."""
    texts = ((name.encode(), value.encode()) for name, value in fields.items())
    return b"".join(bytes([0, len(name)]) + name + bytes([len(value)]) + value for name, value in texts)


HEADERS, RST_STREAM, SETTINGS, END_HEADERS = 1, 3, 4, 4
CANCEL = (8).to_bytes(4, "big")
REQUEST = _headers(
    {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/fleetgate.v1.ReviewService/Review",
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
    }
)

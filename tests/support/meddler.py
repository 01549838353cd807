"""A proxy before a real API server, for what cannot be had otherwise: silence, cuts, history that is gone.

It ends TLS with a certificate of its own and sends each request on, one connection each.
"""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.support.certificates import Authority
from tests.support.kubeapiserver import Cluster

_BLOCK = 65536


class Meddler:
    """The proxy. Its switches may be turned at any time."""

    def __init__(self, cluster: Cluster, authority: Authority) -> None:
        upstream = urlsplit(cluster.server)
        assert upstream.hostname is not None
        assert upstream.port is not None
        self._upstream = (upstream.hostname, upstream.port)
        self._client = ssl.create_default_context(cafile=str(cluster.ca_file))
        pair = authority.issue("meddler")
        self._server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._server.load_cert_chain(pair.certificate, pair.key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self.expired: re.Pattern[str] | None = None
        """Watches whose URI matches find no history: 410 as the first event."""
        self.refused: re.Pattern[str] | None = None
        """Requests whose URI matches are refused with 400."""
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Let nothing through, and close nothing: a partition."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Let everything through again, what was held back included."""
        self._flowing.set()

    def drop_connections(self) -> None:
        """Close what is open; new connections are welcome."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                # The TLS state belongs to the thread that serves it.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def close(self) -> None:
        """End: nothing listens there any more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._flowing.set()
        self.drop_connections()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        self._flowing.wait()
        with (
            contextlib.suppress(OSError),
            self._server.wrap_socket(plain, server_side=True) as down,
            self._noted(down),
        ):
            head, rest = self._head(down)
            if not head:
                return
            _, uri, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
            if self.refused is not None and self.refused.search(uri):
                self._answer(down, 400, {"kind": "Status", "code": 400, "message": "refused by the test"})
            elif self.expired is not None and "watch=true" in uri and self.expired.search(uri):
                status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
                self._answer(down, 200, {"type": "ERROR", "object": status})
            else:
                self._forward(down, head, rest)

    def _forward(self, down: ssl.SSLSocket, head: bytes, rest: bytes) -> None:
        first, headers = head.split(b"\r\n", 1)
        with (
            socket.create_connection(self._upstream) as plain,
            self._client.wrap_socket(plain, server_hostname=self._upstream[0]) as up,
            self._noted(up),
        ):
            up.sendall(first + b"\r\nconnection: close\r\n" + headers + rest)
            length = re.search(rb"(?im)^content-length: (\d+)", head)
            missing = int(length[1]) - len(rest) if length else 0
            while missing > 0:
                block = down.recv(_BLOCK)
                up.sendall(block)
                missing -= len(block)
            while True:
                ready = [up] if up.pending() else select.select([up, down], [], [])[0]
                self._flowing.wait()
                # A client that says anything now says that it goes: its watch must end at the server too.
                block = up.recv(_BLOCK) if up in ready else b""
                if not block:
                    return
                down.sendall(block)

    @staticmethod
    def _head(down: ssl.SSLSocket) -> tuple[bytes, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            block = down.recv(_BLOCK)
            if not block:
                return b"", b""
            data += block
        head, rest = data.split(b"\r\n\r\n", 1)
        return head + b"\r\n\r\n", rest

    @staticmethod
    def _answer(down: ssl.SSLSocket, code: int, document: object) -> None:
        body = json.dumps(document).encode() + b"\n"
        head = f"HTTP/1.1 {code} X\r\ncontent-type: application/json\r\nconnection: close\r\n"
        down.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)

    @contextmanager
    def _noted(self, connection: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)


@contextmanager
def meddling(cluster: Cluster, authority: Authority) -> Iterator[Meddler]:
    """Run a proxy until the context ends."""
    meddler = Meddler(cluster, authority)
    try:
        yield meddler
    finally:
        meddler.close()

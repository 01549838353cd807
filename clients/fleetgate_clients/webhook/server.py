"""The HTTP/1.1 server: aiohttp's protocol machinery with the limits that an admission endpoint needs around it.

Added here, because aiohttp has none: a bound on the time that a request's head takes, a bound on connections (TLS
handshakes included), a TLS context that may change between two connections, and a drain that loses nothing. See
docs/adr/0004-webhook-http-server.md.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

logger = logging.getLogger(__name__)

Handler = Callable[[web.BaseRequest], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, and a number of connections."""

    connections: int = 1024
    handshake: float = 5.0
    head: float = 5.0
    idle: float = 60.0
    linger: float = 5.0


class Connection(web.RequestHandler):
    """One connection, which knows since when it waits for the rest of a request's head."""

    __slots__ = ("busy", "head_since")

    def __init__(self, server: web.Server, *, loop: asyncio.AbstractEventLoop, limits: Limits) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=limits.idle,
            lingering_time=limits.linger,
            access_log=None,  # type: ignore[arg-type] # aiohttp takes None for "no access log"
            # A gzip bomb is none where nothing is unpacked.
            auto_decompress=False,
        )
        self.head_since: float | None = None
        self.busy = False

    def data_received(self, data: bytes) -> None:
        """Take bytes from the network."""
        if not self.busy and self.head_since is None:
            self.head_since = self._loop.time()
        super().data_received(data)

    def begin(self) -> None:
        """A head is complete and its request is being handled."""
        self.head_since = None
        self.busy = True

    def end(self) -> None:
        """The answer is made."""
        self.busy = False

    def expire(self) -> None:
        """Give up on a head that does not come."""
        if self.transport is not None:
            self.transport.write(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.force_close()


class _Server(web.Server):
    """aiohttp's server with our connections."""

    def __init__(self, handler: Handler, limits: Limits) -> None:
        super().__init__(handler)
        self._limits = limits

    def __call__(self) -> Connection:
        return Connection(self, loop=asyncio.get_running_loop(), limits=self._limits)


class HttpServer:
    """Listens, hands requests to ``handler``, drains.

    ``context`` is asked at each connection; None means plaintext. ``refused`` is called for each connection that was
    closed because of the limit or a failed handshake.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        context: Callable[[], ssl.SSLContext] | None = None,
        limits: Limits | None = None,
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._handler = handler
        self._context = context
        self._limits = limits or Limits()
        self._refused = refused
        self._server = _Server(self._dispatch, self._limits)
        self._listeners: list[socket.socket] = []
        self._accepting: set[asyncio.Task[None]] = set()
        self._handshakes: set[asyncio.Task[None]] = set()
        self._draining = False

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port (chosen by the system for 0). Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE, family=socket.AF_UNSPEC
        )
        for family, _, _, _, address in dict.fromkeys(found):
            try:
                listener = socket.create_server((str(address[0]), port or self._port()), family=family, backlog=1024)
            except OSError as error:
                # "Every address" means those that this machine has: IPv6 may be compiled in and switched off.
                if host or error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                continue
            listener.setblocking(False)
            self._listeners.append(listener)
            self._accepting.add(asyncio.create_task(self._accept(listener), name="accept"))
        self._accepting.add(asyncio.create_task(self._expire_heads(), name="expire-heads"))
        if not self._listeners:
            raise OSError(errno.EADDRNOTAVAIL, "this machine has no address to listen on")
        return self._port()

    @property
    def connections(self) -> int:
        """Connections that are open, those in their handshake included."""
        return len(self._server.connections) + len(self._handshakes)

    def drain(self) -> None:
        """Say ``Connection: close`` on every answer from now on; go on accepting."""
        self._draining = True

    async def stop(self, grace: float) -> None:
        """Stop accepting, let requests finish for ``grace`` seconds, close."""
        self.drain()
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace
        while (self._handshakes or self._busy()) and loop.time() < deadline:
            await asyncio.sleep(0.02)
        # Idle connections first: aiohttp would wait for each as if it were busy.
        self._server.pre_shutdown()
        await self._server.shutdown(timeout=1.0)

    def _busy(self) -> bool:
        return any(
            connection.busy or connection.head_since is not None
            for connection in self._server.connections
            if isinstance(connection, Connection)
        )

    def _port(self) -> int:
        return int(self._listeners[0].getsockname()[1]) if self._listeners else 0

    async def _dispatch(self, request: web.BaseRequest) -> web.Response:
        connection = request.protocol
        if not isinstance(connection, Connection):
            raise TypeError("the server makes connections of its own class")
        connection.begin()
        try:
            response = await self._handler(request)
        finally:
            connection.end()
        response.headers["Server"] = "fleetgate"
        if self._draining:
            response.force_close()
        return response

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connected, _ = await loop.sock_accept(listener)
            except OSError as error:
                # Out of file descriptors or memory, or the peer is gone already. What is connected goes on.
                logger.warning("cannot accept a connection: %s", error)
                await asyncio.sleep(0.1)
                continue
            if self.connections >= self._limits.connections:
                self._refused()
                connected.close()
                continue
            task = asyncio.create_task(self._connect(connected), name="connect")
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _connect(self, connected: socket.socket) -> None:
        """Do the TLS handshake and hand the connection to aiohttp."""
        loop = asyncio.get_running_loop()
        try:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is None:
                await loop.connect_accepted_socket(self._server, connected)
            else:
                await loop.connect_accepted_socket(
                    self._server,
                    connected,
                    ssl=self._context(),
                    ssl_handshake_timeout=self._limits.handshake,
                    ssl_shutdown_timeout=1.0,
                )
        except (OSError, TimeoutError) as error:
            self._refused()
            logger.debug("handshake failed: %s", error)
            connected.close()

    async def _expire_heads(self) -> None:
        loop = asyncio.get_running_loop()
        interval = min(0.25, self._limits.head / 10)
        while True:
            await asyncio.sleep(interval)
            oldest = loop.time() - self._limits.head + interval
            for connection in self._server.connections:
                if not isinstance(connection, Connection) or connection.head_since is None:
                    continue
                if connection.head_since < oldest:
                    connection.expire()

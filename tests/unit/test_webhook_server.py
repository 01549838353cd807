"""The HTTP server's time-outs, made short."""

import asyncio
import time

from aiohttp import web
from fleetgate_clients.webhook.server import HttpServer, Limits

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def handler(_request: web.BaseRequest) -> web.Response:
    return web.Response(text="ok")


async def until_closed(reader: asyncio.StreamReader) -> tuple[bytes, float]:
    started = time.monotonic()
    async with asyncio.timeout(10):
        return await reader.read(), time.monotonic() - started


def test_an_idle_connection_is_closed_before_and_after_a_request() -> None:
    async def run() -> None:
        server = HttpServer(handler, limits=Limits(idle=0.5))
        port = await server.start("127.0.0.1", 0)
        for sent in (b"", REQUEST):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            received, took = await until_closed(reader)
            assert (b"200 OK" in received) is bool(sent)
            assert 0.3 < took < 1.6
            writer.close()
            await writer.wait_closed()
        await server.stop(1.0)

    asyncio.run(run())


def test_a_second_head_that_does_not_come_is_given_up() -> None:
    async def run() -> None:
        server = HttpServer(handler, limits=Limits(head=0.5))
        port = await server.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        assert b"200 OK" in await reader.readuntil(b"ok")
        writer.write(REQUEST[:-2])
        received, took = await until_closed(reader)
        assert received.startswith(b"HTTP/1.1 408 ")
        assert took < 0.6
        writer.close()
        await writer.wait_closed()
        await server.stop(1.0)

    asyncio.run(run())


def test_it_listens_on_every_address() -> None:
    async def run() -> None:
        server = HttpServer(handler)
        port = await server.start("", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        assert b"200 OK" in await reader.readuntil(b"ok")
        server.drain()
        writer.write(REQUEST)
        received, _ = await until_closed(reader)
        assert b"Connection: close" in received
        writer.close()
        await writer.wait_closed()
        await server.stop(1.0)

    asyncio.run(run())

"""Reading request bodies within bounds: size, time, and memory of all requests together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from aiohttp import StreamReader

from fleetgate_clients.webhook.prefix import PREFIX_BYTES

MAX_BODY_BYTES = 7 * 1024 * 1024
"""Gatekeeper's limit: two objects of 3 MiB, what an API server takes, and 1 MiB around them."""

BODY_SECONDS = 10.0

# A body that fits is small nearly always: small ones do not wait for large ones.
_SMALL_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Oversize:
    """A body beyond the limit: its first bytes, the rest was not kept."""

    prefix: bytes


async def read_body(content: StreamReader, length: int | None) -> bytearray | Oversize:
    """Read a body of ``length`` bytes (None: not announced).

    Raises TimeoutError after BODY_SECONDS, and aiohttp's payload and connection errors.
    """
    async with asyncio.timeout(BODY_SECONDS):
        if length is not None and length > MAX_BODY_BYTES:
            return Oversize(await _read_prefix(content))
        body = bytearray()
        while not content.at_eof():
            body += await content.readany()
            if len(body) > MAX_BODY_BYTES:
                return Oversize(bytes(body[:PREFIX_BYTES]))
        return body


async def _read_prefix(content: StreamReader) -> bytes:
    prefix = bytearray()
    while len(prefix) < PREFIX_BYTES and not content.at_eof():
        prefix += await content.readany()
    return bytes(prefix[:PREFIX_BYTES])


class BodyBudget:
    """Bytes of large bodies that may be in memory at once, granted in the order of asking."""

    def __init__(self, capacity: int) -> None:
        self._free = max(capacity, MAX_BODY_BYTES)
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def reserve(self, length: int | None, timeout: float) -> AsyncIterator[None]:
        """Hold room for a body; one of unknown or excessive length counts as the largest that is kept.

        Raises TimeoutError where no room becomes free in ``timeout`` seconds.
        """
        amount = MAX_BODY_BYTES if length is None else min(length, MAX_BODY_BYTES)
        if amount <= _SMALL_BYTES:
            yield
            return
        await self._acquire(amount, timeout)
        try:
            yield
        finally:
            self._release(amount)

    async def _acquire(self, amount: int, timeout: float) -> None:
        if not self._waiting and amount <= self._free:
            self._free -= amount
            return
        granted = asyncio.get_running_loop().create_future()
        self._waiting.append((amount, granted))
        try:
            async with asyncio.timeout(timeout):
                await granted
        except BaseException:
            if granted.done() and not granted.cancelled():
                self._release(amount)
            else:
                # Another release may have passed over it meanwhile.
                with suppress(ValueError):
                    self._waiting.remove((amount, granted))
                self._grant()
            raise

    def _release(self, amount: int) -> None:
        self._free += amount
        self._grant()

    def _grant(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            amount, granted = self._waiting.popleft()
            if granted.cancelled():
                continue
            self._free -= amount
            granted.set_result(None)

"""Reading request bodies within bounds: size, time, and memory of all requests together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from aiohttp import StreamReader

from fleetgate_clients.webhook.prefix import PREFIX_BYTES

MAX_BODY_BYTES = 7 * 1024 * 1024
"""Gatekeeper's limit: two objects of 3 MiB, what an API server takes, and 1 MiB around them."""

BODY_SECONDS = 10.0

# A body that fits is small nearly always: small ones do not wait for large ones.
_SMALL_BYTES = 64 * 1024


class NoRoom(Exception):  # noqa: N818 (it names the budget's state)
    """There is no room for a large body, and none became free in time."""


@dataclass(frozen=True, slots=True)
class Oversize:
    """A body beyond the limit: its first bytes, the rest was not kept."""

    prefix: bytes


async def read_body(content: StreamReader, length: int | None, room: Room) -> bytearray | Oversize:
    """Read a body of ``length`` bytes (None: not announced) into ``room``.

    Raises TimeoutError where the sender takes more than BODY_SECONDS, NoRoom, and aiohttp's payload and connection
    errors.
    """
    oversize = length is not None and length > MAX_BODY_BYTES
    loop = asyncio.get_running_loop()
    body = bytearray()
    left = BODY_SECONDS
    while not content.at_eof():
        began = loop.time()
        async with asyncio.timeout(left):
            body += await content.readany()
        # The time that we wait for room is not the sender's.
        left -= loop.time() - began
        oversize = oversize or len(body) > MAX_BODY_BYTES
        if oversize and len(body) >= PREFIX_BYTES:
            break
        await room.grow(len(body))
    return Oversize(bytes(body[:PREFIX_BYTES])) if oversize else body


class BodyBudget:
    """Bytes of large bodies that may be in memory at once.

    Room is taken for bytes that came, not for bytes that are announced: a slow sender holds what was sent. Bodies that
    are half read could then wait for each other for ever, each holding what the others need. Therefore the room of one
    whole body is kept back: where nothing else is left, the one that waits longest is read to its end in it.
    """

    def __init__(self, capacity: int) -> None:
        """``capacity`` is in bytes, and that of one body at least."""
        self._free = max(capacity - MAX_BODY_BYTES, 0)
        self._reserve: Room | None = None
        self._waiting: deque[_Waiter] = deque()

    @contextmanager
    def room(self, deadline: float) -> Iterator[Room]:
        """Room for one body until the block ends; it grows until ``deadline``, by the event loop's clock."""
        room = Room(self, deadline)
        try:
            yield room
        finally:
            self._free += room.held
            if self._reserve is room:
                self._reserve = None
            self._grant()

    async def take(self, room: Room, amount: int) -> None:
        """Enlarge a room, in the order of asking. Raises NoRoom."""
        if not self._waiting and amount <= self._free:
            self._free -= amount
            room.held += amount
            return
        waiter = _Waiter(room, amount, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._grant()
        try:
            async with asyncio.timeout_at(room.deadline):
                await waiter.granted
        except TimeoutError:
            raise NoRoom from None
        finally:
            if not waiter.granted.done() or waiter.granted.cancelled():
                # A grant may have passed over it meanwhile.
                with suppress(ValueError):
                    self._waiting.remove(waiter)
                self._grant()

    def holds_reserve(self, room: Room) -> bool:
        """Whether this room is the one that may grow without asking."""
        return self._reserve is room

    def _grant(self) -> None:
        while self._waiting:
            waiter = self._waiting[0]
            if not waiter.granted.cancelled():
                if waiter.amount <= self._free:
                    self._free -= waiter.amount
                    waiter.room.held += waiter.amount
                elif self._reserve is None:
                    self._reserve = waiter.room
                else:
                    return
                waiter.granted.set_result(None)
            self._waiting.popleft()


class Room:
    """The share of one body. ``held`` is what it takes from the budget; its first bytes are free of charge."""

    __slots__ = ("_budget", "deadline", "held")

    def __init__(self, budget: BodyBudget, deadline: float) -> None:
        self._budget = budget
        self.deadline = deadline
        self.held = 0

    async def grow(self, size: int) -> None:
        """Make room for ``size`` bytes in all. Raises NoRoom."""
        lacking = size - _SMALL_BYTES - self.held
        if lacking > 0 and not self._budget.holds_reserve(self):
            await self._budget.take(self, lacking)


@dataclass(eq=False, slots=True)
class _Waiter:
    room: Room
    amount: int
    granted: asyncio.Future[None]

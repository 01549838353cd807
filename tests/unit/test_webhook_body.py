"""Bounds of memory for request bodies."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest
from fleetgate_clients.webhook.body import MAX_BODY_BYTES, BodyBudget, NoRoom, Room

MIB = 1024 * 1024
CHUNK = 64 * 1024


def _deadline(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def _fill(room: Room, size: int) -> None:
    """Read a body, chunk by chunk."""
    for read in range(CHUNK, size + CHUNK, CHUNK):
        await room.grow(min(read, size))
        await asyncio.sleep(0)


def test_bodies_that_are_read_at_once_never_exceed_the_capacity_and_all_finish() -> None:
    """Far more than fits, in steps that interleave: half-read bodies must not wait for each other for ever."""
    capacity = 10 * MIB

    async def run() -> int:
        budget, held, most = BodyBudget(capacity), [0] * 40, 0

        async def use(number: int, size: int) -> None:
            nonlocal most
            with budget.room(_deadline(60.0)) as room:
                for read in range(CHUNK, size + CHUNK, CHUNK):
                    await room.grow(min(read, size))
                    # The first bytes of each body are free of charge.
                    held[number] = max(min(read, size) - CHUNK, 0)
                    most = max(most, sum(held))
                    await asyncio.sleep(0)
                held[number] = 0

        sizes = [random.Random(number).randrange(100_000, MAX_BODY_BYTES) for number in range(len(held))]
        await asyncio.gather(*(use(number, size) for number, size in enumerate(sizes)))
        return most

    most = asyncio.run(run())
    assert capacity // 2 < most <= capacity


def test_what_is_not_sent_takes_no_room() -> None:
    """Many slow senders of large bodies, each with little sent: a whole large body still goes through."""

    async def run() -> None:
        budget = BodyBudget(2 * MAX_BODY_BYTES)
        with budget.room(_deadline(60.0)) as one, budget.room(_deadline(60.0)) as two:
            for slow in (one, two):
                await slow.grow(CHUNK + 100_000)
            with budget.room(_deadline(1.0)) as room:
                await _fill(room, MAX_BODY_BYTES)

    asyncio.run(run())


def test_small_bodies_do_not_wait_for_large_ones_and_large_ones_no_longer_than_they_may() -> None:
    async def run() -> None:
        budget = BodyBudget(MAX_BODY_BYTES)
        with budget.room(_deadline(60.0)) as room:
            await _fill(room, MAX_BODY_BYTES)
            with budget.room(_deadline(0.01)) as small:
                await small.grow(CHUNK)
            with budget.room(_deadline(0.01)) as late, pytest.raises(NoRoom):
                await late.grow(CHUNK + 1)
        with budget.room(_deadline(0.01)) as room:
            await _fill(room, MAX_BODY_BYTES)

    asyncio.run(run())


def test_who_gives_up_leaves_no_hole() -> None:
    async def run() -> None:
        budget = BodyBudget(MAX_BODY_BYTES + MIB)

        async def hold(seconds: float, patience: float) -> None:
            with budget.room(_deadline(patience)) as room:
                await _fill(room, MAX_BODY_BYTES)
                await asyncio.sleep(seconds)

        for _ in range(50):
            tasks = [asyncio.create_task(hold(0.004, 1.0)) for _ in range(2)]
            late = asyncio.create_task(hold(0, 0.002))
            cancelled = asyncio.create_task(hold(0, 1.0))
            await asyncio.sleep(0.004)
            cancelled.cancel()
            for task in (*tasks, late, cancelled):
                with suppress(NoRoom, asyncio.CancelledError):
                    await task
        with budget.room(_deadline(0.01)) as one, budget.room(_deadline(0.01)) as two:
            await _fill(one, CHUNK + MIB)
            await _fill(two, MAX_BODY_BYTES)

    asyncio.run(run())

"""Bounds of memory for request bodies."""

import asyncio
from contextlib import suppress

import pytest
from fleetgate_clients.webhook.body import MAX_BODY_BYTES, BodyBudget

MIB = 1024 * 1024


def test_room_is_granted_in_order_and_never_twice() -> None:
    async def run() -> tuple[list[int], int]:
        budget = BodyBudget(10 * MIB)
        order: list[int] = []
        held = most = 0

        async def use(number: int, size: int) -> None:
            nonlocal held, most
            async with budget.reserve(size, 5.0):
                order.append(number)
                held += size
                most = max(most, held)
                await asyncio.sleep(0.002)
                held -= size

        sizes = [6 * MIB, 6 * MIB, 3 * MIB, 7 * MIB, 100_000, 2 * MIB, 5 * MIB]
        await asyncio.gather(*(use(number, size) for number, size in enumerate(sizes * 5)))
        return order, most

    order, most = asyncio.run(run())
    assert order == sorted(order)
    assert len(order) == 35
    assert most <= 10 * MIB


@pytest.mark.parametrize("length", [None, 64 * MIB, MAX_BODY_BYTES])
def test_unknown_and_excessive_lengths_count_as_the_largest(length: int | None) -> None:
    async def run() -> None:
        budget = BodyBudget(MAX_BODY_BYTES + MIB)
        async with budget.reserve(length, 1.0), budget.reserve(MIB, 1.0):
            with pytest.raises(TimeoutError):
                async with budget.reserve(MIB, 0.01):
                    pass
            # A small one does not wait for large ones.
            async with budget.reserve(1000, 0.01):
                pass

    asyncio.run(run())


def test_who_gives_up_leaves_no_hole() -> None:
    async def run() -> None:
        budget = BodyBudget(MAX_BODY_BYTES)

        async def hold(seconds: float, timeout: float) -> None:
            async with budget.reserve(None, timeout):
                await asyncio.sleep(seconds)

        for _ in range(50):
            first = asyncio.create_task(hold(0.004, 1.0))
            late = asyncio.create_task(hold(0, 0.002))
            cancelled = asyncio.create_task(hold(0, 1.0))
            await asyncio.sleep(0.004)
            cancelled.cancel()
            for task in (first, late, cancelled):
                with suppress(TimeoutError, asyncio.CancelledError):
                    await task
        async with budget.reserve(None, 0.01):
            pass

    asyncio.run(run())

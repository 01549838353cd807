"""Few threads for many parties: each gets its turns, one at a time, and none is held up by another for long."""

from __future__ import annotations

import itertools
import threading
import time

from fleetgate.policy.turns import Turns

from tests.support.scripted_feeds import eventually


def test_many_parties_share_few_threads() -> None:
    turns = Turns(3, "test")
    counts = [0] * 500
    threads: set[str] = set()

    def party(number: int) -> float:
        counts[number] += 1
        threads.add(threading.current_thread().name)
        return 0.01

    def of(number: int) -> float:
        return party(number)

    places = [turns.add(lambda number=number: of(number)) for number in range(len(counts))]  # type: ignore[misc]
    eventually(lambda: min(counts) >= 3)
    assert threads <= {f"test-{number}" for number in range(3)}
    for place in places:
        turns.remove(place)
    before = list(counts)
    time.sleep(0.05)
    assert counts == before, "who was removed gets no turn"
    turns.close()


def test_a_party_that_takes_long_holds_up_nobody_else_and_is_not_called_twice() -> None:
    turns = Turns(2, "test")
    gate, inside, most, quick = threading.Event(), 0, 0, 0

    def slow() -> float:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        gate.wait(10)
        inside -= 1
        return 0.0

    def fast() -> float:
        nonlocal quick
        quick += 1
        return 0.0

    place = turns.add(slow)
    turns.add(fast)
    eventually(lambda: quick > 100)
    removed = threading.Thread(target=turns.remove, args=(place,))
    removed.start()
    removed.join(0.05)
    assert removed.is_alive(), "a turn that is under way is waited for"
    gate.set()
    removed.join(10)
    assert (most, inside) == (1, 0)
    turns.close()


def test_who_is_due_later_waits_and_who_fails_is_called_again() -> None:
    turns = Turns(1, "test")
    called: list[float] = []

    def party() -> float:
        called.append(time.monotonic())
        return 0.1

    turns.add(party)
    eventually(lambda: len(called) >= 3)
    assert all(later - earlier >= 0.1 for earlier, later in itertools.pairwise(called))

    def bad() -> float:
        raise ValueError("no")

    turns.add(bad)
    count = len(called)
    eventually(lambda: len(called) > count)
    turns.close()

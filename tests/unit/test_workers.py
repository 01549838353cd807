"""The threads that answer reviews."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fleetgate.transport.workers import Task, Workers

from tests.support.processes import eventually

PATIENCE = 20.0


class _Gate:
    """Tasks that run until they are let go."""

    def __init__(self) -> None:
        self.running = 0
        self._lock = threading.Lock()
        self._open = threading.Event()

    def __call__(self) -> None:
        with self._lock:
            self.running += 1
        assert self._open.wait(PATIENCE)
        with self._lock:
            self.running -= 1

    def open(self) -> None:
        """Let all of them go."""
        self._open.set()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return request.node.name


def _threads(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(f"{name}-")]


def _run(workers: Workers, call: Any, *arguments: object) -> None:
    """Have a call made and wait for its end."""
    ended = threading.Event()
    workers.submit(call, *arguments).add_done_callback(lambda _: ended.set())
    assert ended.wait(PATIENCE)


def test_every_task_is_done_once_and_every_callback_is_called_once() -> None:
    """Many threads submit to few; the callbacks race with the ends of their tasks."""
    workers = Workers(4, "many")
    done: list[int] = []
    called: list[int] = []
    total = 20_000

    def submit(start: int) -> None:
        for number in range(start, total, 8):
            workers.submit(done.append, number).add_done_callback(lambda _, number=number: called.append(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(submit, range(8)))
    eventually(lambda: len(called) >= total, "all callbacks")
    assert sorted(done) == sorted(called) == list(range(total))
    assert len(_threads("many")) <= 4
    workers.shutdown()
    eventually(lambda: not _threads("many"), "the end of the threads")


def test_no_more_threads_than_allowed_and_the_rest_waits_in_order(name: str) -> None:
    workers, gate = Workers(3, name), _Gate()
    order: list[int] = []
    for _ in range(3):
        workers.submit(gate)
    eventually(lambda: gate.running == 3, "three tasks")
    for number in range(100):
        workers.submit(order.append, number)
    assert order == []
    assert len(_threads(name)) == 3
    gate.open()
    eventually(lambda: len(order) == 100, "the tasks that waited")
    # One of the three threads may be overtaken between taking a task and doing it.
    assert all(abs(number - place) <= 3 for place, number in enumerate(order))
    workers.shutdown()


def test_who_was_busy_last_is_busy_next(name: str) -> None:
    workers, gate = Workers(8, name), _Gate()
    for _ in range(8):
        workers.submit(gate)
    eventually(lambda: gate.running == 8, "eight threads")
    gate.open()
    eventually(lambda: gate.running == 0, "eight idle threads")
    seen: set[str] = set()
    for _ in range(200):
        _run(workers, lambda: seen.add(threading.current_thread().name))
    assert len(seen) <= 2, "one, or two where a thread was not yet idle when the next task came"
    workers.shutdown()


def test_threads_are_made_as_they_are_needed(name: str) -> None:
    workers = Workers(8, name)
    assert not _threads(name)
    _run(workers, lambda: None)
    assert len(_threads(name)) == 1
    workers.shutdown()


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_task_that_raises_costs_no_thread(
    name: str, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    workers = Workers(1, name)

    def fail() -> None:
        raise error("on purpose")

    with caplog.at_level(logging.ERROR):
        _run(workers, fail)
    assert "on purpose" in caplog.text
    _run(workers, lambda: None)
    workers.shutdown()


def test_a_callback_after_the_end_is_called_at_once() -> None:
    task = Task(lambda: None, ())
    task.run()
    called: list[Task] = []
    task.add_done_callback(called.append)
    assert called == [task]


def test_shutdown_ends_idle_and_busy_threads_and_drops_what_waits(name: str) -> None:
    workers, gate = Workers(2, name), _Gate()
    dropped: list[int] = []
    workers.submit(gate)
    eventually(lambda: gate.running == 1, "a task")
    _run(workers, lambda: None)
    workers.submit(gate)
    eventually(lambda: gate.running == 2, "two tasks")
    workers.submit(dropped.append, 1)
    workers.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        workers.submit(gate)
    gate.open()
    eventually(lambda: not _threads(name), "the end of the threads")
    assert dropped == []


def test_a_system_without_threads_to_give(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be started is made up for by the threads that are there; where there is none, the caller is told."""
    workers, gate = Workers(4, name), _Gate()
    start = threading.Thread.start

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError, match="can't start"):
        workers.submit(gate)
    monkeypatch.setattr(threading.Thread, "start", start)
    workers.submit(gate)
    eventually(lambda: gate.running == 1, "a task")
    monkeypatch.setattr(threading.Thread, "start", fail)
    late: list[int] = []
    workers.submit(late.append, 1)
    assert late == []
    gate.open()
    eventually(lambda: late == [1], "the task that waited")
    workers.shutdown()

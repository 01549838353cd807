"""The threads that answer reviews.

gRPC's server wants an executor. The standard library's wakes its idle threads in turn, and mostly a second one that
finds nothing to do: 3.5 wakings a task where this has 2, and each costs more than all of our own work on a call. Here a
task goes to the thread that was busy last: its stack and its allocator's memory are still warm.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

_LOGGER = logging.getLogger(__name__)


class Task:
    """A call that was handed over: as much of a Future as gRPC's server uses."""

    __slots__ = ("_arguments", "_call", "_callbacks", "_done")

    def __init__(self, call: Callable[..., object], arguments: tuple[object, ...]) -> None:
        self._call, self._arguments = call, arguments
        self._callbacks: list[Callable[[Task], object]] = []
        self._done = False

    def add_done_callback(self, callback: Callable[[Task], object]) -> None:
        """Call back when the call has ended, in the thread that ended it, or at once if it has."""
        self._callbacks.append(callback)
        if self._done:
            self._call_back()

    def run(self) -> None:
        """Make the call. What it raises is logged: nobody takes a result."""
        try:
            self._call(*self._arguments)
        except BaseException:
            _LOGGER.exception("a task failed")
        # Appending and popping are atomic: whoever pops a callback calls it, so each is called once.
        self._done = True
        self._call_back()

    def _call_back(self) -> None:
        while self._callbacks:
            try:
                callback = self._callbacks.pop()
            except IndexError:
                return
            callback(self)


class _Worker:
    """A thread: waits on ``wake`` for a ``task``; None ends it."""

    __slots__ = ("task", "wake")

    def __init__(self) -> None:
        self.task: Task | None = None
        self.wake = threading.Lock()
        self.wake.acquire()


class Workers:
    """At most ``size`` threads, started as they are needed. Tasks beyond that wait in their order."""

    def __init__(self, size: int, name: str) -> None:
        self._size, self._name = size, name
        self._lock = threading.Lock()
        self._started = 0
        self._closed = False
        self._idle: list[_Worker] = []
        self._waiting: deque[Task] = deque()

    def submit(self, call: Callable[..., object], *arguments: object) -> Task:
        """Have a thread make the call. Raises RuntimeError after shutdown, and where not one thread can be started."""
        task = Task(call, arguments)
        with self._lock:
            if self._closed:
                raise RuntimeError("the workers are shut down")
            if self._idle:
                worker = self._idle.pop()
                worker.task = task
                worker.wake.release()
            elif self._started == self._size or not self._start(task):
                self._waiting.append(task)
        return task

    def shutdown(self) -> None:
        """Take no more tasks and drop those that wait. Idle threads end now, busy ones after their task."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            for worker in self._idle:
                worker.wake.release()
            self._idle.clear()

    def _start(self, task: Task) -> bool:
        """Start a thread with a first task; False where the system has none to give and others are there to take it."""
        worker = _Worker()
        worker.task = task
        worker.wake.release()
        thread = threading.Thread(target=self._run, args=(worker,), name=f"{self._name}-{self._started}")
        try:
            thread.start()
        except RuntimeError:
            if not self._started:
                raise
            return False
        self._started += 1
        return True

    def _run(self, worker: _Worker) -> None:
        while True:
            worker.wake.acquire()
            task, worker.task = worker.task, None
            if task is None:
                return
            while task is not None:
                task.run()
                task = self._next(worker)

    def _next(self, worker: _Worker) -> Task | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if self._closed:
                worker.wake.release()
            else:
                self._idle.append(worker)
            return None

"""When requests are sent, and from when their latency counts."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterator

from fleetgate_clients.loadtest.plan import Plan
from fleetgate_clients.loadtest.tally import Outcome, Tally
from fleetgate_clients.loadtest.transport import RequestFailed, Transport

# Failure of a request that never found a slot among ``max_in_flight``.
NOT_SENT = "NOT_SENT"
_NANOS = 1_000_000_000


class Run:
    """One worker's run: the payloads in turn over one transport, counted into ``tally``.

    ``start`` is a time of ``time.monotonic_ns``, which the processes of one machine share.
    """

    def __init__(self, plan: Plan, transport: Transport, payloads: list[bytes], *, start: int) -> None:
        self.tally = Tally()
        self._plan = plan
        self._transport = transport
        self._payloads = payloads
        self._start = start
        self._measured_from = start + int(plan.warmup * _NANOS)
        # Workers begin at different recordings.
        self._next_payload = plan.worker * len(payloads) // plan.workers
        # Counted requests that callers of the closed loop have begun.
        self._begun = 0
        self._work: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Send nothing more and give up the answers that are still due."""
        self.tally.interrupted = True
        if self._work is not None:
            self._work.cancel()

    async def execute(self) -> Tally:
        """Run to the end of the schedule, wait for the last answers, and return the tally."""
        rate, concurrency = self._plan.rate, self._plan.concurrency
        self._work = asyncio.create_task(self._open_loop(rate) if rate else self._closed_loop(concurrency or 1))
        began, cpu = time.monotonic_ns(), time.process_time_ns()
        try:
            await self._work
        except asyncio.CancelledError:
            if not self.tally.interrupted:
                raise
        self.tally.busiest_worker = (time.process_time_ns() - cpu) / max(1, time.monotonic_ns() - began)
        self.tally.window_seconds = max(0, time.monotonic_ns() - self._measured_from) / _NANOS
        return self.tally

    async def _open_loop(self, rate: float) -> None:
        """Send request k at ``start + k / rate``, whatever became of the ones before it.

        A request that finds ``max_in_flight`` others unanswered waits for one of them, and its latency still counts
        from the time at which it was due. What has no slot ``timeout`` seconds after the last was due has failed.
        """
        slots = asyncio.Semaphore(self._plan.max_in_flight)
        dues = self._schedule(rate)
        due = next(dues, None)
        # When the last request that had to wait for a slot got one: those that were due before that waited behind it.
        free = self._start
        async with asyncio.TaskGroup() as requests:
            try:
                async with asyncio.timeout_at(self._loop_time(self._schedule_end(rate)) + self._plan.timeout):
                    while due is not None:
                        await self._sleep_until(due)
                        if slots.locked():
                            await slots.acquire()
                            free = time.monotonic_ns()
                        else:
                            await slots.acquire()
                        self._count_start(due, free)
                        requests.create_task(self._request(due)).add_done_callback(lambda _: slots.release())
                        due = next(dues, None)
            except TimeoutError:
                while due is not None:
                    self._count(due, Outcome(failures=Counter([NOT_SENT])))
                    due = next(dues, None)

    async def _closed_loop(self, concurrency: int) -> None:
        """Keep ``concurrency`` callers busy, each asking again once it is answered."""
        async with asyncio.TaskGroup() as callers:
            for _ in range(concurrency):
                callers.create_task(self._caller())

    async def _caller(self) -> None:
        await self._sleep_until(self._start)
        end = None if self._plan.duration is None else self._measured_from + int(self._plan.duration * _NANOS)
        while True:
            due = time.monotonic_ns()
            if end is not None and due >= end:
                return
            if self._plan.requests is not None and due >= self._measured_from:
                if self._begun >= self._plan.requests:
                    return
                self._begun += 1
            await self._request(due)

    async def _request(self, due: int) -> None:
        payload = self._payloads[self._next_payload]
        self._next_payload = (self._next_payload + 1) % len(self._payloads)
        try:
            answer = await self._transport.send(payload)
        except RequestFailed as failure:
            self._count(due, Outcome(failures=Counter([failure.code])))
        except asyncio.CancelledError:
            self.tally.abandoned += 1
            raise
        else:
            # The clock stops before the answer is read: that is the generator's work.
            answered = time.monotonic_ns()
            self._count(due, self._transport.read(answer), answered)

    def _count(self, due: int, outcome: Outcome, answered: int | None = None) -> None:
        if due >= self._measured_from:
            self.tally.add((answered or time.monotonic_ns()) - due, outcome)

    def _count_start(self, due: int, free: int) -> None:
        if due >= self._measured_from:
            self.tally.waited_for_slot += due < free
            self.tally.lateness.record(time.monotonic_ns() - max(due, free))

    def _schedule(self, rate: float) -> Iterator[int]:
        """Times at which this worker's requests are due: every ``workers``-th of the whole schedule."""
        for k in range(self._plan.worker, self._scheduled(rate), self._plan.workers):
            yield self._start + int(k * _NANOS / rate)

    def _scheduled(self, rate: float) -> int:
        if self._plan.requests is not None:
            return math.ceil(self._plan.warmup * rate) + self._plan.requests
        return math.ceil((self._plan.warmup + (self._plan.duration or 0)) * rate)

    def _schedule_end(self, rate: float) -> int:
        return self._start + int(self._scheduled(rate) * _NANOS / rate)

    @staticmethod
    async def _sleep_until(due: int) -> None:
        # Yields even when it is late, so that answers are read between two requests.
        await asyncio.sleep(max(0, due - time.monotonic_ns()) / _NANOS)

    @staticmethod
    def _loop_time(due: int) -> float:
        return asyncio.get_running_loop().time() + (due - time.monotonic_ns()) / _NANOS

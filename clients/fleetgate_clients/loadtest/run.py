"""The processes of a load test: started together, stopped together, their tallies merged."""

import multiprocessing
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess

from fleetgate_clients.loadtest import worker
from fleetgate_clients.loadtest.plan import Plan
from fleetgate_clients.loadtest.tally import Tally

# From the last worker's Ready to the first request: all of them have read the start time by then.
_HEAD_START_NANOS = 50_000_000


class LoadTestError(Exception):
    """The test could not be run; the message says why."""


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection


def run_load_test(plan: Plan, payloads: list[bytes], *, workers: int, on_start: Callable[[], None]) -> Tally:
    """Run a plan in ``workers`` processes and return their merged tally.

    ``on_start`` is called when all are connected. Ctrl-C ends the test early: the tally then holds what there is, and
    says so; a second one raises KeyboardInterrupt. Raises LoadTestError when a worker cannot connect or dies.
    """
    # A forked gRPC runtime does not work: workers start afresh.
    context = multiprocessing.get_context("spawn")
    started: list[_Worker] = []
    try:
        for index in range(workers):
            started.append(_start(context, plan.share(index, workers), payloads))
        for member in started:
            _expect_ready(member)
        start = time.monotonic_ns() + _HEAD_START_NANOS
        for member in started:
            member.pipe.send(start)
        on_start()
        return Tally.merged(_collect(started))
    finally:
        for member in started:
            member.pipe.close()
        for member in started:
            member.process.join(timeout=5)
            if member.process.is_alive():
                member.process.kill()


def _start(context: SpawnContext, plan: Plan, payloads: list[bytes]) -> _Worker:
    parent, child = context.Pipe()
    process = context.Process(target=worker.main, args=(child, plan, payloads), daemon=True)
    # A terminal sends Ctrl-C to every process of its group. Only this one decides what it means, so workers ignore it
    # from birth on.
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, previous)
    child.close()
    return _Worker(process, parent)


def _expect_ready(member: _Worker) -> None:
    message = _receive(member)
    if isinstance(message, worker.Failed):
        raise LoadTestError(message.message)


def _collect(members: list[_Worker]) -> list[Tally]:
    tallies: list[Tally] = []
    stopping = False
    while len(tallies) < len(members):
        try:
            tally = _receive(members[len(tallies)])
        except KeyboardInterrupt:
            if stopping:
                raise
            stopping = True
            for member in members[len(tallies) :]:
                member.pipe.send(worker.STOP)
            continue
        if not isinstance(tally, Tally):
            raise LoadTestError(f"a worker answered {tally!r} instead of a tally")
        tallies.append(tally)
    return tallies


def _receive(member: _Worker) -> object:
    try:
        return member.pipe.recv()
    except (EOFError, ConnectionResetError) as error:
        member.process.join(timeout=5)
        raise LoadTestError(f"a worker died with exit code {member.process.exitcode}; its error is above") from error

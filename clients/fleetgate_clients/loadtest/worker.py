"""One process of a load test.

Talks to its parent over a pipe: ``Ready`` or ``Failed`` up, a start time down, perhaps ``STOP`` down, ``Tally`` up.
"""

import asyncio
import gc
import selectors
from dataclasses import dataclass
from multiprocessing.connection import Connection

from fleetgate_clients.loadtest.pacing import Run
from fleetgate_clients.loadtest.plan import Plan
from fleetgate_clients.loadtest.transport import ConnectError, open_transport

STOP = "stop"


@dataclass(frozen=True)
class Ready:
    """Connected, waiting for the start time."""


@dataclass(frozen=True)
class Failed:
    """There will be no tally."""

    message: str


def main(pipe: Connection, plan: Plan, payloads: list[bytes]) -> None:
    """Entry point of the process."""
    gc.freeze()
    # epoll's time-outs are whole milliseconds, select's are microseconds: requests leave when they are due.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(_run(pipe, plan, payloads))


async def _run(pipe: Connection, plan: Plan, payloads: list[bytes]) -> None:
    try:
        transport = await open_transport(plan.endpoint, timeout=plan.timeout, connections=plan.max_in_flight)
    except (ConnectError, OSError) as error:
        pipe.send(Failed(str(error)))
        return
    try:
        pipe.send(Ready())
        start = pipe.recv()
        if start == STOP:
            return
        run = Run(plan, transport, payloads, start=start)
        # Whatever comes now, or the parent's end of the pipe closing, means stop.
        asyncio.get_running_loop().add_reader(pipe.fileno(), _stop, run, pipe)
        pipe.send(await run.execute())
    except (EOFError, BrokenPipeError):
        # The parent is gone: nobody is left to report to.
        return
    finally:
        await transport.close()


def _stop(run: Run, pipe: Connection) -> None:
    asyncio.get_running_loop().remove_reader(pipe.fileno())
    run.stop()

"""The open loop's accounting, against a real server that stalls."""

import asyncio
import selectors
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import pytest
from fleetgate_clients.loadtest.pacing import Run
from fleetgate_clients.loadtest.plan import Endpoint, Plan, Target
from fleetgate_clients.loadtest.tally import Tally
from fleetgate_clients.loadtest.transport import open_transport
from fleetgate_proto.v1 import review_pb2

from tests.support.scripted_review_server import ScriptedReviewServer, Stall, scripted_review_server

ALLOWED = review_pb2.ReviewResponse(allowed=True).SerializeToString()


@pytest.fixture
def stall() -> Stall:
    return Stall()


@pytest.fixture
def server(stall: Stall) -> Iterator[ScriptedReviewServer]:
    def review(request: bytes, context: object) -> bytes:
        stall.pass_by()
        return ALLOWED

    with scripted_review_server({"Review": review}) as running:
        yield running


def plan(server: ScriptedReviewServer, **changes: object) -> Plan:
    base = Plan(
        endpoint=Endpoint(Target.REVIEW, f"127.0.0.1:{server.port}", None),
        rate=100.0,
        concurrency=None,
        duration=2.0,
        requests=None,
        warmup=0.0,
        timeout=5.0,
        max_in_flight=1000,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def execute(
    what: Plan, *, during: Callable[[Run], Awaitable[None]] | None = None, before: Stall | None = None
) -> Tally:
    async def main() -> Tally:
        transport = await open_transport(what.endpoint, timeout=what.timeout, connections=what.max_in_flight)
        try:
            if before is not None:
                before.schedule(0.5, 1.0)
            run = Run(what, transport, [b""], start=time.monotonic_ns())
            if during is None:
                return await run.execute()
            tally, _ = await asyncio.gather(run.execute(), during(run))
            return tally
        finally:
            await transport.close()

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        return runner.run(main())


def test_a_stall_shows_in_every_request_that_it_delayed(server: ScriptedReviewServer, stall: Stall) -> None:
    tally = execute(plan(server), before=stall)
    # 200 requests were due and 100 of them during the stall of 1 s, evenly: a quarter of all waited over 0.5 s.
    assert tally.requests == 200
    assert tally.latency.seconds("p99") > 0.9
    assert 0.35 < tally.latency.seconds("p75") < 0.75
    assert tally.latency.seconds("p30") < 0.2
    assert tally.decisions == {"allow": 200}


def test_callers_that_wait_do_not_see_it_which_is_why_there_is_an_open_loop(
    server: ScriptedReviewServer, stall: Stall
) -> None:
    tally = execute(plan(server, rate=None, concurrency=1), before=stall)
    assert tally.latency.seconds("max") > 0.9
    assert tally.latency.seconds("p99") < 0.2


def test_waiting_for_a_slot_counts_as_latency_and_not_as_the_generators_delay(
    server: ScriptedReviewServer, stall: Stall
) -> None:
    tally = execute(plan(server, max_in_flight=5), before=stall)
    assert tally.requests == 200
    assert tally.waited_for_slot > 50
    assert tally.latency.seconds("p99") > 0.9
    assert 0.35 < tally.latency.seconds("p75") < 0.8
    assert tally.lateness.seconds("p90") < 0.3


def test_a_generator_that_is_late_says_so_and_its_delay_is_in_the_latency(server: ScriptedReviewServer) -> None:
    async def hog(run: Run) -> None:
        await asyncio.sleep(0.5)
        time.sleep(0.5)

    tally = execute(plan(server), during=hog)
    assert tally.requests == 200
    assert tally.lateness.seconds("max") > 0.4
    assert tally.latency.seconds("p99") > 0.4


def test_every_request_that_was_due_is_counted_even_if_it_could_not_be_sent() -> None:
    release = threading.Event()

    def never(request: bytes, context: object) -> bytes:
        release.wait()
        return ALLOWED

    with scripted_review_server({"Review": never}) as server:
        try:
            tally = execute(plan(server, duration=0.5, timeout=0.3, max_in_flight=1))
        finally:
            release.set()
    assert tally.requests == tally.failed_requests == 50
    assert tally.failures["DEADLINE_EXCEEDED"] >= 1
    assert tally.failures["NOT_SENT"] >= 40
    assert tally.failures.total() == 50
    assert tally.latency.count == 50
    assert not tally.decisions


def test_requests_of_the_warm_up_are_sent_and_not_counted(server: ScriptedReviewServer) -> None:
    tally = execute(plan(server, warmup=0.5, duration=None, requests=30))
    assert tally.requests == 30
    assert server.calls == 80
    assert 0.25 < tally.window_seconds < 1.0


def test_workers_share_one_schedule(server: ScriptedReviewServer) -> None:
    whole = plan(server, duration=0.5)
    tallies = [execute(whole.share(worker, 3)) for worker in range(3)]
    assert [tally.requests for tally in tallies] == [17, 17, 16]


def test_a_closed_loop_sends_exactly_what_was_asked(server: ScriptedReviewServer) -> None:
    tally = execute(plan(server, rate=None, concurrency=4, duration=None, requests=41))
    assert tally.requests == server.calls == 41


def test_stopping_keeps_what_there_is_and_counts_what_was_given_up(server: ScriptedReviewServer, stall: Stall) -> None:
    async def interrupt(run: Run) -> None:
        await asyncio.sleep(0.8)
        run.stop()

    tally = execute(plan(server), before=stall, during=interrupt)
    assert tally.interrupted
    # 50 were answered in the half second before the stall; 30 were then waiting for an answer.
    assert 40 <= tally.requests <= 55
    assert 20 <= tally.abandoned <= 35
    assert tally.window_seconds < 1.5


def test_an_answer_that_does_not_decode_is_a_failure() -> None:
    with scripted_review_server({"Review": lambda _request, _context: b"\xff\xff"}) as server:
        tally = execute(plan(server, duration=0.1))
    assert tally.failures == {"not a response": 10}

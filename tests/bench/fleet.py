"""The service while its clusters change: how old decisions' views are, and what events cost the callers.

50 clusters come from a generator of list and watch (`tests/listwatch`), all policies of `policies/` are loaded, and
reviews of Pods, Ingresses and Services arrive at half the rate that saturates the service without events. Runs with and
without events take turns; figures are medians. Callers have a core that they share with the service, which may use all;
the generator preempts nobody: API servers run elsewhere.

How old a view is, is seen from outside: the generator writes into each object when it made it, and a question for a
cluster's Ingresses gives the newest of these that arrived.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.agents import idle_agents
from tests.bench.fleet_callers import TRUST_DOMAIN, Callers, Sample, serving
from tests.bench.fleet_load import KINDS, write_policies, write_recordings
from tests.bench.process import give_way, leave_a_core
from tests.support.listwatch import list_watch

CLUSTERS = 50
EVENTS_PER_SECOND = 1_000
FLOOD_PER_SECOND = 5_000
RELIST_SECONDS = 1.0
AGENTS = 200
CALLERS = 16

LOWEST_RATE = 500.0
AGE_BAR_SECONDS = 1.0
LATENCY_BAR_RATIO = 1.5
EVENTS_SHARE = 0.98
AGENTS_BAR_RATIO = 1.1


@dataclass(frozen=True)
class Pair:
    """Medians of runs without and with something going on."""

    quiet: Sample
    busy: Sample
    rounds: list[tuple[Sample, Sample]] = field(repr=False, default_factory=list)

    @property
    def ratio(self) -> float:
        """p99 with it over p99 without."""
        return self.busy.p99 / self.quiet.p99

    @property
    def kept(self) -> bool:
        """Whether callers, and views as an outsider sees them, stay within the bars."""
        answered = self.quiet.unanswered == self.busy.unanswered == 0
        return answered and self.ratio <= LATENCY_BAR_RATIO and self.busy.seen_age_p99 <= AGE_BAR_SECONDS


@dataclass(frozen=True)
class FleetReport:
    """All figures."""

    clusters: int
    saturation: float
    rate: float
    events: Pair
    flood: Pair
    lists: int
    """Lists of the flooding cluster while it flooded."""
    agents: Pair

    @property
    def agents_ratio(self) -> float:
        """p50 with idle agents over p50 without."""
        return self.agents.busy.p50 / self.agents.quiet.p50

    @property
    def bar_kept(self) -> bool:
        """Whether all bars are kept."""
        return (
            self.rate >= LOWEST_RATE
            # The generator works when nobody else does: what it did not get round to was no load.
            and self.events.busy.events >= EVENTS_SHARE * EVENTS_PER_SECOND
            and self.flood.busy.events >= EVENTS_SHARE * FLOOD_PER_SECOND
            and self.events.kept
            and self.events.busy.read_age_p99 <= AGE_BAR_SECONDS
            # The answers' own age is that of the whole cluster set, the flooding cluster included.
            and self.flood.kept
            and self.agents_ratio <= AGENTS_BAR_RATIO
        )

    def document(self) -> dict[str, Any]:
        """The report for JSON."""
        return {**asdict(self), "barKept": self.bar_kept}


def measure(scratch: Path, *, rounds: int) -> FleetReport:
    """Run everything; RuntimeError where a part does not start or a review fails."""
    leave_a_core()
    policies = write_policies(scratch / "policies")
    recordings = write_recordings(scratch)
    names = [f"c{number:02}" for number in range(CLUSTERS)]
    with list_watch(scratch / "fleet", names, KINDS) as generator, serving(scratch, policies, generator) as service:
        give_way(generator.pid)
        service.wait_synced(len(names))
        service.wait_audited()
        service.wait_calm()
        callers = Callers(service, recordings)
        callers.run(concurrency=CALLERS, seconds=3)
        saturation = statistics.median(callers.run(concurrency=CALLERS, seconds=5).rate for _ in range(3))
        rate = saturation / 2

        def quiet() -> Sample:
            generator.rate(0)
            # What was flooded is SYNCED again a while later, and until then decisions say that it is not.
            service.wait_synced(len(names))
            service.wait_calm()
            return callers.run(rate=rate)

        def changing() -> Sample:
            generator.rate(EVENTS_PER_SECOND / CLUSTERS)
            return callers.run(rate=rate, watched=names, generator=generator)

        events = _pair(quiet, changing, rounds)
        generator.rate(0)
        before = sum(generator.done()[names[-1]].lists.values())

        def flooded() -> Sample:
            generator.rate(EVENTS_PER_SECOND / CLUSTERS, *names[:-1])
            generator.rate(FLOOD_PER_SECOND, names[-1])
            generator.expire_every(RELIST_SECONDS, names[-1])
            try:
                return callers.run(rate=rate, watched=names[:-1], generator=generator)
            finally:
                generator.expire_every(0, names[-1])

        flood = _pair(quiet, flooded, rounds)
        generator.rate(0)
        lists = sum(generator.done()[names[-1]].lists.values()) - before

    return FleetReport(len(names), saturation, rate, events, flood, lists, _measure_agents(scratch, recordings, rounds))


def _measure_agents(scratch: Path, recordings: Path, rounds: int) -> Pair:
    """Without policies of the fleet: what is measured is the streams, not more clusters to read."""
    policies = write_policies(scratch / "own-policies", fleet=False)
    with serving(scratch, policies) as service:
        callers = Callers(service, recordings)

        def with_agents() -> Sample:
            with idle_agents(scratch, service.feed, service.authority, AGENTS, TRUST_DOMAIN):
                return callers.run(rate=LOWEST_RATE)

        return _pair(lambda: callers.run(rate=LOWEST_RATE), with_agents, rounds)


def _pair(quiet: Callable[[], Sample], busy: Callable[[], Sample], rounds: int) -> Pair:
    """Alternate, each round beginning with the other one."""
    taken: list[tuple[Sample, Sample]] = []
    for turn in range(rounds):
        if turn % 2:
            second = busy()
            taken.append((quiet(), second))
        else:
            first = quiet()
            taken.append((first, busy()))
    return Pair(_median([one for one, _ in taken]), _median([one for _, one in taken]), taken)


def _median(samples: Sequence[Sample]) -> Sample:
    names = Sample.__dataclass_fields__
    return Sample(**{name: statistics.median(getattr(one, name) for one in samples) for name in names})

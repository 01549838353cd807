"""One world through both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tests.differential import fleetgate_side, gatekeeper
from tests.differential.answers import Answers, Difference, ReviewAnswer, differences, differences_of_worlds
from tests.differential.deviations import is_refused_on_purpose
from tests.differential.oracle import Oracle
from tests.differential.world import Review, World


class Comparison(NamedTuple):
    """Both answers, what differs in loading, and what differs in each review."""

    theirs: Answers
    ours: Answers
    loading: list[Difference]
    reviews: list[list[Difference]]

    @property
    def classes(self) -> set[tuple[str, str]]:
        """The classes of all differences."""
        return {(one.about, one.what) for listed in (self.loading, *self.reviews) for one in listed}


def compare(oracle: Oracle, world: World, reviews: Sequence[Review]) -> Comparison:
    """Ask both sides at once and compare.

    What one side refused to load differs already: its results are left out of the reviews, so that one refusal is not
    counted with every review.
    """
    oracle.send(gatekeeper.question(world, reviews))
    try:
        ours = fleetgate_side.answers(world, reviews)
    finally:
        reply = oracle.receive()
    theirs = gatekeeper.answers(reply)
    never_enforced = {name for name, reason in theirs.refused_constraints.items() if is_refused_on_purpose(reason)}
    if never_enforced and any(answer.error for answer in ours.reviews):
        # An error is that of the whole review, so one of a Constraint that only we took would hide all the others.
        kept = tuple(item for item in world.constraints if fleetgate_side.title(item) not in never_enforced)
        ours = fleetgate_side.answers(replace(world, constraints=kept), reviews)
    loading = differences_of_worlds(theirs, ours)
    absent = theirs.refused_constraints.keys() ^ ours.refused_constraints.keys()
    pairs = zip(theirs.reviews, ours.reviews, strict=True)
    return Comparison(theirs, ours, loading, [differences(_without(t, absent), _without(o, absent)) for t, o in pairs])


def _without(answer: ReviewAnswer, absent: set[str]) -> ReviewAnswer:
    if not absent:
        return answer
    kept = tuple(one for one in answer.violations if f"{one.kind}/{one.name}" not in absent)
    return ReviewAnswer(kept, answer.error, answer.undecodable)

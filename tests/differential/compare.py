"""One world through both sides."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from tests.differential import fleetgate_side, gatekeeper
from tests.differential.answers import (
    Answers,
    Difference,
    ReviewAnswer,
    Violation,
    differences,
    differences_of_worlds,
)
from tests.differential.deviations import is_refused_on_purpose
from tests.differential.oracle import Oracle
from tests.differential.world import Json, Review, World, kind_defined_by


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
    listed = [differences(_without(t, absent), _without(o, absent)) for t, o in pairs]
    return Comparison(theirs, ours, loading, _without_chance(oracle, world, reviews, ours, listed))


def _without_chance(
    oracle: Oracle, world: World, reviews: Sequence[Review], ours: Answers, listed: list[list[Difference]]
) -> list[list[Difference]]:
    """Leave out differences of messages that are none when each Constraint is asked alone.

    Gatekeeper evaluates the Constraints of a kind in one query, in the order of a Go map. What one of them looked at in
    the inventory, OPA holds ready for the next as a value of its own, whose numbers `json.marshal` prints otherwise.
    """
    what = {"message differs", "details differs"}
    kinds = {one.about for found in listed for one in found if one.what in what}
    templates = [item for item in world.templates if kind_defined_by(item) in kinds and _marshals_inventory(item)]
    asked = [index for index, found in enumerate(listed) if any(one.what in what for one in found)]
    if not templates or not asked:
        return listed
    alone: dict[int, Counter[Violation]] = {index: Counter() for index in asked}
    for template in templates:
        for constraint in (item for item in world.constraints if item.get("kind") == kind_defined_by(template)):
            one = World((template,), (constraint,), world.inventory)
            told = gatekeeper.answers(oracle.ask(gatekeeper.question(one, [reviews[index] for index in asked])))
            for index, answer in zip(asked, told.reviews, strict=True):
                alone[index].update(answer.violations)
    of_kinds = {kind_defined_by(template) for template in templates}
    kept = list(listed)
    for index in asked:
        mine = Counter(one for one in ours.reviews[index].violations if one.kind in of_kinds)
        if alone[index] == mine:
            kept[index] = [one for one in listed[index] if one.about not in of_kinds]
    return kept


def _marshals_inventory(template: Json) -> bool:
    text = json.dumps(template)
    return "data.inventory" in text and ("json.marshal" in text or "yaml.marshal" in text)


def _without(answer: ReviewAnswer, absent: set[str]) -> ReviewAnswer:
    if not absent:
        return answer
    kept = tuple(one for one in answer.violations if f"{one.kind}/{one.name}" not in absent)
    return ReviewAnswer(kept, answer.error, answer.undecodable)

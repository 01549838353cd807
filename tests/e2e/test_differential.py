"""Decisions beside Gatekeeper's own: random reviews and match blocks from fixed seeds. ``make fuzz`` does more of them.

What still differs is listed by class in ``tests/data/differential/known.txt``. The list only becomes shorter: a class
that is not found any more fails its test until it is taken out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.differential import fleetgate_side, gatekeeper, library
from tests.differential.answers import differences
from tests.differential.fuzz import Tally, case_file, read_case, run, worlds_of
from tests.differential.generate import Generator
from tests.differential.matcher import compare_matches
from tests.differential.oracle import Oracle, programs
from tests.differential.rows import rows
from tests.support.conformance import need_library

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

KNOWN = Path(__file__).parents[1] / "data" / "differential" / "known.txt"
MATCH = "match"
"""What the list calls the differences of match blocks alone."""
SEED = 20261124
REVIEWS = 20_000
PAIRS = 10_000


@pytest.fixture(scope="module")
def program() -> Path:
    need_library()
    return programs("gatekeeper") / "gatekeeper"


@pytest.fixture(scope="module")
def oracle(program: Path) -> Iterator[Oracle]:
    with Oracle(program) as running:
        yield running


def known() -> set[tuple[str, str]]:
    """Return the classes of differences that are known."""
    lines = (line for line in KNOWN.read_text().splitlines() if line and not line.startswith("#"))
    return {(about, what) for about, _, what in (line.partition(": ") for line in lines)}


def test_random_reviews(program: Path) -> None:
    total = Tally()
    for tally in run(SEED, worlds_of(REVIEWS), program):
        total.add(tally)
    assert total.reviews >= REVIEWS
    assert total.violations > REVIEWS, "reviews that violate nothing prove nothing"
    expected = {one for one in known() if one[0] != MATCH}
    new = [f"{about}: {what}: {total.examples[about, what][1]}" for about, what in total.classes.keys() - expected]
    assert not new, "differs from Gatekeeper:\n" + "\n".join(sorted(new))
    agreeing = [f"{about}: {what}" for about, what in expected - total.classes.keys()]
    assert not agreeing, f"agrees now, take it out of {KNOWN.name}:\n" + "\n".join(sorted(agreeing))


def test_random_match_blocks(oracle: Oracle) -> None:
    tally = compare_matches(oracle, SEED, PAIRS)
    assert tally.pairs >= PAIRS
    assert {"matches", "does not", "error"} <= tally.outcomes.keys()
    found = {difference["what"]: difference for difference in tally.differences}
    assert found.keys() == {what for about, what in known() if about == MATCH}, found


def test_the_same_seed_gives_the_same_world() -> None:
    need_library()
    policies = library.library(), library.ours()
    first, second, other = (Generator(seed, *policies).world(7) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_a_policy_that_says_something_else_is_found(oracle: Oracle) -> None:
    row = next(row for row in rows() if row.name == "evaluation/a constant message")
    theirs = gatekeeper.answers(oracle.ask(gatekeeper.question(row.world, [row.review])))
    changed = json.loads(json.dumps(row.world.templates[0]).replace("hello", "hallo"))
    ours = fleetgate_side.answers(replace(row.world, templates=(changed,)), [row.review])
    found = differences(theirs.reviews[0], ours.reviews[0])
    assert [(one.about, one.what) for one in found] == [("Row", "message differs")]


def test_a_case_is_written_and_read_again(oracle: Oracle, tmp_path: Path) -> None:
    generator = Generator(SEED, library.library(), library.ours())
    world, reviews = generator.world(3)
    path = tmp_path / "case.json"
    path.write_text(json.dumps(case_file(oracle, SEED, 3, (world, reviews[0]))))
    assert read_case(path) == (world, reviews[0])

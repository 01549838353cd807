"""Decisions beside Gatekeeper's own: random reviews and match blocks from fixed seeds. ``make fuzz`` does more of them.

What still differs is listed by class in ``tests/data/differential``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.differential import fleetgate_side, gatekeeper, known, library
from tests.differential.answers import differences
from tests.differential.fuzz import case_file, read_case
from tests.differential.generate import Generator
from tests.differential.oracle import Oracle, programs
from tests.differential.rows import rows
from tests.support.conformance import need_library

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def program() -> Path:
    need_library()
    return programs("gatekeeper") / "gatekeeper"


@pytest.fixture(scope="module")
def oracle(program: Path) -> Iterator[Oracle]:
    with Oracle(program) as running:
        yield running


def test_random_reviews(program: Path) -> None:
    tally, found = known.reviews(program)
    assert tally.reviews >= known.REVIEWS
    assert tally.violations > known.REVIEWS, "reviews that violate nothing prove nothing"
    assert not known.unlike(known.REVIEWS_LIST, found)


def test_random_match_blocks(oracle: Oracle) -> None:
    tally, found = known.matches(oracle)
    assert tally.pairs >= known.PAIRS
    assert {"matches", "does not", "error"} <= tally.outcomes.keys()
    assert not known.unlike(known.MATCHES_LIST, found)


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
    generator = Generator(known.SEED, library.library(), library.ours())
    world, reviews = generator.world(3)
    path = tmp_path / "case.json"
    path.write_text(json.dumps(case_file(oracle, known.SEED, 3, (world, reviews[0]))))
    assert read_case(path) == (world, reviews[0])

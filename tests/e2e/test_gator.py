"""``fleetgate test`` and ``fleetgate verify`` beside gator itself, native validation off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential import library
from tests.differential.gator import FLEETGATE, REGO_ONLY, compare_test, verified
from tests.differential.generate import Generator
from tests.differential.oracle import programs
from tests.support.conformance import need_library

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

DATA = Path(__file__).parents[1] / "data"
BROKEN = DATA / "gator" / "broken"
KNOWN = DATA / "differential" / "known-gator.txt"
SUITES = sorted(path.name for path in BROKEN.iterdir() if path.name[0].isdigit())
SEED = 20261124
OBJECTS = 5_000


@pytest.fixture(scope="module")
def gator() -> Path:
    return programs("gator") / "gator"


def known(verb: str) -> set[str]:
    """Return what still differs for a verb. The list only becomes shorter: one that agrees fails its test."""
    return {line.removeprefix(verb) for line in KNOWN.read_text().splitlines() if line.startswith(verb)}


def test_results_of_test_are_gators(gator: Path, tmp_path: Path) -> None:
    need_library()
    policies = library.library()
    generator = Generator(SEED, policies, [])
    tally = compare_test(gator, generator, policies, tmp_path, seed=SEED, objects=OBJECTS)
    assert tally.objects >= OBJECTS
    assert tally.results > OBJECTS, "objects that violate nothing prove nothing"
    found = {f"{kind}: refused" for kind in tally.refused} | {f"{kind}: differs" for kind in tally.differences}
    expected = known("test: ")
    new = {
        name: tally.examples.get(name.partition(":")[0], tally.refused.get(name.partition(":")[0]))
        for name in found - expected
    }
    assert not new
    assert found == expected, f"agrees now, take it out of {KNOWN.name}: {expected - found}"


@pytest.mark.parametrize("suite", SUITES)
def test_verify_of_a_broken_suite(gator: Path, suite: str) -> None:
    theirs = verified(gator, BROKEN / suite, REGO_ONLY)
    assert theirs.code == 1
    ours = verified(FLEETGATE, BROKEN / suite)
    assert ours.code == theirs.code
    assert (ours != theirs) == (suite in known("verify: ")), (ours, theirs)


def test_there_are_twenty_broken_suites() -> None:
    assert len(SUITES) >= 20

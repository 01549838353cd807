"""``fleetgate test`` and ``fleetgate verify`` beside gator itself, native validation off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.differential import known
from tests.differential.oracle import programs
from tests.support.conformance import need_library

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def gator() -> Path:
    return programs("gator") / "gator"


def test_results_of_test_are_gators(gator: Path, tmp_path: Path) -> None:
    need_library()
    tally, found = known.gator_test(gator, tmp_path)
    assert tally.objects >= known.OBJECTS
    assert tally.results > known.OBJECTS, "objects that violate nothing prove nothing"
    assert not known.unlike(known.TEST_LIST, found)


@pytest.mark.parametrize("suite", known.broken_suites())
def test_verify_of_a_broken_suite(gator: Path, suite: str) -> None:
    difference = known.gator_verify(gator, suite)
    assert bool(difference) == (suite in known.listed(known.VERIFY_LIST)), difference


def test_there_are_twenty_broken_suites() -> None:
    assert len(known.broken_suites()) >= 20

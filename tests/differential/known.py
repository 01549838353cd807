"""The fixed runs of ``make e2e``, and the lists of what still differs in them.

A list only becomes shorter: what is not listed fails the test, and so does what is listed and agrees.
``python -m tests.differential known`` writes the lists anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.differential import library
from tests.differential.fuzz import Tally, run, worlds_of
from tests.differential.gator import FLEETGATE, REGO_ONLY, GatorTally, compare_test, verified
from tests.differential.generate import Generator
from tests.differential.matcher import MatchTally, compare_matches
from tests.differential.oracle import Oracle

SEED = 20261124
REVIEWS = 20_000
PAIRS = 10_000
OBJECTS = 5_000

_DATA = Path(__file__).parents[1] / "data"
BROKEN = _DATA / "gator" / "broken"
DIRECTORY = _DATA / "differential"
REVIEWS_LIST = DIRECTORY / "known-reviews.txt"
MATCHES_LIST = DIRECTORY / "known-matches.txt"
TEST_LIST = DIRECTORY / "known-gator-test.txt"
VERIFY_LIST = DIRECTORY / "known-gator-verify.txt"


def listed(path: Path) -> set[str]:
    """Return the entries of a list."""
    return {line for line in path.read_text().splitlines() if line and not line.startswith("#")}


def write(path: Path, names: Iterable[str]) -> None:
    """Replace a list, keeping the comment at its head."""
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    path.write_text("".join(f"{line}\n" for line in [*head, *sorted(names)]))


def unlike(path: Path, found: Mapping[str, str]) -> str:
    """Say how what was found, with an example of each, is not what a list says; nothing where it is."""
    expected = listed(path)
    new = [f"new: {name}: {found[name]}" for name in sorted(found.keys() - expected)]
    gone = [f"agrees now, take it out of {path.name}: {name}" for name in sorted(expected - found.keys())]
    return "\n".join(new + gone)


def reviews(program: Path) -> tuple[Tally, dict[str, str]]:
    """Compare the reviews of the fixed seed."""
    total = Tally()
    for tally in run(SEED, worlds_of(REVIEWS), program):
        total.add(tally)
    return total, {f"{about}: {what}": total.examples[about, what][1] for about, what in total.classes}


def matches(oracle: Oracle) -> tuple[MatchTally, dict[str, str]]:
    """Compare the match blocks of the fixed seed."""
    tally = compare_matches(oracle, SEED, PAIRS)
    return tally, {one["what"]: str(one) for one in tally.differences}


def gator_test(gator: Path, directory: Path) -> tuple[GatorTally, dict[str, str]]:
    """Compare ``test -o json`` on the objects of the fixed seed."""
    policies = library.library()
    tally = compare_test(gator, Generator(SEED, policies, []), policies, directory, seed=SEED, objects=OBJECTS)
    found = {f"{kind}: refused": reason for kind, reason in tally.refused.items()}
    return tally, found | {f"{about}: differs": example for about, example in tally.examples.items()}


def broken_suites() -> list[str]:
    """Return the names of the Suites that are broken on purpose."""
    return sorted(path.name for path in BROKEN.iterdir() if path.name[0].isdigit())


def gator_verify(gator: Path, suite: str) -> str:
    """Say how ``verify`` counts a broken Suite otherwise than gator; nothing where it does not. Raises where the exit
    codes differ: those may never."""
    theirs, ours = verified(gator, BROKEN / suite, REGO_ONLY), verified(FLEETGATE, BROKEN / suite)
    assert theirs.code == 1
    assert ours.code == theirs.code
    return "" if ours == theirs else f"gator {theirs}, here {ours}"

"""``python -m tests.differential``: fuzz, show a case that fuzzing wrote, or record Gatekeeper's answers."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.differential import golden, known
from tests.differential.answers import Difference
from tests.differential.compare import compare
from tests.differential.fuzz import fuzz, read_case, worlds_of
from tests.differential.generate import TEMPLATES_PER_WORLD, Generator, TemplateGenerator
from tests.differential.matcher import compare_matches
from tests.differential.oracle import Oracle, programs


def main() -> int:
    """Return 1 where something differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    many = verbs.add_parser("reviews", help="compare random reviews")
    many.add_argument("--reviews", type=int, default=1_000_000)
    many.add_argument("--first-world", type=int, default=0, help="go on where another run ended")
    many.set_defaults(run=_reviews)
    changed = verbs.add_parser("templates", help="compare templates whose Rego is changed at random")
    changed.add_argument("--templates", type=int, default=20_000)
    changed.add_argument("--first-world", type=int, default=0, help="go on where another run ended")
    changed.set_defaults(run=_templates)
    pairs = verbs.add_parser("matches", help="compare random match blocks on random subjects")
    pairs.add_argument("--pairs", type=int, default=50_000)
    for verb in (many, changed):
        verb.add_argument("--processes", type=int, default=0, help="as many as processors by default")
        verb.add_argument("--cases", type=Path, default=Path("build/fuzz"), help="where cases that differ are written")
        verb.add_argument("--report", type=Path, help="write the figures as JSON")
        verb.add_argument("--no-minimise", action="store_true")
    for verb in (many, changed, pairs):
        verb.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    pairs.set_defaults(run=_matches)
    one = verbs.add_parser("case", help="compare one case again")
    one.add_argument("file", type=Path)
    one.set_defaults(run=_case)
    again = verbs.add_parser("golden", help="record Gatekeeper's answers as data")
    again.set_defaults(run=_golden)
    listed = verbs.add_parser("differences", help="write the list of recorded answers that are not ours yet")
    listed.set_defaults(run=_differences)
    lists = verbs.add_parser("known", help="write the lists of what still differs in the fixed runs of make e2e")
    lists.set_defaults(run=_known)
    options = parser.parse_args()
    result: int = options.run(options)
    return result


def _reviews(options: argparse.Namespace) -> int:
    return _fuzz(options, Generator, worlds_of(options.reviews, options.first_world))


def _templates(options: argparse.Namespace) -> int:
    count = -(-options.templates // TEMPLATES_PER_WORLD)
    return _fuzz(options, TemplateGenerator, range(options.first_world, options.first_world + count))


def _fuzz(options: argparse.Namespace, kind: type[Generator | TemplateGenerator], worlds: range) -> int:
    tally = fuzz(
        options.seed,
        worlds,
        programs("gatekeeper") / "gatekeeper",
        options.cases,
        kind=kind,
        processes=options.processes,
        minimise=not options.no_minimise,
    )
    for (about, what), count in tally.classes.most_common():
        print(f"{count:8} {about}: {what}")
    if options.report:
        options.report.write_text(json.dumps({"seed": options.seed, **tally.to_json()}, indent=1) + "\n")
    return 1 if tally.classes else 0


def _matches(options: argparse.Namespace) -> int:
    with Oracle(programs("gatekeeper") / "gatekeeper") as oracle:
        tally = compare_matches(oracle, options.seed, options.pairs)
    for difference in {one["what"]: one for one in tally.differences}.values():
        print(json.dumps(difference, ensure_ascii=False))
    print(f"{tally.pairs} pairs, {len(tally.differences)} differ, seed {options.seed}: {dict(tally.outcomes)}")
    return 1 if tally.differences else 0


def _case(options: argparse.Namespace) -> int:
    world, review = read_case(options.file)
    with Oracle(programs("gatekeeper") / "gatekeeper") as oracle:
        comparison = compare(oracle, world, [review])
    found = [one for listed in (comparison.loading, *comparison.reviews) for one in listed]
    for one in found:
        print(f"{one.about}: {one.what}\n  {one.text}")
    print(json.dumps({"gatekeeper": comparison.theirs.reviews[0].to_json(),
                      "fleetgate": comparison.ours.reviews[0].to_json()}, indent=1, ensure_ascii=False))  # fmt: skip
    return 1 if found else 0


def _golden(_: argparse.Namespace) -> int:
    with Oracle(programs("gatekeeper") / "gatekeeper") as oracle:
        entries = [*golden.row_entries(), *golden.library_entries()]
        print(f"{golden.record(oracle, entries)} answers recorded in {golden.DIRECTORY}")
    return 0


def _differences(_: argparse.Namespace) -> int:
    found: dict[str, list[Difference]] = {}
    for section, entries in groupby([*golden.row_entries(), *golden.library_entries()], key=lambda one: one.section):
        theirs = golden.recorded(section)
        found |= {one.name: differing for one in entries if (differing := golden.differing(one, theirs[one.name]))}
    golden.write_expected_differences(found)
    for name, listed in found.items():
        print(f"{name}\n  {listed[0].what}: {listed[0].text}")
    return 0


def _known(_: argparse.Namespace) -> int:
    directory = programs("gatekeeper", "gator")
    known.write(known.REVIEWS_LIST, known.reviews(directory / "gatekeeper")[1])
    with Oracle(directory / "gatekeeper") as oracle:
        known.write(known.MATCHES_LIST, known.matches(oracle)[1])
    gator = directory / "gator"
    with TemporaryDirectory() as scratch:
        known.write(known.TEST_LIST, known.gator_test(gator, Path(scratch))[1])
    known.write(known.VERIFY_LIST, (suite for suite in known.broken_suites() if known.gator_verify(gator, suite)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

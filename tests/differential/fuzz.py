"""Compare many random reviews, count what differs by class, and write a small case of each class."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from time import monotonic

from tests.differential import library
from tests.differential.answers import Difference
from tests.differential.compare import compare
from tests.differential.generate import REVIEWS_PER_WORLD, Generator, TemplateGenerator, Worlds
from tests.differential.minimise import Case, minimised
from tests.differential.oracle import Oracle
from tests.differential.world import Json, Review, World, kind_defined_by, name_of, review_of, world_of

Class = tuple[str, str]
"""What a difference is about (a kind of Constraint, or ``review``) and what differs."""


@dataclass
class Tally:
    """What a run found."""

    reviews: int = 0
    violations: int = 0
    """That Gatekeeper reported: a run without any would prove nothing."""
    mismatches: int = 0
    """Reviews whose answers differ."""
    classes: Counter[Class] = field(default_factory=Counter)
    """Reviews per class; of what was not loaded, worlds."""
    examples: dict[Class, tuple[int, str, Case]] = field(default_factory=dict)
    """Of each class the number of its world, the text of the first difference, and the case."""

    def add(self, other: Tally) -> None:
        """Count what another part of the run found."""
        self.reviews += other.reviews
        self.violations += other.violations
        self.mismatches += other.mismatches
        self.classes += other.classes
        for name, example in other.examples.items():
            self.examples.setdefault(name, example)

    def to_json(self) -> dict[str, Json]:
        """Return the figures, classes by frequency."""
        return {
            "reviews": self.reviews,
            "violations": self.violations,
            "mismatches": self.mismatches,
            "classes": [
                {"about": about, "what": what, "count": count, "example": self.examples[about, what][1][:600]}
                for (about, what), count in self.classes.most_common()
            ],
        }


class Side:
    """A process's own oracle and generator."""

    def __init__(self, kind: type[Generator | TemplateGenerator], seed: int, program: Path, *, threads: int) -> None:
        self.oracle = Oracle(program, threads=threads)
        self.generator: Worlds = kind(seed, library.library(), library.ours())

    def world(self, number: int) -> Tally:
        """Compare one world."""
        world, reviews = self.generator.world(number)
        comparison = compare(self.oracle, world, reviews)
        tally = Tally(reviews=len(reviews), violations=sum(len(a.violations) for a in comparison.theirs.reviews))
        for one in comparison.loading:
            name = (one.about, one.what)
            tally.classes[name] += 1
            tally.examples.setdefault(name, (number, one.text, (_concerned(world, one), _ANYTHING)))
        for review, found in zip(reviews, comparison.reviews, strict=True):
            tally.mismatches += bool(found)
            for name in {(one.about, one.what) for one in found}:
                tally.classes[name] += 1
                text = next(one.text for one in found if (one.about, one.what) == name)
                tally.examples.setdefault(name, (number, text, (world, review)))
        return tally


def _concerned(world: World, refused: Difference) -> World:
    """Return what a refused template, Constraint or object needs of its world."""
    kind, _, name = refused.text.partition(": ")[0].partition("/")
    if name:
        templates = tuple(item for item in world.templates if kind_defined_by(item) == kind)
        return World(
            templates, tuple(item for item in world.constraints if (item["kind"], name_of(item)) == (kind, name))
        )
    templates = tuple(item for item in world.templates if name_of(item) == kind)
    return World(templates, (), () if templates else world.inventory)


_ANYTHING = Review(object={"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}})
"""A case has a review, even where loading alone differs."""
_side: Side


def _start(kind: type[Generator | TemplateGenerator], seed: int, program: Path, threads: int) -> None:
    global _side  # noqa: PLW0603
    _side = Side(kind, seed, program, threads=threads)


def _world(number: int) -> Tally:
    return _side.world(number)


def run(
    seed: int,
    worlds: range,
    program: Path,
    *,
    kind: type[Generator | TemplateGenerator] = Generator,
    processes: int = 0,
) -> Iterator[Tally]:
    """Compare worlds; yield what each gave, in order."""
    count = processes or os.cpu_count() or 1
    with ProcessPoolExecutor(
        count, mp_context=get_context("spawn"), initializer=_start, initargs=(kind, seed, program, 2)
    ) as pool:
        yield from pool.map(_world, worlds)


def worlds_of(reviews: int, first: int = 0) -> range:
    """Return the numbers of the worlds that hold at least so many reviews."""
    return range(first, first + -(-reviews // REVIEWS_PER_WORLD))


def fuzz(
    seed: int,
    worlds: range,
    program: Path,
    cases: Path,
    *,
    kind: type[Generator | TemplateGenerator] = Generator,
    processes: int = 0,
    minimise: bool = True,
) -> Tally:
    """Run, print progress, and write the cases that differ below ``cases``."""
    total = Tally()
    started = said = monotonic()
    for tally in run(seed, worlds, program, kind=kind, processes=processes):
        total.add(tally)
        if monotonic() - said > 10:
            said = monotonic()
            rate = total.reviews / (said - started)
            print(f"{total.reviews} reviews, {total.mismatches} differ, {rate:.0f}/s", flush=True)
    print(f"{total.reviews} reviews, {total.violations} violations, {total.mismatches} reviews differ, "
          f"seed {seed}, {total.reviews / (monotonic() - started):.0f}/s", flush=True)  # fmt: skip
    write_cases(total, seed, program, cases, minimise=minimise)
    return total


def write_cases(tally: Tally, seed: int, program: Path, cases: Path, *, minimise: bool) -> None:
    """Write a file per class: seed, world, review and both answers."""
    cases.mkdir(parents=True, exist_ok=True)
    with Oracle(program) as oracle:
        for (about, what), _ in tally.classes.most_common():
            number, _, case = tally.examples[about, what]
            loading = "refused" in what
            if minimise and not loading:
                case = minimised(case, _of_class(oracle, (about, what)))
            path = cases / f"{_slug(about)}--{_slug(what)}.json"
            path.write_text(json.dumps(case_file(oracle, seed, number, case), indent=1, ensure_ascii=False) + "\n")


def _of_class(oracle: Oracle, wanted: Class) -> Callable[[Case], bool]:
    """Return what says whether a case shows a difference of a class."""

    def differs(case: Case) -> bool:
        world, review = case
        try:
            return wanted in compare(oracle, world, [review]).classes
        except (RuntimeError, AttributeError, TypeError):
            # Without a key that every object has, a side cannot even be asked.
            return False

    return differs


def case_file(oracle: Oracle, seed: int, number: int, case: Case) -> dict[str, Json]:
    """Describe a case so that :func:`read_case` finds it again."""
    world, review = case
    comparison = compare(oracle, world, [review])
    return {
        "seed": seed,
        "world_number": number,
        "differences": [one._asdict() for listed in (*comparison.reviews, comparison.loading) for one in listed],
        "gatekeeper": comparison.theirs.reviews[0].to_json(),
        "fleetgate": comparison.ours.reviews[0].to_json(),
        "review": review.to_json(),
        "constraints": list(world.constraints),
        "inventory": list(world.inventory),
        "templates": [_reference(template) for template in world.templates],
    }


def read_case(path: Path) -> tuple[World, Review]:
    """Read a case file."""
    fields = json.loads(path.read_text())
    templates = [_resolved(item) for item in fields["templates"]]
    return world_of({**fields, "templates": templates}), review_of(fields["review"])


def _reference(template: Json) -> Json:
    """Refer to a template by the path of its file: other people's templates are not copied."""
    for policy in (*library.library(), *library.ours()):
        if policy.template == template:
            return {"path": policy.path}
    return {"text": template}


def _resolved(reference: Json) -> Json:
    if "text" in reference:
        return reference["text"]
    known = {policy.path: policy.template for policy in (*library.library(), *library.ours())}
    return known[reference["path"]]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")

"""Gatekeeper's answers as data, so that an ordinary test run can compare with them and needs no Go.

``python -m tests.differential golden`` records them again. What fleetgate still answers differently is listed by name
in ``differences.txt``: a list that can only become shorter, because a listed entry that agrees fails the test.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import yaml

from tests.differential import fleetgate_side, gatekeeper
from tests.differential.answers import Answers, Difference, answer_of, differences, differences_of_worlds
from tests.differential.library import conformance, documents
from tests.differential.oracle import Oracle
from tests.differential.rows import rows
from tests.differential.world import GATOR, Json, Review, World

DIRECTORY = Path(__file__).parents[1] / "data" / "golden"
DIFFERENCES = DIRECTORY / "differences.txt"
LIBRARY = "library"
"""The section of gatekeeper-library's own cases, whose policies and objects are read where they lie."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that is recorded. ``name`` is ``section/…``."""

    name: str
    world: World
    review: Review

    @property
    def section(self) -> str:
        """The file that its answer is in."""
        return self.name.partition("/")[0]


def row_entries() -> list[Entry]:
    """Return the rows of our own table."""
    return [Entry(row.name, row.world, row.review) for row in rows()]


def library_entries() -> list[Entry]:
    """Return every case of every Suite of gatekeeper-library, as gator reviews it."""
    root = conformance()
    found = []
    for path in sorted(root.rglob("suite.yaml")):
        # BaseLoader: `violations: no` is a text here, and nothing else is read but names.
        suite = yaml.load(path.read_text(), Loader=yaml.BaseLoader)  # noqa: S506
        for test in suite["tests"]:
            policies = (
                (documents(path.parent / test["template"])[0],),
                (documents(path.parent / test["constraint"])[0],),
            )
            for case in test.get("cases", ()):
                cached = (item for name in case.get("inventory", ()) for item in documents(path.parent / name))
                item = documents(path.parent / case["object"])[0]
                request = item["request"] if item["kind"] == "AdmissionReview" else None
                review = Review(
                    request=request,
                    object=item if request is None else None,
                    source="Original",
                    enforcement_point=GATOR,
                )
                folder = path.parent.relative_to(root)
                name = f"{LIBRARY}/{folder}/{test['name']}/{case['name']}"
                found.append(Entry(name, World(*policies, tuple(cached)), review))
    return found


def record(oracle: Oracle, entries: Iterable[Entry]) -> int:
    """Ask Gatekeeper and write a file per section; return how many answers were written."""
    count = 0
    for section, of_section in groupby(entries, key=lambda entry: entry.section):
        lines = []
        for entry in of_section:
            answers = gatekeeper.answers(oracle.ask(gatekeeper.question(entry.world, [entry.review])))
            lines.append(json.dumps({"name": entry.name, **_to_json(answers)}, ensure_ascii=False) + "\n")
        (DIRECTORY / f"{section}.jsonl").write_text("".join(lines))
        count += len(lines)
    return count


def recorded(section: str) -> dict[str, Answers]:
    """Read what Gatekeeper answered, by name."""
    lines = (DIRECTORY / f"{section}.jsonl").read_text().splitlines()
    return {fields.pop("name"): _from_json(fields) for fields in map(json.loads, lines)}


def differing(entry: Entry, theirs: Answers) -> list[Difference]:
    """Compare our answer with a recorded one."""
    ours = fleetgate_side.answers(entry.world, [entry.review])
    return differences_of_worlds(theirs, ours) + differences(theirs.reviews[0], ours.reviews[0])


def expected_differences() -> set[str]:
    """Return the names of the entries that still differ."""
    lines = DIFFERENCES.read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def write_expected_differences(names: Iterable[str]) -> None:
    """Replace the list, keeping the comment at its head."""
    head = [line for line in DIFFERENCES.read_text().splitlines() if line.startswith("#")]
    DIFFERENCES.write_text("\n".join([*head, *sorted(names)]) + "\n")


def _to_json(answers: Answers) -> dict[str, Json]:
    refused = {
        "templates": answers.refused_templates,
        "constraints": answers.refused_constraints,
        "objects": answers.refused_objects,
    }
    refused = {name: messages for name, messages in refused.items() if messages}
    return ({"refused": refused} if refused else {}) | {"answer": answers.reviews[0].to_json()}


def _from_json(fields: dict[str, Json]) -> Answers:
    refused = fields.get("refused", {})
    return Answers(
        (answer_of(fields["answer"]),),
        refused.get("templates", {}),
        refused.get("constraints", {}),
        refused.get("objects", {}),
    )

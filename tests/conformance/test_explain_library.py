"""What ``explain`` says of gatekeeper-library's Constraints and objects, checked by changing what it names.

A criterion is the first that does not hold when the Constraint matches with the criteria before it alone, and without
it either matches or fails at a later one. A line is the right one when the violation goes with the clause that begins
there, and stays when every other clause of the rule goes.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from random import Random

import pytest
from fleetgate.engine import Engine, InvalidRequest
from fleetgate_proto.v1 import audit_pb2, review_pb2

from tests.differential.fleetgate_side import CLUSTER, request_of
from tests.differential.library import Policy, conformance, library
from tests.differential.matcher import subject
from tests.differential.matches import match_block
from tests.differential.world import WEBHOOK, Json, Review
from tests.support.conformance import need_library
from tests.support.decisions import constraint, template

ORDER = ("kinds", "scope", "namespaces", "excludedNamespaces", "labelSelector", "namespaceSelector", "name", "source")
CLAUSE = re.compile(r"\s*violation\s*(\[|contains\b)")
Explained = dict[str, review_pb2.ConstraintExplanation]


@pytest.fixture(scope="module")
def policies() -> list[Policy]:
    need_library()
    return library()


def _engine(name: str, documents: Iterable[tuple[str, bytes]]) -> Engine:
    engine = Engine(contexts=1, constraint_seconds=20.0, review_seconds=60.0)
    engine.apply_bundle(name, list(documents))
    return engine


def _explain(engine: Engine, review: Review) -> Explained:
    """What is said of each Constraint, by its name; nothing of a review that cannot be read."""
    request = audit_pb2.ExplainRequest(review=request_of(review))
    try:
        answer = audit_pb2.ExplainResponse.FromString(engine.explain(request.SerializeToString()))
    except InvalidRequest:
        return {}
    return {one.constraint_name: one for one in answer.explanation.constraints}


def _written(item: Json) -> Review:
    namespace = item.get("metadata", {}).get("namespace")
    known = {"metadata": {"name": namespace, "labels": {}}} if namespace else None
    return Review(object=item, namespace=known, source="Original", enforcement_point=WEBHOOK)


def _constraints(blocks: Iterable[tuple[str, Json]]) -> list[tuple[str, bytes]]:
    """One template that finds everything wrong, and a Constraint for each match block."""
    documents = [template("Any", 'violation[{"msg": "m"}] { true }')]
    documents += [constraint("Any", name, match=block) for name, block in blocks]
    return [(f"{index}.json", json.dumps(document).encode()) for index, document in enumerate(documents)]


def _check_criteria(blocks: Sequence[Json], reviews: Sequence[Review]) -> int:
    """Check every pair that does not match, and return how many they were."""
    engine = _engine("all", _constraints((f"b{index}", block) for index, block in enumerate(blocks)))
    unmatched = []
    derived: dict[str, Json] = {}
    for index, review in enumerate(reviews):
        for name, one in _explain(engine, review).items():
            assert one.matched != one.HasField("criterion"), (name, review)
            if one.matched:
                continue
            field = one.criterion.name.removeprefix("spec.match.")
            block = blocks[int(name[1:])]
            assert json.loads(one.criterion.expected) == block[field]
            at = ORDER.index(field)
            unmatched.append((index, f"{name}-{at}", field))
            derived[f"{name}-{at}-only"] = {field: block[field]}
            derived[f"{name}-{at}-before"] = {key: block[key] for key in ORDER[:at] if key in block}
            derived[f"{name}-{at}-without"] = {key: value for key, value in block.items() if key != field}
    engine = _engine("derived", _constraints(derived.items()))
    for index, review in enumerate(reviews):
        of_review = [(name, field) for at, name, field in unmatched if at == index]
        explained = _explain(engine, review) if of_review else {}
        # Another object, the old one, may satisfy the criterion alone.
        has_two = bool(review.request and review.request.get("object") and review.request.get("oldObject"))
        for name, field in of_review:
            only = explained[f"{name}-only"]
            assert only.criterion.name == f"spec.match.{field}" or (has_two and only.matched), (name, review)
            assert explained[f"{name}-before"].matched, (name, review)
            without = explained[f"{name}-without"]
            later = ORDER[ORDER.index(field) + 1 :]
            assert without.matched or without.criterion.name.removeprefix("spec.match.") in later, (name, review)
    return len(unmatched)


def test_the_first_criterion_of_every_pair_of_the_library_that_does_not_match(policies: list[Policy]) -> None:
    blocks = [item["spec"].get("match", {}) for policy in policies for item in policy.constraints]
    objects = [item for policy in policies for item in policy.objects]
    assert _check_criteria(blocks, [_written(item) for item in objects]) > 3_500


def test_the_first_criterion_of_random_match_blocks(policies: list[Policy]) -> None:
    rng = Random(7)
    blocks = [match_block(rng, valid=True) for _ in range(150)]
    objects = rng.sample([item for policy in policies for item in policy.objects], 20)
    reviews = [*map(_written, objects), *(subject(rng) for _ in range(80))]
    assert _check_criteria(blocks, reviews) > 3_000


def _clauses(text: list[str]) -> dict[int, range]:
    """The lines (from 1) of each clause of the rule ``violation``, by its first."""
    return {line: range(line, _end(text, line)) for line, row in enumerate(text, 1) if CLAUSE.match(row)}


def _end(text: list[str], line: int) -> int:
    depth = 0
    for at in range(line, len(text) + 1):
        bare = re.sub(r'"(\\.|[^"\\])*"|`[^`]*`|#.*', "", text[at - 1])
        depth += bare.count("{") - bare.count("}")
        # A head ends with the brace of its body; the body may be one line.
        if depth == 0 and bare.strip().endswith("}"):
            return at + 1
    raise AssertionError(f"the clause of line {line} has no end")


def _without(text: list[str], clauses: Iterable[range], lines: frozenset[int]) -> bytes:
    """The template without the clauses that begin at some lines; with one that never holds where none is left."""
    kept = list(text)
    clauses = list(clauses)
    for clause in (one for one in clauses if one.start in lines):
        for line in clause:
            kept[line - 1] = ""
    if all(one.start in lines for one in clauses):
        first = clauses[0].start
        indent = text[first - 1][: len(text[first - 1]) - len(text[first - 1].lstrip())]
        kept[first - 1] = indent + (
            'violation contains {"msg": "none"} if { false }' if "contains" in text[first - 1].split("{")[0]
            else 'violation[{"msg": "none"}] { false }'
        )  # fmt: skip
    return "\n".join(kept).encode()


Key = tuple[int, str, str, bytes]
"""A violation: the object's number, the Constraint's name, message and details."""


def _found(policy: Policy, files: list[tuple[str, bytes]]) -> dict[Key, list[int]]:
    """The lines that are named for each violation."""
    engine = _engine("policy", files)
    engine.replace_inventory(CLUSTER, [json.dumps(item).encode() for item in _inventory(policy)])
    lines: dict[Key, list[int]] = {}
    for index, item in enumerate(policy.objects):
        for one in _explain(engine, _written(item)).values():
            for violation in one.violations:
                key = (index, one.constraint_name, violation.violation.message, violation.violation.details)
                lines[key] = [position.line for position in violation.positions]
                for position in violation.positions:
                    assert position.path == "template.yaml"
                    row = files[0][1].decode().splitlines()[position.line - 1]
                    assert row.strip() == position.text.strip()
                    assert row[position.column - 1 :].startswith("violation")
    return lines


def _inventory(policy: Policy) -> list[Json]:
    return [item for item in policy.objects if item.get("apiVersion") and item.get("metadata", {}).get("name")]


def test_every_violation_of_the_library_names_its_clause(policies: list[Policy]) -> None:
    checked = 0
    for policy in policies:
        text = (conformance() / policy.path).read_text().splitlines()
        clauses = _clauses(text)
        constraints = {item["metadata"]["name"]: item for item in policy.constraints}
        others = [(f"{name}.json", json.dumps(item).encode()) for name, item in constraints.items()]
        found = _found(policy, [("template.yaml", "\n".join(text).encode()), *others])
        by_lines: dict[frozenset[int], set[Key]] = defaultdict(set)
        for violation, lines in found.items():
            named = frozenset(lines)
            assert named, (policy.path, violation)
            assert named <= clauses.keys(), (policy.path, violation, lines)
            by_lines[named].add(violation)
        for named, of_lines in by_lines.items():
            cut = _found(policy, [("template.yaml", _without(text, clauses.values(), named)), *others])
            assert not cut.keys() & of_lines, (policy.path, named)
            rest = frozenset(clauses.keys() - named)
            alone = _found(policy, [("template.yaml", _without(text, clauses.values(), rest)), *others])
            assert of_lines <= alone.keys(), (policy.path, named)
            checked += len(of_lines)
    assert checked > 140

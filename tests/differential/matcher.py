"""``spec.match`` alone: random blocks against random subjects, Gatekeeper's matcher and ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from tests.differential import deviations, fleetgate_side
from tests.differential.answers import AUTO_REJECT
from tests.differential.matches import NAMESPACES, labels, match_block
from tests.differential.oracle import Oracle
from tests.differential.world import AUDIT, Json, Review, World

_BLOCKS = 50
_SUBJECTS = 20
_KINDS = (
    ("v1", "Pod"), ("v1", "Service"), ("v1", "Namespace"), ("other/v1", "Namespace"), ("apps/v1", "Deployment"),
    ("networking.k8s.io/v1", "Ingress"), ("rbac.authorization.k8s.io/v1", "Role"), ("autoscaling/v1", "Scale"),
    ("v1", "ConfigMap"), ("policy/v1", "Eviction"), ("a/b/c", "Pod"), ("", "Pod"), ("v1", "PodExecOptions"),
)  # fmt: skip
_TEMPLATE = {
    "apiVersion": "templates.gatekeeper.sh/v1",
    "kind": "ConstraintTemplate",
    "metadata": {"name": "matched"},
    "spec": {
        "crd": {"spec": {"names": {"kind": "Matched"}}},
        "targets": [
            {"target": "admission.k8s.gatekeeper.sh", "rego": 'package matched  violation[{"msg": "m"}] { true }'}
        ],
    },
}


@dataclass
class MatchTally:
    """What a run found."""

    pairs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """Gatekeeper's: ``matches``, ``does not``, ``error``, ``undecodable``."""
    differences: list[dict[str, Json]] = field(default_factory=list)
    """Block, subject, both answers, and ``what`` differs: the outcome, or the message alone."""


def compare_matches(oracle: Oracle, seed: int, pairs: int) -> MatchTally:
    """Compare at least so many pairs of a block and a subject."""
    tally = MatchTally()
    for number in range(-(-pairs // (_BLOCKS * _SUBJECTS))):
        rng = Random(f"matcher/{seed}/{number}")
        blocks = [match_block(rng, valid=True) for _ in range(_BLOCKS)]
        subjects = [subject(rng) for _ in range(_SUBJECTS)]
        asked = [(block, item) for item in subjects for block in blocks]
        questions = ({"op": "match", "match": block, "subject": item.to_json()} for block, item in asked)
        theirs = oracle.ask_all(questions)
        for (block, item), answer, ours in zip(asked, theirs, _ours(blocks, subjects), strict=True):
            tally.pairs += 1
            expected = _expected(answer)
            tally.outcomes[expected.partition(":")[0]] += 1
            if expected != ours:
                messages = all(outcome.startswith("error: ") for outcome in (expected, ours))
                tally.differences.append(
                    {
                        "what": "message differs" if messages else "outcome differs",
                        "match": block,
                        "subject": item.to_json(),
                        "gatekeeper": expected,
                        "fleetgate": ours,
                    }
                )
    return tally


def _expected(answer: dict[str, Json]) -> str:
    if "undecodable" in answer:
        return "undecodable"
    if "invalid" in answer:
        return "refused"
    if "error" in answer:
        return f"error: {deviations.message(AUTO_REJECT + answer['error']).removeprefix(AUTO_REJECT)}"
    return "matches" if answer["matches"] else "does not"


def _ours(blocks: list[Json], subjects: list[Review]) -> Iterator[str]:
    """Yield our outcome of each pair, block by block for each subject."""
    names = [f"m{index}" for index in range(len(blocks))]
    constraints = tuple(
        {
            "apiVersion": "constraints.gatekeeper.sh/v1beta1",
            "kind": "Matched",
            "metadata": {"name": name},
            "spec": {"match": block},
        }
        for name, block in zip(names, blocks, strict=True)
    )
    answers = fleetgate_side.answers(World((_TEMPLATE,), constraints), subjects)
    for answer in answers.reviews:
        messages = {violation.name: violation.message for violation in answer.violations}
        for name in names:
            message = messages.get(name, "")
            if answer.undecodable:
                yield "undecodable"
            elif answer.error:
                yield f"error: {answer.error}"
            elif f"Matched/{name}" in answers.refused_constraints:
                yield "refused"
            elif message.startswith(AUTO_REJECT):
                yield f"error: {message.removeprefix(AUTO_REJECT)}"
            else:
                yield "matches" if message else "does not"


def subject(rng: Random) -> Review:
    """Return a review of small objects whose labels, names and namespaces the blocks know."""
    item = _object(rng)
    namespace = _namespace(rng, item)
    if rng.random() < 0.4:
        source = rng.choice(("", "Original", "Generated"))
        return Review(object=item, namespace=namespace, source=source, enforcement_point=AUDIT)
    request: dict[str, Json] = {
        "uid": "u",
        "kind": _kind_of(item),
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": rng.choice(("CREATE", "UPDATE", "DELETE", "CONNECT")),
        "userInfo": {},
    }
    if rng.random() < 0.9:
        request["object"] = item
    if rng.random() < 0.5:
        request["oldObject"] = _object(rng)
    if namespace is not None and rng.random() < 0.8:
        request["namespace"] = namespace["metadata"]["name"]
    # The webhook always says where its objects come from.
    return Review(request=request, namespace=namespace, source=rng.choice(("Original", "Original", "Generated")))


def _kind_of(item: Json) -> Json:
    """Return the kind as the API server would state it."""
    group, _, version = str(item.get("apiVersion", "")).rpartition("/")
    return {"group": group, "version": version, "kind": str(item.get("kind", ""))}


def _object(rng: Random) -> Json:
    version, kind = rng.choice(_KINDS)
    metadata: dict[str, Json] = {}
    if rng.random() < 0.85:
        metadata["name"] = rng.choice(("web", "web-1", "db-web", "nginx", "opa", "prod", "a", "example-allowed"))
    else:
        metadata["generateName"] = rng.choice(("web-", "nginx", "a"))
    if rng.random() < 0.7:
        metadata["namespace"] = rng.choice(NAMESPACES)
    if rng.random() < 0.6:
        metadata["labels"] = labels(rng)
    item: dict[str, Json] = {"apiVersion": version, "kind": kind, "metadata": metadata}
    if rng.random() < 0.08:
        _spoil(rng, item)
    return item


def _spoil(rng: Random, item: dict[str, Json]) -> None:
    """Break what the matcher reads."""
    what = rng.choice(("apiVersion", "kind", "metadata", "labels", "label", "name", "namespace"))
    metadata = item["metadata"]
    if what in {"apiVersion", "kind", "metadata"}:
        if rng.random() < 0.5:
            del item[what]
        else:
            item[what] = rng.choice((None, 1, "", [], {}))
    elif what == "label":
        metadata["labels"] = {"app": rng.choice((1, None, ["web"])), "team": "x"}
    else:
        metadata[what] = rng.choice((None, 1, "", [], {}, "x"))


def _namespace(rng: Random, item: Json) -> Json:
    metadata = item.get("metadata")
    name = metadata.get("namespace") if isinstance(metadata, dict) else None
    roll = rng.random()
    if roll < 0.4:
        return None
    if not isinstance(name, str) or roll > 0.9:
        name = rng.choice(NAMESPACES)
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels(rng)}}

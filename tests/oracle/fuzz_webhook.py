"""Change the questions of tests/support/gatekeeper_webhook.py; compare verdict and code with Gatekeeper's own webhook.

From the project's root: ``.venv/bin/python -m tests.oracle.fuzz_webhook GATEKEEPER_ORACLE [WORLDS] [SEED]``. A world
has a Config of its own and 200 questions. Prints what differs; the exit code is 1 if something does.
"""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
from typing import Any

from fleetgate.engine import Engine
from fleetgate_proto.v1 import review_pb2

from tests.support import gatekeeper_webhook as world

QUESTIONS = 200
VALUES: tuple[Any, ...] = (
    None,
    0,
    5,
    1.5,
    "",
    "x",
    "deny",
    "scoped",
    "kube-public",
    True,
    [],
    {},
    ["x"],
    [None],
    {"a": "x"},
)
NAMESPACES = ("", "default", "kube-public", "audited", "exact", "x", "a-x-b")
PATTERNS = ("*", "**", "", "*x*", "x*", "*x", "exact", "kube-*", "*-public", "default", "-", ":")


def main(oracle: str, worlds: int = 20, seed: int = 1) -> int:
    """Ask both; return the number of differences."""
    chance = random.Random(seed)
    differences = asked = 0
    for _ in range(worlds):
        config = _config(chance)
        bodies = [_question(chance) for _ in range(QUESTIONS)]
        theirs = _gatekeeper(oracle, config, bodies)
        engine = Engine(contexts=1)
        items = [*world.TEMPLATES, *world.CONSTRAINTS, config]
        engine.apply_bundle(
            "b", [("p.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode())]
        )
        for body, answer in zip(bodies, theirs, strict=True):
            asked += 1
            expected = (answer["allowed"], answer["status"]["code"])
            found = _ours(engine, body)
            if found != expected:
                differences += 1
                print(f"ours {found}, Gatekeeper's {json.dumps(answer)}\n    {json.dumps(body['request'])}")
                print(f"    {json.dumps(config['spec'])}")
    print(f"{asked} asked, {differences} different")
    return differences


def _config(chance: random.Random) -> dict[str, Any]:
    def some(values: tuple[str, ...]) -> list[str]:
        return chance.sample(values, chance.randint(0, 2))

    processes = ("webhook", "webhook", "audit", "*", "sync", "other")
    entries = [
        {"processes": some(processes), "excludedNamespaces": some(PATTERNS)} for _ in range(chance.randint(0, 3))
    ]
    return {**world.CONFIG, "spec": {"match": entries}}


def _question(chance: random.Random) -> dict[str, Any]:
    # Without a kind an object fails elsewhere in Gatekeeper; no API server sends one.
    asked = [
        body
        for name, (path, body) in world.posts().items()
        if path == world.ADMIT and name != "an object without a kind"
    ]
    body = copy.deepcopy(chance.choice(asked))
    request = body["request"]
    if chance.random() < 0.3:
        request["namespace"] = chance.choice(NAMESPACES)
    for side in ("object", "oldObject"):
        for _ in range(chance.choice((0, 1, 1, 2))):
            if isinstance(request[side], dict):
                _change(request[side], chance)
    return body


def _change(node: Any, chance: random.Random) -> None:
    """Drop, add or replace one thing somewhere below ``node``; what an API server always sends stays."""
    places: list[tuple[Any, Any]] = []

    def collect(inner: Any, depth: int) -> None:
        for key in list(inner) if isinstance(inner, dict) else range(len(inner)):
            if depth == 0 and key in ("kind", "apiVersion", "metadata"):
                continue
            places.append((inner, key))
            if isinstance(inner[key], dict | list):
                collect(inner[key], depth + 1)

    collect(node, 0)
    if not places:
        return
    container, key = chance.choice(places)
    action = chance.random()
    if action < 0.3 and isinstance(container, dict):
        del container[key]
    elif action < 0.4 and isinstance(container, dict):
        container["fresh"] = copy.deepcopy(chance.choice(VALUES))
    else:
        container[key] = copy.deepcopy(chance.choice(VALUES))


def _gatekeeper(oracle: str, config: dict[str, Any], bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES if name]
    request = {
        "op": "webhook",
        "templates": world.TEMPLATES,
        "constraints": world.CONSTRAINTS,
        "config": config,
        "namespaces": [*known, *({"metadata": {"name": name}} for name in ("gatekeeper-system", "not-everywhere"))],
        "posts": [{"path": world.ADMIT, "body": body} for body in bodies],
    }
    done = subprocess.run(
        [oracle], input=json.dumps(request).encode(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    return [json.loads(answer)["response"] for answer in json.loads(done.stdout)["answers"]]


def _ours(engine: Engine, body: dict[str, Any]) -> tuple[bool, int]:
    request = body["request"]
    if request["userInfo"]["username"] == world.ADMINISTRATOR:
        return True, 200
    asked = review_pb2.ReviewRequest(cluster="c", admission_request=json.dumps(request).encode())
    if request["namespace"]:
        asked.namespace = json.dumps({"metadata": {"name": request["namespace"]}}).encode()
    decision = engine.review(asked.SerializeToString())
    response = review_pb2.ReviewResponse.FromString(decision.response)
    if response.HasField("review_error"):
        return False, response.review_error.code
    return response.allowed, 200 if response.allowed else 403


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1], *map(int, sys.argv[2:])) else 0)

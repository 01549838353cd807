"""``fleetgate test`` and ``fleetgate verify`` beside gator, as programs on the same files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from fleetgate.engine import Engine, PolicyError

from tests.differential.answers import canonical
from tests.differential.generate import Generator
from tests.differential.library import Policy
from tests.differential.world import Json

FLEETGATE = Path(sys.executable).with_name("fleetgate")
REGO_ONLY = "--enable-k8s-native-validation=false"
OBJECTS_PER_RUN = 250
_VERSION = re.compile(r"([a-z0-9.]+/)?v[a-z0-9]+")


@dataclass
class GatorTally:
    """What a run found."""

    objects: int = 0
    results: int = 0
    """That gator reported."""
    refused: dict[str, str] = field(default_factory=dict)
    """Kinds whose template is refused here, with the reason: they are left out of both runs."""
    differences: Counter[str] = field(default_factory=Counter)
    """By kind of Constraint, or by what went wrong with a run as a whole."""
    examples: dict[str, str] = field(default_factory=dict)

    def differ(self, kind: str, example: str) -> None:
        """Note a difference."""
        self.differences[kind] += 1
        self.examples.setdefault(kind, example)


def compare_test(
    gator: Path, generator: Generator, policies: Sequence[Policy], directory: Path, *, seed: int, objects: int
) -> GatorTally:
    """Compare the results of ``test -o json`` on at least so many changed objects, as multisets."""
    tally = GatorTally()
    usable = [policy for policy in policies if not _refusal(policy, tally)]
    documents = [document for policy in usable for document in (policy.template, *_renamed(policy))]
    (directory / "policies.yaml").write_text(_stream(documents))
    for number in range(-(-objects // OBJECTS_PER_RUN)):
        rng = Random(f"gator/{seed}/{number}")
        items = [_identified(generator.object(rng), index) for index in range(OBJECTS_PER_RUN)]
        (directory / "objects.yaml").write_text(_stream(items))
        files = ["-f", "policies.yaml", "-f", "objects.yaml", "-o", "json"]
        theirs = subprocess.Popen(
            [gator, "test", REGO_ONLY, *files], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        ours = subprocess.run(
            [FLEETGATE, "test", *files], cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        said, complained = theirs.communicate()
        tally.objects += len(items)
        if theirs.returncode != ours.returncode:
            tally.differ(
                "exit code",
                f"gator {theirs.returncode} {complained[-500:]}, here {ours.returncode} {ours.stderr[-500:]}",
            )
        if said.strip() and ours.stdout.strip():
            _compare(json.loads(said) or [], json.loads(ours.stdout) or [], tally)
        elif said.strip() or ours.stdout.strip():
            tally.differ("no output", f"gator {complained[-500:]}, here {ours.stderr[-500:]}")
    return tally


def _compare(theirs: list[Json], ours: list[Json], tally: GatorTally) -> None:
    tally.results += len(theirs)
    missing = Counter(_result(item) for item in theirs)
    missing.subtract(_result(item) for item in ours)
    shown = [
        {canonical(_identity(item["violatingObject"])): item["violatingObject"] for item in side}
        for side in (theirs, ours)
    ]
    for identity in shown[0].keys() & shown[1].keys():
        left, right = (canonical(side[identity]) for side in shown)
        if left != right:
            tally.differ("violatingObject", _unlike(left, [right]))
    only_here = [(kind, text) for (kind, text), count in missing.items() if count < 0]
    for (kind, text), count in missing.items():
        if count > 0:
            tally.differ(kind, f"gator only: {_unlike(text, [other for of, other in only_here if of == kind])}")
    for kind, text in only_here:
        tally.differ(kind, f"here only: {text}")


def _unlike(text: str, others: list[str]) -> str:
    """Show what tells a result from the likest of others."""
    likest = max(others, key=lambda other: _common(text, other), default="")
    start = max(_common(text, likest) - 60, 0)
    return f"{text[start : start + 300]} | {likest[start : start + 300]}" if start else text


def _common(one: str, other: str) -> int:
    """Return how many characters two texts begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))


def _result(item: Json) -> tuple[str, str]:
    """Return the kind of the Constraint and the result. Scoped actions have no order; the object is compared apart."""
    if "scopedActions" in item:
        item = {**item, "scopedActions": sorted(item["scopedActions"])}
    item = {**item, "violatingObject": _identity(item["violatingObject"])}
    return item["constraint"]["kind"], canonical(item)


def _identity(item: Json) -> Json:
    metadata = item["metadata"]
    return [item["apiVersion"], item["kind"], metadata.get("namespace"), metadata["name"]]


def _refusal(policy: Policy, tally: GatorTally) -> bool:
    try:
        Engine(contexts=1).apply_bundle("policy", [("template.json", json.dumps(policy.template).encode())])
    except PolicyError as error:
        tally.refused[policy.kind] = error.diagnostics[0].message
        return True
    return False


def _renamed(policy: Policy) -> list[Json]:
    """Return its Constraints under names of their own: samples share them."""
    return [
        {**item, "metadata": {**item["metadata"], "name": f"c{index}"}} for index, item in enumerate(policy.constraints)
    ]


def _identified(item: Json, index: int) -> Json:
    """Return an object that both tools can cache, under a name of its own."""
    metadata = item.get("metadata")
    kept = metadata if isinstance(metadata, dict) else {}
    namespace = kept.get("namespace")
    metadata = {**kept, "name": f"o{index}"}
    if not isinstance(namespace, str):
        metadata.pop("namespace", None)
    if not _VERSION.fullmatch(str(item.get("apiVersion"))) or not isinstance(item.get("kind"), str) or not item["kind"]:
        item = {**item, "apiVersion": "v1", "kind": "Pod"}
    if item["kind"] == "Namespace":
        # gator stops at one that it cannot decode.
        item, metadata = {"apiVersion": "v1", "kind": "Namespace"}, {"name": f"o{index}", "labels": {"team": "x"}}
    return {**item, "metadata": metadata}


def _stream(documents: Sequence[Json]) -> str:
    """JSON documents are YAML too, but for the way in which JSON escapes what lies beyond 16 bits."""

    def escape(pair: re.Match[str]) -> str:
        character: str = json.loads(f'"{pair[0]}"')
        return f"\\U{ord(character):08x}"

    text = "---\n".join(f"{json.dumps(document)}\n" for document in documents)
    return re.sub(r"\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}", escape, text)


@dataclass(frozen=True, slots=True)
class Verified:
    """What ``verify -v`` said: its exit code, and how many tests and cases passed, failed and were skipped."""

    code: int
    tests: dict[str, int]
    cases: dict[str, int]


def verified(program: Path, suites: Path, *flags: str) -> Verified:
    """Run ``verify -v`` on the Suites below a directory."""
    done = subprocess.run(
        [program, "verify", "-v", *flags, f"{suites.name}/..."],
        cwd=suites.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = re.findall(r"^( *)--- (PASS|FAIL|SKIP):", done.stdout, re.MULTILINE)
    tests = Counter(verdict for indent, verdict in verdicts if not indent)
    cases = Counter(verdict for indent, verdict in verdicts if indent)
    return Verified(done.returncode, dict(tests), dict(cases))

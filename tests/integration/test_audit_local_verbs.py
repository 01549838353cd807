"""``fleetgate explain`` and ``fleetgate whatif`` without a server: the real engine on files."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.test_audit_local import FLEETGATE, TEMPLATE, constraint, pod, stream


def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FLEETGATE, *arguments], input=given, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    path = tmp_path / "policies.json"
    path.write_text(stream(TEMPLATE, constraint()))
    return path


def test_explain_names_the_line_that_denies(policies: Path) -> None:
    done = run("explain", "-", "-f", str(policies), "-o", "json", given=stream(pod("a")))
    assert done.returncode == 1, done.stderr
    (explained,) = json.loads(done.stdout)["constraints"]
    assert explained["matched"]
    (violation,) = explained["violations"]
    assert violation["message"] == "a has no owner"
    (position,) = violation["positions"]
    assert position["sourceLine"] == 2
    assert position["text"].startswith("violation[")


def test_explain_says_which_criterion_does_not_hold(policies: Path) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "team-a"}}
    done = run("explain", "-", "-f", str(policies), given=stream(service))
    assert done.returncode == 0, done.stderr
    assert "does not match" in done.stdout
    assert "spec.match.kinds" in done.stdout
    assert 'found {"apiGroup":"","kind":"Service"}' in done.stdout


def test_explain_explains_each_object(policies: Path) -> None:
    given = stream(pod("a"), pod("b", owner="x"))
    done = run("explain", "-", "-f", str(policies), "--cluster-name", "ci", given=given)
    assert done.returncode == 1, done.stderr
    heads = [line for line in done.stdout.splitlines() if line.startswith("ci  ")]
    assert heads == ["ci  v1/Pod team-a/a  denied", "ci  v1/Pod team-a/b  allowed"]
    documents = run("explain", "-", "-f", str(policies), "-o", "yaml", given=given).stdout
    assert [document["object"]["name"] for document in yaml.safe_load_all(documents)] == ["a", "b"]
    none = run("explain", "-", "-f", str(policies))
    assert (none.returncode, "standard input: it holds no object" in none.stderr) == (2, True)


def test_the_cluster_of_files_has_an_option_of_its_own(policies: Path) -> None:
    done = run("explain", "-", "-f", str(policies), "--cluster", "ci", given=stream(pod("a")))
    assert (done.returncode, "--cluster-name" in done.stderr) == (2, True)


def test_explain_without_constraints_allows_nothing(tmp_path: Path) -> None:
    template = proposal(tmp_path, TEMPLATE)
    done = run("explain", "-", "-f", str(template), given=stream(pod("a")))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no Constraints among the files: {template}" in done.stderr


def proposal(tmp_path: Path, *objects: dict[str, Any]) -> Path:
    path = tmp_path / "proposed.json"
    path.write_text(stream(*objects))
    return path


@pytest.mark.parametrize(
    ("before", "after", "code", "total"),
    [
        ("dryrun", "deny", 1, "1 newly denied, 0 newly allowed"),
        ("deny", "warn", 0, "0 newly denied, 1 newly allowed"),
        ("deny", "deny", 0, "0 newly denied, 0 newly allowed, 1 denied as before"),
    ],
)
def test_whatif_compares_what_is_published_with_what_is_proposed(
    tmp_path: Path, before: str, after: str, code: int, total: str
) -> None:
    published = tmp_path / "published.json"
    published.write_text(stream(TEMPLATE, constraint(before)))
    objects = tmp_path / "objects.json"
    objects.write_text(stream(pod("a"), pod("b", owner="x")))
    proposed = proposal(tmp_path, TEMPLATE, constraint(after))
    done = run("whatif", "--published", str(published), "-f", str(proposed), "-f", str(objects))
    assert done.returncode == code, done.stderr + done.stdout
    assert total in done.stdout


@pytest.mark.parametrize(
    ("published", "proposed", "words"),
    [
        ([TEMPLATE, constraint()], [TEMPLATE, constraint()], "no objects among the files: "),
        ([TEMPLATE, constraint()], [TEMPLATE, pod("a")], "no Constraints among the files: "),
        ([TEMPLATE, constraint()], [pod("a")], "no Constraints among the files: "),
        ([], [TEMPLATE, constraint(), pod("a")], "no Constraints among the files: "),
        ([pod("b")], [TEMPLATE, constraint(), pod("a")], "no Constraints among the files: "),
    ],
)
def test_whatif_needs_policies_on_both_sides_and_objects(
    tmp_path: Path, published: list[dict[str, Any]], proposed: list[dict[str, Any]], words: str
) -> None:
    today = tmp_path / "today.jsonl"
    today.write_text(stream(*published))
    done = run("whatif", "--published", str(today), "-f", str(proposal(tmp_path, *proposed)))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


PLAN = {
    "format_version": "1.2",
    "planned_values": {
        "root_module": {"resources": [{"address": "aws_instance.x", "mode": "managed", "type": "aws_instance"}]}
    },
}


@pytest.mark.parametrize(
    ("unseen", "label"),
    [(PLAN, "NOT REVIEWED"), ({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "a-"}}, "INCOMPLETE")],
)
def test_whatif_names_what_it_did_not_look_at(
    tmp_path: Path, policies: Path, unseen: dict[str, Any], label: str
) -> None:
    objects = tmp_path / "objects.json"
    objects.write_text(stream(unseen, pod("a", owner="x")))
    ask = ("whatif", "--published", str(policies), "-f", str(policies), "-f", str(objects))
    table = run(*ask)
    assert (table.returncode, label in table.stdout) == (3, True), table.stdout
    document = json.loads(run(*ask, "-o", "json").stdout)
    assert document["complete"] is False
    assert document["incomplete"]


def test_whatif_refuses_what_publishing_would_refuse(tmp_path: Path, policies: Path) -> None:
    broken = {**constraint(), "spec": {"match": 7}}
    done = run("whatif", "--published", str(policies), "-f", str(proposal(tmp_path, TEMPLATE, broken, pod("a"))))
    assert done.returncode == 2
    assert "proposed.json" in done.stderr

"""`fleetgate test` as a user runs it, held against what gator answered (tests/data/gator)."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

FLEETGATE = Path(sys.executable).with_name("fleetgate")
GATOR = Path(__file__).parents[1] / "data" / "gator"


def review(*arguments: str, stdin: bytes | None = None, cwd: Path = GATOR) -> subprocess.CompletedProcess[bytes]:
    command = [FLEETGATE, "test", *arguments]
    return subprocess.run(command, input=stdin or b"", capture_output=True, timeout=60, check=False, cwd=cwd)


def test_json_is_gators_byte_for_byte() -> None:
    done = review("-f", "manifests", "-o", "json")
    assert done.stderr == b""
    ours, theirs = json.loads(done.stdout), json.loads((GATOR / "test.json").read_bytes())
    assert ours == theirs
    # The one difference in bytes: characters that steer a terminal are escaped, which JSON reads as the same.
    assert done.stdout.decode().replace("\\u202e", "\u202e").rstrip() == (GATOR / "test.json").read_text()
    assert done.returncode == 1


def test_lines_are_gators() -> None:
    done = review("-f", "manifests")
    assert done.stdout.decode() == (GATOR / "test.txt").read_text()
    assert done.returncode == 1


def test_deny_only() -> None:
    done = review("-f", "manifests", "--deny-only")
    assert done.stdout.decode() == (GATOR / "test-deny-only.txt").read_text()
    assert done.returncode == 1


def test_files_directories_and_standard_input_add_up() -> None:
    objects = (GATOR / "manifests" / "objects.yaml").read_bytes()
    done = review(
        "-f", "manifests/policies.yaml", "-f", "manifests/constraints.json", "-f", "manifests/nested", "-f", "-",
        stdin=objects,
    )  # fmt: skip
    whole = review("-f", "manifests")
    assert sorted(done.stdout.splitlines()) == sorted(whole.stdout.splitlines())


def test_a_config_among_the_objects_excludes_nothing(tmp_path: Path) -> None:
    """`gator test` reads no Config (pkg/gator/test/test.go): it is an object to review like any other."""
    config = tmp_path / "config.yaml"
    config.write_text(
        "apiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {name: config}\n"
        "spec: {match: [{processes: ['*'], excludedNamespaces: ['*']}]}\n---\n"
        "apiVersion: syncset.gatekeeper.sh/v1alpha1\nkind: SyncSet\nmetadata: {name: s}\nspec: {gvks: []}\n"
    )
    done, without = review("-f", "manifests", "-f", str(config)), review("-f", "manifests")
    assert without.stdout
    assert set(without.stdout.splitlines()) <= set(done.stdout.splitlines())
    assert done.returncode == without.returncode == 1


def test_yaml_holds_the_same_list() -> None:
    done = review("-f", "manifests", "-o", "yaml")
    assert yaml.safe_load(done.stdout) == json.loads((GATOR / "test.json").read_bytes())


def test_nothing_violated_is_null_and_0() -> None:
    pod = b"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
    done = review("-f", "-", "-o", "json", stdin=pod)
    assert (done.stdout, done.returncode) == (b"null\n", 0)
    assert review("-f", "-", stdin=pod).stdout == b""


def test_only_deny_fails(tmp_path: Path) -> None:
    for name in ("policies.yaml", "objects.yaml"):
        (tmp_path / name).write_bytes((GATOR / "manifests" / name).read_bytes())
    (tmp_path / "nested.yaml").write_bytes((GATOR / "manifests" / "nested" / "constraints.yaml").read_bytes())
    done = review("-f", ".", cwd=tmp_path)
    assert b'["warned"]' in done.stdout
    assert done.returncode == 0


POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"


@pytest.mark.parametrize(
    ("kind", "of"),
    [("List", "a List is one object to gator"), ("PodList", "a PodList is one object to gator")],
)
def test_items_of_a_list_are_not_reviewed_as_by_gator_which_is_said(kind: str, of: str) -> None:
    """gator's reader (pkg/gator/reader/read_resources.go, ReadK8sResources) takes every document for one object."""
    pods = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "a"}} for name in "pq"]
    text = json.dumps({"apiVersion": "v1", "kind": kind, "metadata": {"resourceVersion": ""}, "items": pods}).encode()
    done = review("-f", "-", stdin=text)
    said = f"warning: <stdin>:1: {of}: its 2 items are not reviewed (fleetgate audit reviews them)\n"
    assert (done.stdout, done.stderr.decode(), done.returncode) == (b"", said, 0)
    named = review("-f", "manifests", "-f", "-", stdin=text)
    assert {line for line in named.stdout.splitlines() if f"v1/{kind}".encode() not in line} == set(
        review("-f", "manifests").stdout.splitlines()
    )


@pytest.mark.parametrize(
    ("group", "kind", "effect"),
    [
        ("mutations.gatekeeper.sh/v1", "Assign", "mutates nothing here"),
        ("mutations.gatekeeper.sh/v1", "AssignMetadata", "mutates nothing here"),
        ("mutations.gatekeeper.sh/v1alpha1", "AssignImage", "mutates nothing here"),
        ("mutations.gatekeeper.sh/v1", "ModifySet", "mutates nothing here"),
        ("externaldata.gatekeeper.sh/v1beta1", "Provider", "is not asked here"),
    ],
)
def test_mutators_and_providers_are_objects_as_in_gator_which_is_said(group: str, kind: str, effect: str) -> None:
    """gator mutates only what an ExpansionTemplate expands to (pkg/gator/expand), which is refused here."""
    done = review("-f", "-", stdin=f"apiVersion: {group}\nkind: {kind}\nmetadata: {{name: m}}\n".encode())
    assert done.stderr.decode() == f"warning: <stdin>:1: {group}/{kind} m {effect}: it is an object like others\n"
    assert (done.stdout, done.returncode) == (b"", 0)


def test_without_files_and_input_it_says_what_is_missing() -> None:
    done = review()
    assert done.stderr == b"error: nothing to review: standard input is empty; name files with -f\n"
    assert (done.stdout, done.returncode) == (b"", 2)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "a: [\n", "a.yaml:"),
        ("a.yaml", "- 1\n", "a.yaml:1: a Kubernetes object is a mapping, not a list"),
        ("a.yaml", f"{POD}---\n# here\napiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\n", "a.yaml:6"),
        (
            "a.yaml",
            f"{POD}---\napiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Gone\nmetadata: {{name: x}}\n",
            'a.yaml:6:7: kind: missing ConstraintTemplate: template "gone" not found',
        ),
        (
            "a.yaml",
            f"{POD}---\napiVersion: expansion.gatekeeper.sh/v1beta1\nkind: ExpansionTemplate\n",
            "a.yaml:5: ExpansionTemplate is not supported yet",
        ),
        ("a.txt", POD, "a.txt: a manifest's file ends in .json, .yaml, .yml"),
        ("a.yaml", "# nothing\n", "no input data identified"),
    ],
)
def test_what_cannot_be_used_is_located_and_ends_with_2(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    done = review("-f", name, cwd=tmp_path)
    assert done.stderr.decode().startswith(f"error: {said}")
    assert (done.stdout, done.returncode) == (b"", 2)


def test_an_object_given_twice_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"{POD}---\n{POD}")
    done = review("-f", "a.yaml", cwd=tmp_path)
    assert done.stderr == b"warning: a.yaml:5: v1/Pod p is already in a.yaml:1\n"
    assert done.returncode == 0


def on_a_terminal(columns: int, *arguments: str, **environment: str) -> str:
    """Run with a real pseudo-terminal as standard output and return what it was sent."""
    outer, inner = pty.openpty()
    process = subprocess.Popen(
        [FLEETGATE, "test", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=inner,
        cwd=GATOR,
        env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color", **environment},
    )
    os.close(inner)
    sent = b""
    try:
        while chunk := os.read(outer, 65536):
            sent += chunk
    except OSError:
        pass  # Linux ends a pseudo-terminal so
    finally:
        os.close(outer)
    assert process.wait(60) == 1
    return sent.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_a_terminal_gets_a_table_in_colour_that_fits(columns: int) -> None:
    plain = on_a_terminal(columns, "-f", "manifests", NO_COLOR="1")
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= columns
    assert "Echo/deny-by-default" in plain
    coloured = on_a_terminal(columns, "-f", "manifests", NO_COLOR="")
    assert re.search(r"\x1b\[31mdeny *\x1b\[0m", coloured)
    for hostile in ("\x1b[31m the", "\u202e"):
        assert hostile not in coloured

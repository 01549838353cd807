"""Policies cut out of files with other things in them keep the lines that they had."""

from __future__ import annotations

import pytest
from fleetgate.engine import Engine, PolicyError
from fleetgate.suites.objects import KubernetesObject, ObjectError, objects_of
from fleetgate_clients.manifests.policy_files import only

TEMPLATE = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: always}
spec:
  crd: {spec: {names: {kind: Always}}}
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package always
        violation[{"msg": "---"}] { true }
"""
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
BROKEN = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Always\nmetadata: {name: x}\nspec: {wrong: 1}\n"


def policies(text: str, path: str = "all.yaml") -> list[tuple[str, bytes]]:
    objects = objects_of(path, text.encode())
    return only(text.encode(), objects, lambda item: item.is_template or item.is_constraint)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"{TEMPLATE}---\n{BROKEN}", 15),
        (f"{POD}---\n{TEMPLATE}---\n{BROKEN}", 19),
        (f"# comment\n---\n{POD}--- # another\n{TEMPLATE}---\n\n# more\n{BROKEN}---\n{POD}", 23),
        (f"--- {{apiVersion: v1, kind: Pod, metadata: {{name: p}}}}\n---\n{TEMPLATE}---\n{BROKEN}", 17),
        (f"{TEMPLATE}---\n{POD}data: |\n  ---\n  kind: ConstraintTemplate\n...\n---\n{BROKEN}", 23),
        (f"{TEMPLATE}---\r\n" + POD.replace("\n", "\r\n") + f"---\r\n{BROKEN}", 19),
    ],
)
def test_diagnostics_name_the_line_in_the_whole_file(text: str, line: int) -> None:
    [file] = policies(text)
    assert len(file[1].splitlines()) == len(text.splitlines())
    with pytest.raises(PolicyError) as refused:
        Engine(contexts=1).apply_bundle("b", [file])
    [diagnostic] = refused.value.diagnostics
    assert (diagnostic.path, diagnostic.line) == ("all.yaml", line)


def test_a_file_of_policies_is_left_as_it_is() -> None:
    text = f"# kept\n{TEMPLATE}"
    assert policies(text) == [("all.yaml", text.encode())]


def test_a_file_without_policies_gives_none() -> None:
    assert policies(POD) == []
    assert policies("# nothing\n") == []


def test_documents_on_one_line_travel_alone() -> None:
    objects = [
        KubernetesObject("one.json", 1, b'{"kind":"Pod"}', {"kind": "Pod"}),
        KubernetesObject("one.json", 1, b'{"kind":"X"}', {"kind": "X"}),
    ]
    assert only(b'{"kind":"Pod"}{"kind":"X"}', objects, lambda item: item.kind == "X") == [
        ("one.json", b'{"kind":"X"}')
    ]


@pytest.mark.parametrize(("text", "what"), [("[]\n", "a list"), ("hello\n", "a string"), ("true\n", "a boolean")])
def test_documents_that_are_no_objects(text: str, what: str) -> None:
    with pytest.raises(ObjectError, match=rf"^x\.yaml:1: a Kubernetes object is a mapping, not {what}$"):
        objects_of("x.yaml", text.encode())


def test_objects_know_where_and_what_they_are() -> None:
    text = f"\n# comment\n{POD}---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d, namespace: ns}}\n"
    pod, deployment = objects_of("x.yaml", text.encode())
    assert (pod.place, str(pod), pod.group) == ("x.yaml:3", "v1/Pod p", "")
    assert (deployment.place, str(deployment), deployment.group) == ("x.yaml:7", "apps/v1/Deployment ns/d", "apps")

"""Objects and policies out of files of every form."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fleetgate_clients.manifests import reading
from fleetgate_clients.manifests.objects import ManifestError
from fleetgate_clients.manifests.reading import Manifests, read
from fleetgate_clients.manifests.yaml_documents import yaml_documents
from hypothesis import given
from hypothesis import strategies as st

TEMPLATE = {"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "a"}}
CONSTRAINT = {"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "A", "metadata": {"name": "a"}}


def pod(name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "n"}, **more}


def read_text(tmp_path: Path, text: str, name: str = "x.yaml") -> Manifests:
    file = tmp_path / name
    file.write_text(text)
    return read([str(file)], yaml_documents)


def names(found: Manifests) -> list[str]:
    return [item.name for item in found.objects]


PODS = [pod("one"), pod("two"), pod("three")]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(json.dumps(item) for item in PODS),
        "\n\n".join(json.dumps(item) for item in PODS) + "\n\n",
        "\n".join(json.dumps(item, indent=2) for item in PODS),
        "".join(json.dumps(item) for item in PODS),
        json.dumps({"apiVersion": "v1", "kind": "List", "items": PODS}),
        json.dumps({"apiVersion": "v1", "kind": "List", "items": PODS}, indent=4),
        json.dumps({"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": item["metadata"]} for item in PODS]}),
        "---\n".join(json.dumps(item) + "\n" for item in PODS).replace("{", "# YAML\n{", 1),
        "kind: List\napiVersion: v1\nitems:\n" + "".join(f"- {json.dumps(item)}\n" for item in PODS),
    ],
    ids=["ndjson", "gaps", "stream", "joined", "list", "indented", "typed list", "yaml", "yaml list"],
)
def test_every_form_holds_the_same_objects(tmp_path: Path, text: str) -> None:
    found = read_text(tmp_path, text)
    assert names(found) == ["one", "two", "three"]
    assert {(item.kind, item.version, item.group) for item in found.objects} == {("Pod", "v1", "")}
    assert [json.loads(item.json)["kind"] for item in found.objects] == ["Pod"] * 3


def test_lines_are_those_of_the_documents(tmp_path: Path) -> None:
    text = "\n# one\n" + "---\n".join("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n" for _ in range(2))
    assert [item.line for item in read_text(tmp_path, text).objects] == [3, 8]
    stream = "\n".join(json.dumps(item, indent=1) for item in PODS[:2])
    assert [item.line for item in read_text(tmp_path, stream, "x.json").objects] == [1, 9]
    lines = "\n".join(json.dumps(item) for item in PODS)
    assert [item.line for item in read_text(tmp_path, lines, "x.json").objects] == [1, 2, 3]


def test_policies_are_cut_out_and_keep_their_lines(tmp_path: Path) -> None:
    documents = [json.dumps(item) for item in (pod("one"), TEMPLATE, pod("two"), CONSTRAINT)]
    found = read_text(tmp_path, "---\n".join(f"# a document\n{document}\n" for document in documents))
    assert len(found.objects) == 4
    ((_, content),) = found.policies
    lines = content.decode().splitlines()
    assert [number for number, line in enumerate(lines, 1) if line.startswith("{")] == [5, 11]
    together = read_text(tmp_path, "\n".join(documents), "x.json")
    assert [json.loads(content)["kind"] for _, content in together.policies] == ["ConstraintTemplate", "A"]


def test_directories_are_read_to_the_bottom(tmp_path: Path) -> None:
    for path in ("b/two.yaml", "a/one.json", "a/deep/three.ndjson", "a/readme.md"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(pod(file.stem)) if file.suffix != ".md" else "no manifest")
    assert names(read([str(tmp_path)], yaml_documents)) == ["three", "one", "two"]


def test_what_a_library_keeps_for_its_suites_is_left_out(tmp_path: Path) -> None:
    for path in ("template.yaml", "samples/constraint.yaml", "more/samples/one.yaml", ".hidden/one.yaml", ".one.yaml"):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(pod(path)))
    (tmp_path / "suite.yaml").write_text("apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\nmetadata: {name: s}\n")
    assert names(read([str(tmp_path)], yaml_documents)) == ["template.yaml"]
    named = read([str(tmp_path / "samples" / "constraint.yaml")], yaml_documents)
    assert names(named) == ["samples/constraint.yaml"]


def test_what_else_lies_in_a_directory_is_passed_over(tmp_path: Path) -> None:
    others = {
        "package.json": '{"name": "x", "version": "1.0.0", "metadata": ["a"]}',
        "chart/Chart.yaml": "apiVersion: v2\nname: x\n",
        "chart/values.yaml": "replicas: 1\n",
        "list.json": "[1, 2]",
        "lines.jsonl": '{"type":"run","apiVersion":"fleetgate.dev/v1","kind":"X"}\n{"kind":"Pod","name":"a"}\n',
        "empty.yaml": "",
    }
    unsaid = {
        "baseline.json": '{"apiVersion":"fleetgate.dev/v1","kind":"AuditReport","run":{},\n"violations":[]}',
        "kustomization.yaml": "resources: [pod.yaml]\n",
        "component.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n",
    }
    for path, text in {**others, **unsaid, "pod.yaml": json.dumps(pod("a"))}.items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    found = read([str(tmp_path)], yaml_documents)
    assert names(found) == ["a"]
    assert [place.removeprefix(f"{tmp_path}/") for place in found.passed_over] == [
        "chart/Chart.yaml:1",
        "chart/values.yaml:1",
        "lines.jsonl:2",
        "list.json",
        "package.json:1",
    ]
    with pytest.raises(ManifestError, match="needs apiVersion and kind"):
        read([str(tmp_path / "chart/values.yaml")], yaml_documents)


@pytest.mark.parametrize(
    "text",
    [
        "kind: Pod\nmetadata: {name: a}\n",
        "apiVersion: v1\nmetadata: {name: a}\n",
        "apiVersion: v1\nkind: Pod\nmetadata: 7\n",
        "apiVersion: v1\nkind: List\nitems: [{a: b}]\n",
        "a: [",
    ],
)
def test_a_broken_object_is_not_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(ManifestError):
        read([str(tmp_path)], yaml_documents)


def test_policies_beside_what_is_passed_over_are_cut_out(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(f"replicas: 1\n---\n{json.dumps(TEMPLATE)}\n---\nreplicas: 2\n")
    ((_, content),) = read([str(tmp_path)], yaml_documents).policies
    assert content.decode() == f"\n---\n{json.dumps(TEMPLATE)}\n---\n\n"


def test_standard_input_is_a_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading.sys, "stdin", SimpleNamespace(buffer=io.BytesIO(json.dumps(pod("x")).encode())))
    (found,) = read(["-"], yaml_documents).objects
    assert found.place == "<stdin>:1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"kind": "Pod"}', "an object needs apiVersion and kind"),
        ("- a\n- b\n", "it is no Kubernetes object"),
        ("[1, 2]", "an array"),
        ('{"a": ', "no JSON"),
        ('{"kind": 1, "apiVersion": "v1"}', "no Kubernetes object"),
        ("a: [", "no YAML"),
        ("apiVersion: v1\nkind: Pod\nx: .nan\n", "no YAML that Kubernetes takes"),
        ('{"apiVersion": "v1", "kind": "Pod"}\n{"apiVersion"\n', "x.yaml:2: it is no JSON"),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ManifestError, match=words) as told:
        read_text(tmp_path, text)
    assert "x.yaml" in str(told.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ManifestError, match=r"gone\.yaml: No such file"):
        read(["gone.yaml"], yaml_documents)


def test_yaml_is_read_as_kubernetes_reads_it() -> None:
    text = (
        b"a: yes\nb: off\nc: 017\nd: 2026-11-30\ne: y\nf: '1'\ng: 1.5\nh: 9007199254740993\ni: null\nj: &x [1]\nk: *x\n"
    )
    ((line, found),) = yaml_documents("x", text)
    assert line == 1
    assert json.loads(found) == {
        "a": True,
        "b": False,
        "c": 15,
        "d": "2026-11-30",
        "e": True,
        "f": "1",
        "g": 1.5,
        "h": 9007199254740993,
        "i": None,
        "j": [1],
        "k": [1],
    }


# --- Terraform -------------------------------------------------------------------------------------------------------


def plan(*resources: dict[str, Any], children: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    root: dict[str, Any] = {"resources": list(resources)}
    if children:
        root["child_modules"] = [{"address": "module.a", "resources": list(children)}]
    return {"format_version": "1.2", "terraform_version": "1.9.0", "planned_values": {"root_module": root}}


def resource(kind: str, name: str, mode: str = "managed", **values: Any) -> dict[str, Any]:
    return {"address": f"{kind}.{name}", "mode": mode, "type": kind, "name": name, "values": values}


def test_manifests_of_a_plan_are_objects_and_the_rest_is_counted(tmp_path: Path) -> None:
    text = json.dumps(
        plan(
            resource("kubernetes_manifest", "a", manifest=pod("one")),
            resource("kubernetes_manifest", "unknown"),
            resource("aws_instance", "b"),
            resource("kubernetes_deployment", "c"),
            resource("aws_ami", "d", mode="data"),
            children=(resource("kubernetes_manifest", "e", manifest=pod("two")), resource("aws_instance", "f")),
        ),
        indent=1,
    )
    found = read_text(tmp_path, text, "plan.json")
    assert names(found) == ["one", "two"]
    assert found.objects[0].path.endswith("plan.json")
    assert found.objects[0].place.endswith("plan.json[kubernetes_manifest.a]:1")
    assert found.not_reviewed == {"aws_instance": 2, "kubernetes_deployment": 1, "kubernetes_manifest": 1}


def test_a_plan_without_anything_is_read(tmp_path: Path) -> None:
    found = read_text(tmp_path, json.dumps(plan()), "plan.json")
    assert (found.objects, found.not_reviewed.total()) == ([], 0)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(data)
    with contextlib.suppress(ManifestError):
        read([str(file)], yaml_documents)

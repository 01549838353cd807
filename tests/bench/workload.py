"""Workload W: 30 library templates with one Constraint each, against 88 Pods.

The files lie in ``FLEETGATE_WORKLOADS`` (``w/policies.yaml``, ``w/objects.yaml``); other engines read them as they are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from fleetgate.engine import Engine, PolicyError

ROOT = Path(__file__).parents[2]


class WorkloadMissing(Exception):  # noqa: N818 - it names the state
    """The workload's files are not there."""


def directory() -> Path:
    """Where workload W lies; raises WorkloadMissing where it does not."""
    path = Path(os.environ.get("FLEETGATE_WORKLOADS", ROOT.parent / "shared" / "bench")) / "w"
    if not (path / "policies.yaml").is_file() or not (path / "objects.yaml").is_file():
        raise WorkloadMissing(f"{path} holds no policies.yaml and objects.yaml: set FLEETGATE_WORKLOADS")
    return path


def conformance() -> Path:
    """Where gatekeeper-library lies; raises WorkloadMissing where it does not."""
    path = Path(os.environ.get("FLEETGATE_CONFORMANCE", ROOT.parent / "shared" / "conformance"))
    if not (path / "gatekeeper-library").is_dir():
        raise WorkloadMissing(f"{path} holds no gatekeeper-library: set FLEETGATE_CONFORMANCE")
    return path


def write_recordings(target: Path) -> Path:
    """Write the Pods as AdmissionReviews of their creation, one per line, and return the file."""
    pods = [pod for pod in yaml.safe_load_all((directory() / "objects.yaml").read_bytes()) if pod]
    file = target / "workload-w.ndjson"
    file.write_text("".join(json.dumps(_review(number, pod)) + "\n" for number, pod in enumerate(pods)))
    return file


@dataclass(frozen=True)
class Policies:
    """The file that the service loads, and why templates of the workload are not in it."""

    file: Path
    templates: int
    refused: list[str]


def write_policies(target: Path) -> Policies:
    """Write the workload's policies without the templates that the core refuses, and these templates' Constraints.

    A bundle is published as a whole or not at all, so one template that the engine does not understand yet would leave
    nothing to measure.
    """
    text = (directory() / "policies.yaml").read_text()
    documents = ["".join(lines) for lines in _documents(text)]
    refused: list[str] = []
    while True:
        try:
            generation = Engine(contexts=1).apply_bundle("w", [("policies.yaml", _joined(documents))])
        except PolicyError as error:
            refused += [str(diagnostic) for diagnostic in error.diagnostics]
            kinds = {_kind_of_line(documents, diagnostic.line) for diagnostic in error.diagnostics}
            documents = [document for document in documents if not kinds & set(_kinds(document))]
        else:
            break
    file = target / "policies.yaml"
    file.write_bytes(_joined(documents))
    return Policies(file, generation.templates, refused)


def _documents(text: str) -> Iterator[list[str]]:
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        if line.rstrip() == "---":
            yield lines
            lines = []
        else:
            lines.append(line)
    yield lines


def _joined(documents: list[str]) -> bytes:
    return "---\n".join(documents).encode()


def _kind_of_line(documents: list[str], line: int) -> str:
    """The kind that the document at a 1-based line of the joined file defines or is of."""
    end = 0
    for document in documents:
        end += document.count("\n") + 1
        if line <= end:
            return _kinds(document)[-1]
    raise ValueError(f"line {line} is behind the end of the policies")


def _kinds(document: str) -> list[str]:
    """The document's kind, and the kind that it defines if it is a template."""
    content = yaml.safe_load(document) or {}
    kind = content.get("kind", "")
    return [kind, content["spec"]["crd"]["spec"]["names"]["kind"]] if kind == "ConstraintTemplate" else [kind]


def _review(number: int, pod: dict[str, object]) -> dict[str, object]:
    metadata = pod["metadata"]
    assert isinstance(metadata, dict)
    namespace = metadata.setdefault("namespace", "default")
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": f"00000000-0000-4000-8000-{number:012}",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "name": metadata["name"],
            "namespace": namespace,
            "operation": "CREATE",
            "userInfo": {"username": "bench", "groups": ["system:authenticated"]},
            "object": pod,
            "oldObject": None,
            "dryRun": False,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    }

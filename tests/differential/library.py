"""Policies to try: gatekeeper-library, read where it lies, and templates of ours for what it does not reach."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fleetgate.engine import read_documents

from tests.differential.world import Json, kind_defined_by

OURS = Path(__file__).parent / "templates"
_BESIDE = Path(__file__).parents[3] / "shared" / "conformance"


@dataclass(frozen=True, slots=True)
class Policy:
    """A template with Constraints and objects that its authors thought of."""

    path: str
    """Of the template, below its root: how case files refer to it."""
    template: Json
    constraints: tuple[Json, ...]
    objects: tuple[Json, ...]

    @property
    def kind(self) -> str:
        """Return the kind of its Constraints."""
        return kind_defined_by(self.template)


def conformance() -> Path:
    """Return where gatekeeper-library is: ``FLEETGATE_CONFORMANCE``, by default beside the checkout."""
    return Path(os.environ.get("FLEETGATE_CONFORMANCE") or _BESIDE, "gatekeeper-library")


def documents(path: Path) -> list[Json]:
    """Read the documents of a file as Kubernetes' tools do."""
    return [json.loads(document.json) for document in read_documents(str(path), path.read_bytes())]


def library() -> list[Policy]:
    """Return every policy of gatekeeper-library, by path. Raises FileNotFoundError where it is absent."""
    root = conformance()
    if not root.is_dir():
        raise FileNotFoundError(f"conformance data are absent: {root} (FLEETGATE_CONFORMANCE)")
    return [_of_folder(path, root) for path in sorted(root.rglob("template.yaml"))]


def ours() -> list[Policy]:
    """Return our own policies: files of one template followed by Constraints and objects."""
    return [_of_file(path) for path in sorted(OURS.glob("*.yaml"))]


def _of_folder(path: Path, root: Path) -> Policy:
    template = documents(path)[0]
    files = sorted((path.parent / "samples").rglob("*.yaml"))
    return _policy(str(path.relative_to(root)), template, (item for file in files for item in documents(file)))


def _of_file(path: Path) -> Policy:
    template, *rest = documents(path)
    return _policy(path.name, template, iter(rest))


def _reviewed(item: Json) -> list[Json]:
    """Return a document, or the objects of the request that it holds."""
    if item["kind"] != "AdmissionReview":
        return [item]
    return [item["request"][name] for name in ("object", "oldObject") if item["request"].get(name)]


def _policy(path: str, template: Json, rest: Iterator[Json]) -> Policy:
    kind = kind_defined_by(template)
    items = [reviewed for item in rest for reviewed in _reviewed(item)]
    constraints = tuple(item for item in items if item["kind"] == kind)
    return Policy(path, template, constraints, tuple(item for item in items if item["kind"] != kind))

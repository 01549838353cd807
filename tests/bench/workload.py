"""Workload W: 30 library templates with one Constraint each, against 88 Pods.

The files lie in ``FLEETGATE_WORKLOADS`` (``w/policies.yaml``, ``w/objects.yaml``); other engines read them as they are.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


class WorkloadMissing(Exception):  # noqa: N818 - it names the state
    """The workload's files are not there."""


def directory() -> Path:
    """Where workload W lies; raises WorkloadMissing where it does not."""
    path = Path(os.environ.get("FLEETGATE_WORKLOADS", ROOT.parent / "shared" / "bench")) / "w"
    if not (path / "policies.yaml").is_file() or not (path / "objects.yaml").is_file():
        raise WorkloadMissing(f"{path} holds no policies.yaml and objects.yaml: set FLEETGATE_WORKLOADS")
    return path


def write_recordings(target: Path) -> Path:
    """Write the Pods as AdmissionReviews of their creation, one per line, and return the file."""
    pods = [pod for pod in yaml.safe_load_all((directory() / "objects.yaml").read_bytes()) if pod]
    file = target / "workload-w.ndjson"
    file.write_text("".join(json.dumps(_review(number, pod)) + "\n" for number, pod in enumerate(pods)))
    return file


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

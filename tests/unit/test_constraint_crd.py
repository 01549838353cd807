"""CustomResourceDefinitions of Constraints, beside those that Gatekeeper made (``tests/oracle/record_crds.py``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fleetgate.engine import Engine, PolicyError
from fleetgate.policy import constraint_crd
from fleetgate.policy.constraint_crd import CrdRefused

LINES = [
    json.loads(line) for line in (Path(__file__).parents[1] / "data/gatekeeper_crds.jsonl").read_text().splitlines()
]
SCHEMA = "spec.validation.openAPIV3Schema"
MATCH, ROWS = LINES[0]["match"], LINES[1:]


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: f"{row['template']['metadata']['name']}-{row['template']['apiVersion']}"
)
def test_it_is_gatekeepers(row: dict[str, Any]) -> None:
    if SCHEMA in row.get("error", ""):
        # The API server refuses such a schema with the same words; the core does so before.
        with pytest.raises(PolicyError):
            Engine().apply_bundle("a", [("template.json", json.dumps(row["template"]).encode())], dry_run=True)
        return
    if "error" in row:
        with pytest.raises(CrdRefused) as refused:
            constraint_crd.build(row["template"])
        assert str(refused.value) == row["error"]
        return
    made, expected = constraint_crd.build(row["template"]), row["crd"]
    for version in expected["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["match"] = MATCH
    expected["metadata"].pop("creationTimestamp", None)
    # Go's types have no way to leave a status out; the API server takes it for that of a new object, and makes its own.
    assert expected.pop("status").keys() <= {"conditions", "acceptedNames", "storedVersions"}
    assert made == expected


def test_the_rows_are_many() -> None:
    assert len(ROWS) > 100
    assert sum("error" in row for row in ROWS) >= 1

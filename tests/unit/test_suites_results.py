"""Results of ``fleetgate test -o json`` where they are told apart by little, as gator 3.23.1 prints them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fleetgate.suites.manifests import Result
from fleetgate.suites.objects import KubernetesObject
from fleetgate.suites.results import as_json
from fleetgate.suites.reviewing import Found


def printed(message: str = "m", details: bytes = b"{}", **fields: Any) -> dict[str, Any]:
    fields = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, **fields}
    found = Found("K", "k", message, details, "deny", ())
    result: list[dict[str, Any]] = json.loads(as_json([Result(KubernetesObject("o.json", 1, b"", fields), found, {})]))
    return result[0]


@pytest.mark.parametrize(
    ("message", "details", "metadata"),
    [
        ("m", b"{}", {"details": {}}),
        ("m", b"null", {"details": None}),
        ("template:1: eval_conflict_error: object keys must be unique", b"", {"details": None}),
        ("unable to match constraints: namespace selector for namespace-scoped object", b"", None),
    ],
)
def test_details_are_null_where_a_program_failed(message: str, details: bytes, metadata: dict[str, Any] | None) -> None:
    assert printed(message, details).get("metadata") == metadata


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (9007199254740991, 9007199254740991),
        (12345678901234567, 12345678901234568),
        (9223372036854775807, 9223372036854776000),
        (1e16, 10000000000000000),
    ],
)
def test_the_numbers_of_the_object_are_doubles(number: float, text: int) -> None:
    assert printed(spec={"n": [number]})["violatingObject"]["spec"] == {"n": [text]}

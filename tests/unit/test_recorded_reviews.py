"""The recorded reviews are what the other tests and the demo take them for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.stable_text import Stabiliser

RECORDED = Path(__file__).parents[1] / "data" / "recorded"


@pytest.fixture(scope="module")
def requests() -> dict[str, dict[str, Any]]:
    """The AdmissionRequests by file name, in the order in which they were sent."""
    return {path.name: json.loads(path.read_bytes())["request"] for path in sorted(RECORDED.glob("[0-9]*.json"))}


def test_every_operation_and_many_kinds_are_there(requests: dict[str, dict[str, Any]]) -> None:
    kinds = {request["kind"]["kind"] for request in requests.values() if not request.get("subResource")}

    assert {request["operation"] for request in requests.values()} == {"CREATE", "UPDATE", "DELETE", "CONNECT"}
    assert len(kinds) >= 20
    assert {request["subResource"] for request in requests.values() if request.get("subResource")} >= {
        "scale", "status", "exec", "attach", "portforward", "eviction", "ephemeralcontainers", "binding", "token"
    }  # fmt: skip
    assert any(request["dryRun"] for request in requests.values() if "dryRun" in request)


def test_the_objects_are_where_the_operation_puts_them(requests: dict[str, dict[str, Any]]) -> None:
    present = {
        (request["operation"], request["object"] is not None, request["oldObject"] is not None)
        for request in requests.values()
    }

    assert present == {
        ("CREATE", True, False),
        ("UPDATE", True, True),
        ("DELETE", False, True),
        ("CONNECT", True, False),
    }


def test_the_namespaces_of_all_objects_are_there(requests: dict[str, dict[str, Any]]) -> None:
    namespaces = {item["metadata"]["name"] for item in yaml.safe_load_all((RECORDED / "namespaces.yaml").read_text())}
    referred = {
        request["namespace"]
        for request in requests.values()
        if request.get("namespace") and request["kind"]["kind"] != "Namespace"
    }

    assert referred <= namespaces


def test_each_review_has_an_id_of_its_own(requests: dict[str, dict[str, Any]]) -> None:
    assert len({request["uid"] for request in requests.values()}) == len(requests)


def test_the_index_names_every_file(requests: dict[str, dict[str, Any]]) -> None:
    index = (RECORDED / "README.md").read_text()

    assert [name for name in requests if f"| {name} |" not in index] == []


def test_stable_text_keeps_everything_but_ids_times_and_versions() -> None:
    stabilise = Stabiliser()
    first = stabilise(
        b'{"uid":"1b4e28ba-2fa1-11d2-883f-0016d3cca427","resourceVersion":"812","n":1.0,"t":"2026-11-23T17:00:01Z"}'
    )
    second = stabilise(b"resourceVersion: '812'\nuid: 1b4e28ba-2fa1-11d2-883f-0016d3cca427\nversion: '812'\n")

    assert first == (
        b'{"uid":"00000000-0000-4000-8000-000000000001","resourceVersion":"1","n":1.0,"t":"2026-01-01T00:00:00Z"}'
    )
    assert second == b"resourceVersion: '1'\nuid: 00000000-0000-4000-8000-000000000001\nversion: '812'\n"

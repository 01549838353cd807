"""An audit's outputs against the schemas that others publish: SARIF, and the CustomResourceDefinitions of reports.

The schemas come with Go modules (``tests/schemas/go.mod``), at fixed versions and sums.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from fleetgate_clients.audit.report import Report
from fleetgate_clients.output.audit import Format, Look, write

from tests.support.audit_reports import REPORTS
from tests.support.kubeapiserver import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MODULES = Path(__file__).parents[1] / "schemas"
SARIF = ("github.com/securego/gosec/v2", "report/sarif/testdata/sarif-schema-2.1.0.json")
DEFINITIONS = {
    Format.POLICYREPORT: (
        "github.com/kyverno/kyverno",
        "config/crds/policyreport/wgpolicyk8s.io_policyreports.yaml",
        "config/crds/policyreport/wgpolicyk8s.io_clusterpolicyreports.yaml",
    ),
    Format.OPENREPORTS: (
        "github.com/openreports/reports-api",
        "config/crd/openreports.io_reports.yaml",
        "config/crd/openreports.io_clusterreports.yaml",
    ),
}


@pytest.fixture(scope="module")
def modules() -> dict[str, Path]:
    """Directories of the modules, by path."""
    done = subprocess.run(
        ["go", "mod", "download", "-json", *sorted({SARIF[0], *(names[0] for names in DEFINITIONS.values())})],
        cwd=MODULES,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    decoder, text, found = json.JSONDecoder(), done.stdout.strip(), {}
    while text:
        module, end = decoder.raw_decode(text)
        found[module["Path"]] = Path(module["Dir"])
        text = text[end:].lstrip()
    return found


def text_of(report: Report, wanted: Format) -> str:
    return "".join(write(report, wanted, Look()))


@pytest.mark.parametrize("name", REPORTS)
def test_sarif_is_valid(modules: dict[str, Path], name: str) -> None:
    schema = json.loads((modules[SARIF[0]] / SARIF[1]).read_text())
    jsonschema_rs.validate(schema, json.loads(text_of(REPORTS[name], Format.SARIF)))


def definitions(modules: dict[str, Path], wanted: Format) -> list[dict[str, Any]]:
    module, *paths = DEFINITIONS[wanted]
    return [yaml.safe_load((modules[module] / path).read_text()) for path in paths]


def closed(schema: Any) -> Any:
    """The schema, with fields that it does not name refused: an API server would drop them without a word."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    if made.get("type") == "object" and "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


@pytest.mark.parametrize("wanted", DEFINITIONS)
@pytest.mark.parametrize("name", REPORTS)
def test_policy_reports_are_valid(modules: dict[str, Path], wanted: Format, name: str) -> None:
    schemas = {
        (f"{definition['spec']['group']}/{version['name']}", definition["spec"]["names"]["kind"]): closed(
            version["schema"]["openAPIV3Schema"]
        )
        for definition in definitions(modules, wanted)
        for version in definition["spec"]["versions"]
    }
    objects = list(yaml.safe_load_all(text_of(REPORTS[name], wanted)))
    assert objects or not REPORTS[name].complete
    for found in objects:
        jsonschema_rs.validate(schemas[found["apiVersion"], found["kind"]], found)


@pytest.mark.parametrize("wanted", DEFINITIONS)
def test_an_api_server_keeps_policy_reports_as_they_are(
    modules: dict[str, Path], wanted: Format, west: Cluster
) -> None:
    made = definitions(modules, wanted)
    west.apply(*made)
    names = [f"crd/{definition['metadata']['name']}" for definition in made]
    west.kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)
    text = text_of(REPORTS["not judged"], wanted)
    objects = list(yaml.safe_load_all(text))
    spaces = sorted({found["metadata"]["namespace"] for found in objects if "namespace" in found["metadata"]})
    west.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in spaces))
    west.kubectl("create", "--validate=strict", "-f", "-", manifest=text)
    try:
        for found in objects:
            where = ["-n", found["metadata"]["namespace"]] if "namespace" in found["metadata"] else []
            plural = next(d["spec"]["names"]["plural"] for d in made if d["spec"]["names"]["kind"] == found["kind"])
            group = found["apiVersion"].partition("/")[0]
            kept = west.get(f"{plural}.{group}", found["metadata"]["name"], *where)
            assert {key: kept[key] for key in found if key != "metadata"} == {
                key: value for key, value in found.items() if key != "metadata"
            }
    finally:
        west.kubectl("delete", "--wait=false", *names)

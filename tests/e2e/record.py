"""Record the AdmissionReviews that a real kube-apiserver sends: `python -m tests.e2e.record` from the root.

Starts an API server, registers a webhook for every operation on every resource, walks through `scenario` with kubectl,
and replaces `tests/data/recorded`: one file per review, the Namespaces they refer to, and an index.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.scenario.steps import Step, steps
from tests.support.certificates import Authority
from tests.support.kubeapiserver import Cluster, start_fleet
from tests.support.recording_webhook import RecordingWebhook, recording_webhook
from tests.support.registration import validating_webhook
from tests.support.stable_text import Stabiliser

TARGET = Path(__file__).parents[1] / "data" / "recorded"
REGISTRATION_TIMEOUT_S = 30.0

INDEX = """# Recorded admission reviews

{count} AdmissionReviews that kube-apiserver {version} sent to a webhook registered for every operation on every
resource (`*/*`), in the order of arrival, and in `namespaces.yaml` the Namespaces they refer to, as they stood when the
first object was created. The tests that have no API server and the demo read them.

The bytes are the API server's, except that ids, times and resource versions are replaced by fixed ones, so that
recording again changes little (a generated name, the order of some `managedFields`). What the API server's own
controllers wrote in the background is left out. All names, addresses and secrets are made up. Record again with
`make record`; what is done to the cluster, and which objects break a rule on purpose, is in `tests/e2e/scenario`.

| file | operation | resource | object | user |
|---|---|---|---|---|
{rows}
"""


def main() -> int:
    count = record(TARGET)
    print(f"{count} reviews in {TARGET.relative_to(Path.cwd())}")
    return 0


def record(target: Path) -> int:
    """Record into `target`, replacing an earlier recording; return how many reviews there were."""
    with tempfile.TemporaryDirectory(prefix="fleetgate-record-") as name, start_fleet(Path(name), ["dev"]) as fleet:
        cluster = fleet["dev"]
        authority = Authority(Path(name) / "pki")
        with recording_webhook(authority.issue("webhook")) as webhook:
            _register(cluster, webhook, authority.pem)
            stabilise = Stabiliser()
            namespaces = stabilise(_walk(cluster, steps(), webhook))
            version = json.loads(cluster.kubectl("version", "-o", "json").stdout)["serverVersion"]["gitVersion"]
            _write(target, [stabilise(body) for body in webhook.bodies], namespaces, version)
            return len(webhook.bodies)


def _register(cluster: Cluster, webhook: RecordingWebhook, ca_pem: bytes) -> None:
    """Register for everything, and wait until the API server has noticed."""
    registration = validating_webhook(
        "record.fleetgate.dev",
        webhook.url,
        ca_pem,
        failure_policy="Fail",
        resources=("*/*",),
        namespace_selector={},
        timeout_s=10,
    )
    cluster.apply(registration)
    deadline = time.monotonic() + REGISTRATION_TIMEOUT_S
    while not webhook.bodies:
        if time.monotonic() > deadline:
            raise RuntimeError("the API server sent nothing to the webhook")
        cluster.kubectl("create", "configmap", "probe", "-n", "default", "--dry-run=server")
        time.sleep(0.2)
    webhook.bodies.clear()


def _walk(cluster: Cluster, walk: Sequence[Step], webhook: RecordingWebhook) -> bytes:
    """Run every step; return the Namespaces as they stood after the first."""
    namespaces = b""
    for step in walk:
        before = len(webhook.bodies)
        result = cluster.kubectl(*step.args, manifest=step.manifest, check=not step.may_fail)
        sent = len(webhook.bodies) - before
        print(f"{sent:3d}  {' '.join(step.args)[:110]}  {result.stderr.strip()[:120]}")
        if sent == 0 and step.args[0] != "wait":
            raise RuntimeError(f"nothing was sent for: kubectl {' '.join(step.args)}\n{result.stdout}{result.stderr}")
        if not namespaces:
            namespaces = yaml.safe_dump_all(cluster.get("namespaces")["items"], sort_keys=False).encode()
    return namespaces


def _write(target: Path, reviews: Sequence[bytes], namespaces: bytes, version: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("[0-9]*.json"):
        old.unlink()
    rows = []
    for number, body in enumerate(reviews, start=1):
        request = json.loads(body)["request"]
        path = target / f"{number:03d}-{_slug(request)}.json"
        path.write_bytes(body.rstrip(b"\n") + b"\n")
        rows.append(f"| {path.name} | {' | '.join(_row(request))} |")
    (target / "namespaces.yaml").write_bytes(namespaces)
    (target / "README.md").write_text(INDEX.format(count=len(reviews), version=version, rows="\n".join(rows)))


def _slug(request: dict[str, Any]) -> str:
    """`create-pod-web`, `update-deployments-scale-web`, `connect-pods-exec-web`."""
    if request.get("subResource"):
        what = f"{request['resource']['resource']}-{request['subResource']}"
    else:
        what = request["kind"]["kind"]
    rehearsal = "-dry-run" if request.get("dryRun") else ""
    text = f"{request['operation']}-{what}-{_name(request)}{rehearsal}".lower()
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-")


def _row(request: dict[str, Any]) -> tuple[str, str, str, str]:
    group = request["resource"]["group"]
    resource = "/".join(filter(None, (request["resource"]["resource"], request.get("subResource"))))
    name = "/".join(filter(None, (request.get("namespace"), _name(request))))
    return (
        request["operation"] + (" (dry run)" if request.get("dryRun") else ""),
        f"{resource}.{group}" if group else resource,
        name,
        request["userInfo"]["username"],
    )


def _name(request: dict[str, Any]) -> str:
    """Return the object's name; a generated one is shown by its prefix, for it is another in every recording."""
    metadata = (request.get("object") or request.get("oldObject") or {}).get("metadata", {})
    if metadata.get("generateName"):
        return str(metadata["generateName"]).rstrip("-")
    return str(request.get("name") or metadata.get("name") or "")


if __name__ == "__main__":
    sys.exit(main())

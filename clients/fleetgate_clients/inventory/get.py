"""The verb ``get``: cached objects of the fleet, the way ``kubectl get`` shows those of one cluster."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleetgate_clients.inventory.service import (
    EXIT_PARTIAL,
    CaOption,
    CertOption,
    Connection,
    InsecureOption,
    KeyOption,
    ServerNameOption,
    ServerOption,
    TimeoutOption,
    fail,
    inventory,
    no_cluster_words,
)
from fleetgate_clients.output.terminal import Color, ColorOption

if TYPE_CHECKING:
    from fleetgate_proto.v1 import inventory_pb2

EXAMPLES = """\
Examples:
  # every Ingress of the fleet, with the cluster it is in
  fleetgate get ingresses --server pdp.example:9443 --ca ca.pem --cert reader.pem --key reader.key

  # Pods with a label, in one namespace of the production clusters, as YAML
  fleetgate get pods -n team-a -l app=web --clusters stage=production -o yaml --server 127.0.0.1:9443 --insecure
"""

HELP = """\
Show cached objects of all clusters, or of some.

What is shown comes from the service's cache: only kinds that a policy needs are there. A cluster whose cache is not up
to date is named on standard error with its state and age, and the exit code is 3: what is missing of it is unknown.

Exit codes: 0 every chosen cluster is up to date, 2 wrong usage, no answer or no such cluster, 3 the answer is partial.
"""


class Output(StrEnum):
    """``--output``."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


def get(  # noqa: PLR0917 (one parameter per option)
    server: ServerOption,
    kind: Annotated[str, typer.Argument(help="A kind: pods, Pod, ingresses.networking.k8s.io.", show_default=False)],
    name: Annotated[str, typer.Argument(help="Objects of this name alone.", show_default=False)] = "",
    namespace: Annotated[str, typer.Option("-n", "--namespace", help="Objects of this namespace alone.")] = "",
    all_namespaces: Annotated[
        bool, typer.Option("-A", "--all-namespaces", help="Objects of all namespaces, as without -n.")
    ] = False,
    clusters: Annotated[str, typer.Option("--clusters", help="Clusters whose labels match, as kubectl -l.")] = "",
    cluster: Annotated[
        list[str] | None, typer.Option("--cluster", help="A cluster by name or alias; repeatable.", show_default=False)
    ] = None,
    selector: Annotated[str, typer.Option("-l", "--selector", help="Objects whose labels match.")] = "",
    output: Annotated[Output, typer.Option("-o", "--output", help="How to show them.")] = Output.TABLE,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    server_name: ServerNameOption = "",
    insecure: InsecureOption = False,
    timeout: TimeoutOption = 10.0,
    color: ColorOption = Color.AUTO,
) -> None:
    """Show cached objects; see HELP."""
    from fleetgate_proto.v1 import inventory_pb2  # noqa: PLC0415 (help and completion do without)

    from fleetgate_clients.inventory import text  # noqa: PLC0415

    if namespace and all_namespaces:
        raise typer.BadParameter("-n and -A exclude each other")
    request = inventory_pb2.QueryInventoryRequest(
        clusters=cluster or [], cluster_selector=clusters, kind=kind, namespace=namespace, name=name, selector=selector
    )
    objects: list[inventory_pb2.InventoryObject] = []
    answers: dict[str, inventory_pb2.ClusterAnswer] = {}
    with inventory(Connection(server, ca, cert, key, server_name, insecure, timeout)) as service:
        for page in service.pages(request):
            objects += page.objects
            for answer in page.answers:
                # Pages are read one after the other: the worst of each cluster's states is that of the whole.
                before = answers.get(answer.cluster)
                if before is None or before.state == text.SYNCED:
                    answers[answer.cluster] = answer
    if not answers:
        fail(no_cluster_words(clusters))
    typer.echo(_render(objects, list(answers.values()), output, color), nl=False)
    partial = [answer for answer in answers.values() if answer.state != text.SYNCED]
    for answer in partial:
        typer.echo(_warning(answer), err=True)
    if not objects and not partial and output in {Output.TABLE, Output.WIDE}:
        typer.echo("no objects found", err=True)
    if partial:
        raise typer.Exit(EXIT_PARTIAL)


def _warning(answer: inventory_pb2.ClusterAnswer) -> str:
    from fleetgate_clients.inventory import text  # noqa: PLC0415
    from fleetgate_clients.output.terminal import printable  # noqa: PLC0415

    if answer.reason == text.NOT_CACHED:
        words = "caches no such kind: only kinds that a policy needs are cached, as clusters describe shows"
        return printable(f"warning: {answer.cluster} {words}")
    old = f", {text.age(answer)} old" if text.age(answer) else ""
    why = f": {answer.reason}" if answer.reason else ""
    return printable(f"warning: {answer.cluster} is {text.state_of(answer.state)}{old}{why}")


def _render(
    objects: list[inventory_pb2.InventoryObject],
    answers: list[inventory_pb2.ClusterAnswer],
    output: Output,
    color: Color,
) -> str:
    from fleetgate_clients.inventory import text  # noqa: PLC0415
    from fleetgate_clients.output.documents import json_text, yaml_text  # noqa: PLC0415
    from fleetgate_clients.output.terminal import printable  # noqa: PLC0415

    if output is Output.NAME:
        lines = (f"{one.cluster}/{one.namespace}/{text.kind_name(one.kind)}/{one.name}" for one in objects)
        return "".join(f"{printable(line)}\n" for line in lines)
    if output in {Output.JSON, Output.YAML}:
        document = {
            "apiVersion": "fleetgate.dev/v1",
            "kind": "FleetList",
            "clusters": [_answer(answer) for answer in answers],
            "items": [{"cluster": one.cluster, "object": json.loads(one.object)} for one in objects],
        }
        return json_text(document) if output is Output.JSON else yaml_text(document)
    return _table(objects, color, wide=output is Output.WIDE) if objects else ""


def _answer(answer: inventory_pb2.ClusterAnswer) -> dict[str, Any]:
    from fleetgate_clients.inventory import text  # noqa: PLC0415

    found: dict[str, Any] = {"name": answer.cluster, "state": text.state_of(answer.state), "revision": answer.revision}
    if answer.HasField("age"):
        found["ageSeconds"] = answer.age.seconds + answer.age.nanos / 1e9
    if answer.reason:
        found["reason"] = answer.reason
    return found


def _table(objects: list[inventory_pb2.InventoryObject], color: Color, *, wide: bool) -> str:
    from fleetgate_clients.inventory import text  # noqa: PLC0415
    from fleetgate_clients.output.tables import Column, render_table  # noqa: PLC0415
    from fleetgate_clients.output.terminal import wants_color, width_of  # noqa: PLC0415

    columns = [Column("CLUSTER"), Column("NAMESPACE"), Column("NAME"), Column("AGE")]
    if wide:
        columns += [Column("KIND"), Column("LABELS", wraps=True)]
    rows = []
    for one in objects:
        metadata = _metadata(one.object)
        row = [one.cluster, one.namespace, one.name, _age(metadata.get("creationTimestamp"))]
        if wide:
            labels = metadata.get("labels")
            pairs = labels.items() if isinstance(labels, dict) else ()
            row += [text.kind_name(one.kind), ",".join(f"{key}={value}" for key, value in sorted(pairs))]
        rows.append(row)
    return render_table(columns, rows, width=width_of(sys.stdout), color=wants_color(color, sys.stdout))


def _metadata(content: bytes) -> dict[str, Any]:
    found = json.loads(content).get("metadata")
    return found if isinstance(found, dict) else {}


def _age(created: Any) -> str:
    from fleetgate_clients.inventory import text  # noqa: PLC0415

    try:
        return text.elapsed((datetime.now(UTC) - datetime.fromisoformat(str(created))).total_seconds())
    except (ValueError, TypeError):
        return ""

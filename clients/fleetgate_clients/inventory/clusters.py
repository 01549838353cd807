"""The verbs ``clusters list``, ``clusters describe`` and ``clusters doctor``."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleetgate_clients.inventory.service import (
    EXIT_PARTIAL,
    EXIT_UNUSABLE,
    CaOption,
    CertOption,
    Connection,
    InsecureOption,
    KeyOption,
    ServerNameOption,
    ServerOption,
    TimeoutOption,
    inventory,
)
from fleetgate_clients.output.terminal import Color, ColorOption

if TYPE_CHECKING:
    from fleetgate_proto.v1 import inventory_pb2

LIST_EXAMPLES = """\
Examples:
  fleetgate clusters list --server 127.0.0.1:9443 --insecure
  fleetgate clusters list -l stage=production -o json --server pdp:9443 --ca ca.pem --cert me.pem --key me.key
"""
DESCRIBE_EXAMPLES = """\
Examples:
  fleetgate clusters describe prod-eu1 --server 127.0.0.1:9443 --insecure
"""
DOCTOR_EXAMPLES = """\
Examples:
  fleetgate clusters doctor --server 127.0.0.1:9443 --insecure       # exit code 3 if any cluster is not SYNCED
"""

NamesArgument = Annotated[list[str] | None, typer.Argument(help="Names or aliases.", show_default=False)]
SelectorOption = Annotated[str, typer.Option("-l", "--selector", help="Clusters whose labels match, as kubectl -l.")]


class Output(StrEnum):
    """``--output``."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


def list_clusters(  # noqa: PLR0917 (one parameter per option)
    server: ServerOption,
    selector: SelectorOption = "",
    output: Annotated[Output, typer.Option("-o", "--output", help="How to show them.")] = Output.TABLE,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    server_name: ServerNameOption = "",
    insecure: InsecureOption = False,
    timeout: TimeoutOption = 10.0,
    color: ColorOption = Color.AUTO,
) -> None:
    """List the clusters with the state of their caches."""
    connection = Connection(server, ca, cert, key, server_name, insecure, timeout)
    typer.echo(_render(_clusters(connection, [], selector), output, color), nl=False)


def describe(  # noqa: PLR0917
    server: ServerOption,
    names: NamesArgument = None,
    selector: SelectorOption = "",
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    server_name: ServerNameOption = "",
    insecure: InsecureOption = False,
    timeout: TimeoutOption = 10.0,
    color: ColorOption = Color.AUTO,
) -> None:
    """Show all that is known of clusters: names, labels, each cached kind."""
    connection = Connection(server, ca, cert, key, server_name, insecure, timeout)
    found = _clusters(connection, names or [], selector)
    typer.echo("\n".join(_description(cluster, color) for cluster in found), nl=False)


def doctor(  # noqa: PLR0917
    server: ServerOption,
    names: NamesArgument = None,
    selector: SelectorOption = "",
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    server_name: ServerNameOption = "",
    insecure: InsecureOption = False,
    timeout: TimeoutOption = 10.0,
    color: ColorOption = Color.AUTO,
) -> None:
    """Say in words why clusters are not SYNCED, and what to do. Exit code 3 if one is not."""
    from fleetgate_clients.inventory import text  # noqa: PLC0415
    from fleetgate_clients.output.terminal import Paint, printable, wants_color  # noqa: PLC0415

    found = _clusters(Connection(server, ca, cert, key, server_name, insecure, timeout), names or [], selector)
    paint = Paint(wants_color(color, sys.stdout))
    sick = 0
    for cluster in found:
        lines = text.diagnosis(cluster)
        state = text.state_of(cluster.state)
        typer.echo(f"{paint(cluster.name, 'bold')} is {paint(state, text.style_of(state))}")
        for line in lines:
            typer.echo(f"  {printable(line)}")
        sick += state != "SYNCED"
    if found:
        typer.echo(f"{len(found) - sick} of {len(found)} clusters are up to date")
    if sick:
        raise typer.Exit(EXIT_PARTIAL)


def register(app: typer.Typer) -> None:
    """Add the group to the command."""
    group = typer.Typer(help="The clusters of the fleet.", no_args_is_help=True, rich_markup_mode=None)
    from fleetgate_clients.cli import Verb  # noqa: PLC0415 (that module loads this one)

    group.command("list", epilog=LIST_EXAMPLES, cls=Verb)(list_clusters)
    group.command("describe", epilog=DESCRIBE_EXAMPLES, cls=Verb)(describe)
    group.command("doctor", epilog=DOCTOR_EXAMPLES, cls=Verb)(doctor)
    app.add_typer(group, name="clusters", short_help="List clusters, and say what is wrong with them.")


def _clusters(connection: Connection, names: list[str], selector: str) -> list[inventory_pb2.ClusterInfo]:
    """The chosen clusters; that there are none is told. Ends the command where a name is of none."""
    from fleetgate_proto.v1 import inventory_pb2  # noqa: PLC0415

    from fleetgate_clients.inventory import text  # noqa: PLC0415
    from fleetgate_clients.output.terminal import printable  # noqa: PLC0415

    with inventory(connection) as service:
        found = service.clusters(inventory_pb2.ListClustersRequest(clusters=names, selector=selector))
    known = {name for cluster in found for name in (cluster.name, *cluster.aliases)}
    missing = [name for name in names if name not in known]
    for name in missing:
        typer.echo(f"error: there is no cluster {printable(name)!r}", err=True)
    if missing:
        raise typer.Exit(EXIT_UNUSABLE)
    if not found:
        typer.echo(printable(text.no_cluster(selector)), err=True)
    return found


def _render(found: list[inventory_pb2.ClusterInfo], output: Output, color: Color) -> str:
    from fleetgate_clients.output.documents import json_text, yaml_text  # noqa: PLC0415
    from fleetgate_clients.output.terminal import printable  # noqa: PLC0415

    if output is Output.NAME:
        return "".join(f"{printable(cluster.name)}\n" for cluster in found)
    if output in {Output.JSON, Output.YAML}:
        document = {"clusters": [_document(cluster) for cluster in found]}
        return json_text(document) if output is Output.JSON else yaml_text(document)
    return _table(found, color, wide=output is Output.WIDE)


def _table(found: list[inventory_pb2.ClusterInfo], color: Color, *, wide: bool) -> str:
    from fleetgate_clients.inventory import text  # noqa: PLC0415
    from fleetgate_clients.output.tables import Cell, Column, render_table  # noqa: PLC0415
    from fleetgate_clients.output.terminal import wants_color, width_of  # noqa: PLC0415

    titles = ["NAME", "SET", "STATE", "AGE", "KINDS", "OBJECTS", "CONNECTION"]
    columns = [Column(title) for title in titles]
    columns += [Column("UID"), Column("ALIASES", wraps=True)] if wide else []
    columns.append(Column("REASON", wraps=True))
    rows: list[list[Cell | str]] = []
    for cluster in found:
        state = text.state_of(cluster.state)
        row: list[Cell | str] = [
            cluster.name,
            cluster.cluster_set,
            Cell(state, text.style_of(state)),
            text.age(cluster),
            str(len(cluster.kinds)),
            str(sum(kind.objects for kind in cluster.kinds)),
            text.connection_of(cluster.connection),
        ]
        row += [cluster.uid, ", ".join(cluster.aliases)] if wide else []
        rows.append([*row, cluster.reason])
    return render_table(columns, rows, width=width_of(sys.stdout), color=wants_color(color, sys.stdout))


def _document(cluster: inventory_pb2.ClusterInfo) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415

    from fleetgate_clients.inventory import text  # noqa: PLC0415

    found: dict[str, Any] = MessageToDict(cluster)
    found["state"] = text.state_of(cluster.state)
    found["connection"] = text.connection_of(cluster.connection)
    for kind, message in zip(found.get("kinds", ()), cluster.kinds, strict=True):
        kind["state"] = text.state_of(message.state)
    return found


def _description(cluster: inventory_pb2.ClusterInfo, color: Color) -> str:
    from fleetgate_clients.inventory import text  # noqa: PLC0415
    from fleetgate_clients.output.tables import Cell, Column, render_table  # noqa: PLC0415
    from fleetgate_clients.output.terminal import Paint, printable, wants_color, width_of  # noqa: PLC0415

    colored = wants_color(color, sys.stdout)
    paint, state = Paint(colored), text.state_of(cluster.state)
    facts = {
        "Name": cluster.name,
        "UID": cluster.uid or "not known: it was never reached",
        "Aliases": ", ".join(cluster.aliases),
        "Cluster set": cluster.cluster_set,
        "Labels": ", ".join(f"{key}={value}" for key, value in sorted(cluster.labels.items())),
        "Connection": text.connection_of(cluster.connection),
        "Revision": str(cluster.revision),
        "Age": text.age(cluster),
    }
    lines = [f"{f'{name}:':<13}{printable(value)}" for name, value in facts.items() if value]
    lines.append(f"{'State:':<13}{paint(state, text.style_of(state))}")
    lines += [f"{'':<13}{printable(line)}" for line in text.diagnosis(cluster)]
    head = "".join(f"{line}\n" for line in lines)
    if not cluster.kinds:
        return head
    columns = [Column(title) for title in ("KIND", "VERSION", "STATE", "OBJECTS", "STORED", "RESOURCEVERSION")]
    columns.append(Column("REASON", wraps=True))
    rows: list[list[Cell | str]] = [
        [
            text.kind_name(kind.kind),
            kind.kind.version,
            Cell(text.state_of(kind.state), text.style_of(text.state_of(kind.state))),
            str(kind.objects),
            f"{kind.stored_bytes / 1024:.0f} KiB",
            kind.resource_version,
            kind.reason,
        ]
        for kind in cluster.kinds
    ]
    return head + "\n" + render_table(columns, rows, width=width_of(sys.stdout), color=colored)

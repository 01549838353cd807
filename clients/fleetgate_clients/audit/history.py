"""The verb ``history``: earlier runs, and when violations came and went."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fleetgate_clients.audit.options import (
    ClusterOption,
    ClustersOption,
    ConstraintOption,
    KindOption,
    NamespaceOption,
    scope_of,
)
from fleetgate_clients.inventory.service import (
    CaOption,
    CertOption,
    Connection,
    InsecureOption,
    KeyOption,
    ServerNameOption,
    ServerOption,
    TimeoutOption,
)
from fleetgate_clients.output.terminal import Color, ColorOption

if TYPE_CHECKING:
    from fleetgate_proto.v1 import audit_pb2
    from google.protobuf.timestamp_pb2 import Timestamp

    from fleetgate_clients.audit.service import Audits

EXAMPLES = """\
Examples:
  fleetgate history --server 127.0.0.1:9443 --insecure               # the last runs and what they found
  fleetgate history changes --since 24h --cluster prod-eu1 --server 127.0.0.1:9443 --insecure
  fleetgate history changes --since 2026-11-01 -o json --server 127.0.0.1:9443 --insecure
"""

HELP = """\
Show what the service remembers of its audits: runs, or the changes between them, newest first.

Exit codes: 0 shown, 2 wrong usage or no answer.
"""


class What(StrEnum):
    """What to show."""

    RUNS = "runs"
    CHANGES = "changes"


class Output(StrEnum):
    """``--output``."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def history(  # noqa: PLR0917 (one parameter per option)
    server: ServerOption,
    what: Annotated[What, typer.Argument(help="runs, or changes of violations.")] = What.RUNS,
    since: Annotated[str, typer.Option("--since", metavar="AGE|DATE", help="Only what is younger, as 24h.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    clusters: ClustersOption = "",
    cluster: ClusterOption = None,
    constraint: ConstraintOption = None,
    namespace: NamespaceOption = None,
    kind: KindOption = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to show it.")] = Output.TABLE,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    server_name: ServerNameOption = "",
    insecure: InsecureOption = False,
    timeout: TimeoutOption = 30.0,
    color: ColorOption = Color.AUTO,
) -> None:
    """Show history; see HELP."""
    from fleetgate_clients.audit.service import audits  # noqa: PLC0415 (help and completion do without)

    scope = scope_of(clusters, cluster, constraint, namespace, kind)
    if what is What.RUNS and scope.ByteSize():
        raise typer.BadParameter("runs are of the whole fleet: only changes can be chosen by cluster, kind and so on")
    after = _moment(since)
    connection = Connection(server, ca, cert, key, server_name, insecure, timeout)
    with audits(connection) as service:
        text = (
            _runs(service, after, limit, output, color)
            if what is What.RUNS
            else _changes(service, scope, after, limit, output, color)
        )
    sys.stdout.write(text)


def _moment(since: str) -> Timestamp | None:
    if not since:
        return None
    from google.protobuf.timestamp_pb2 import Timestamp  # noqa: PLC0415

    from fleetgate_clients.audit.moments import moment_of  # noqa: PLC0415

    stamp = Timestamp()
    stamp.FromDatetime(moment_of(since, datetime.now(UTC)))
    return stamp


def _runs(service: Audits, since: Timestamp | None, limit: int, output: Output, color: Color) -> str:
    from fleetgate_proto.v1 import audit_pb2  # noqa: PLC0415

    from fleetgate_clients.audit.collect import Collector  # noqa: PLC0415
    from fleetgate_clients.output.audit import history_text  # noqa: PLC0415

    reports = []
    for summary in service.runs(audit_pb2.ListAuditRunsRequest(since=since), limit):
        collector = Collector()
        collector.end(summary)
        reports.append(collector.report())
    if output is Output.TABLE:
        return history_text.runs_table(reports, *_look(color))
    return _document({"runs": [history_text.run_document(report) for report in reports]}, output)


def _changes(  # noqa: PLR0917
    service: Audits, scope: audit_pb2.AuditScope, since: Timestamp | None, limit: int, output: Output, color: Color
) -> str:
    from fleetgate_proto.v1 import audit_pb2  # noqa: PLC0415

    from fleetgate_clients.output.audit import history_text  # noqa: PLC0415

    found = list(service.changes(audit_pb2.ListViolationChangesRequest(scope=scope, since=since), limit))
    if output is Output.TABLE:
        return history_text.changes_table(found, *_look(color))
    return _document({"changes": [history_text.change_document(change) for change in found]}, output)


def _look(color: Color) -> tuple[int | None, bool]:
    from fleetgate_clients.output.terminal import wants_color, width_of  # noqa: PLC0415

    return width_of(sys.stdout), wants_color(color, sys.stdout)


def _document(document: dict[str, Any], output: Output) -> str:
    from fleetgate_clients.output.documents import json_text, yaml_text  # noqa: PLC0415

    return yaml_text(document) if output is Output.YAML else json_text(document)

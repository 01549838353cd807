"""The verb ``audit``: what of that which exists is against the policies."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from fleetgate_clients.audit.options import (
    FILES_HAVE_NO_LABELS,
    LOCAL_CLUSTER,
    ClusterNameOption,
    ClusterOption,
    ClustersOption,
    ConstraintOption,
    ContextOption,
    ExecCommandOption,
    FilesOption,
    KindOption,
    KubeconfigOption,
    NamespaceOption,
    scope_of,
)
from fleetgate_clients.audit.service import ServerOption, TimeoutOption
from fleetgate_clients.inventory.service import (
    CaOption,
    CertOption,
    Connection,
    InsecureOption,
    KeyOption,
    ServerNameOption,
)
from fleetgate_clients.output.audit import Format
from fleetgate_clients.output.terminal import Color, ColorOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleetgate_proto.v1 import audit_pb2

    from fleetgate_clients.audit.baseline import KnownViolations
    from fleetgate_clients.audit.collect import Collector
    from fleetgate_clients.audit.report import Report, Violation
    from fleetgate_clients.audit.service import Audits
    from fleetgate_clients.audit.writing import ReportWriter

EXAMPLES = """\
Examples:
  # the production clusters, as the service has them cached
  fleetgate audit --clusters stage=production --server pdp.example:9443 --ca ca.pem --cert me.pem --key me.key

  # policies and objects of files, no cluster and no service
  fleetgate audit -f policies/ -f manifests/
  kubectl get pods -A -o json | fleetgate audit -f policies/ -f -
  terraform show -json plan | fleetgate audit -f policies/ -f -

  # clusters of a kubeconfig, by the Constraints that they have, or by those of files
  fleetgate audit --context prod-eu1 --context prod-us1
  fleetgate audit --context prod-eu1 -f policies/

  # fail only on what is new, and keep a page for people
  fleetgate audit -f . -o json > report.json
  fleetgate audit -f . --baseline report.json
  fleetgate convert report.json -o html > report.html
"""

HELP = """\
Say which objects violate which Constraints: of the fleet that a service caches, of clusters, or of files.

Objects are reviewed as Gatekeeper's audit does. A cluster, kind or object that could not be looked at is named and
makes the exit code 3: what is missing is unknown, and never counts as clean.

Exit codes: 0 clean; 1 violations with the action deny; 2 wrong usage, no answer, a policy is refused, or no cluster or
Constraint is what --clusters or --constraint says; 3 partial; 4 violations with the action warn, with --fail-on-warn.
Where several apply 2 goes before 3, 3 before 1, 1 before 4. --exit-zero turns 1 and 4 into 0. With --baseline only new
violations count. 130 if interrupted.
"""


def audit(  # noqa: PLR0917 (one parameter per option)
    server: ServerOption = "",
    filename: FilesOption = None,
    context: ContextOption = None,
    clusters: ClustersOption = "",
    cluster: ClusterOption = None,
    constraint: ConstraintOption = None,
    namespace: NamespaceOption = None,
    kind: KindOption = None,
    since: Annotated[
        str, typer.Option("--since", metavar="AGE|DATE", help="Only violations first seen since, as 24h.")
    ] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on: new (+) and fixed (-) as it happens.")] = False,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", metavar="REPORT", help="JSON report whose violations are known.")
    ] = None,
    output: Annotated[Format, typer.Option("-o", "--output", help="What to write.")] = Format.TABLE,
    fail_on_warn: Annotated[bool, typer.Option("--fail-on-warn", help="Exit with 4 where something warns.")] = False,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit with 0 instead of 1 or 4.")] = False,
    cluster_name: ClusterNameOption = LOCAL_CLUSTER,
    kubeconfig: KubeconfigOption = None,
    exec_command: ExecCommandOption = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    server_name: ServerNameOption = "",
    insecure: InsecureOption = False,
    timeout: TimeoutOption = 3_600.0,
    color: ColorOption = Color.AUTO,
) -> None:
    """Audit; see HELP."""
    from fleetgate_clients.audit.exit_codes import INTERRUPTED, exit_code  # noqa: PLC0415 (help and completion do without)
    from fleetgate_clients.audit.writing import ReportWriter  # noqa: PLC0415

    _check(
        server,
        filename,
        context,
        clusters,
        dials=bool(kubeconfig or exec_command),
        since=since,
        watch=watch,
        output=output,
    )
    scope = scope_of(clusters, cluster, constraint, namespace, kind)
    known = _known(baseline)
    writer = ReportWriter(output, color, known, quiet=quiet)
    try:
        if server:
            connection = Connection(server, ca, cert, key, server_name, insecure, timeout)
            if watch:
                _follow(connection, scope, output, color)
            report = _of_service(connection, scope, since, writer)
        else:
            where = _Where(context or [], str(kubeconfig or ""), exec_command or [], timeout)
            report = _of_local(filename or [], where, cluster_name, scope, writer)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(exit_code(report, fail_on_warn=fail_on_warn, exit_zero=exit_zero))


def _check(
    server: str,
    filename: list[str] | None,
    context: list[str] | None,
    clusters: str,
    *,
    dials: bool,
    since: str,
    watch: bool,
    output: Format,
) -> None:
    if not server and not filename and not context:
        raise typer.BadParameter("say what to audit: --server, -f or --context")
    if server and (filename or context):
        raise typer.BadParameter("--server has its own policies and objects: leave -f and --context out")
    if clusters and not server and not context:
        raise typer.BadParameter(FILES_HAVE_NO_LABELS)
    if dials and not context:
        raise typer.BadParameter("--kubeconfig and --exec-command say how to read clusters: name one with --context")
    if (since or watch) and not server:
        raise typer.BadParameter("--since and --watch need a --server, which remembers and follows")
    if since and watch:
        raise typer.BadParameter("--since and --watch exclude each other")
    if watch and output not in {Format.TABLE, Format.JSONL}:
        raise typer.BadParameter("--watch writes -o table or -o jsonl")


def _known(baseline: Path | None) -> KnownViolations | None:
    if baseline is None:
        return None
    from fleetgate_clients.audit.baseline import KnownViolations  # noqa: PLC0415
    from fleetgate_clients.audit.files import read_report  # noqa: PLC0415

    return KnownViolations(read_report(str(baseline)))


def _of_service(connection: Connection, scope: audit_pb2.AuditScope, since: str, writer: ReportWriter) -> Report:
    from fleetgate_proto.v1 import audit_pb2  # noqa: PLC0415
    from msgspec.structs import replace  # noqa: PLC0415

    from fleetgate_clients.audit.chosen import check_chosen  # noqa: PLC0415
    from fleetgate_clients.audit.moments import moment_of  # noqa: PLC0415
    from fleetgate_clients.audit.service import audits  # noqa: PLC0415

    with audits(connection) as service:
        if not since:
            collector = writer.collector()
            reason = writer.take_all(collector, service.run(audit_pb2.RunAuditRequest(scope=scope)))
        else:
            # Only the continuous audit remembers when a violation was seen first.
            moment = moment_of(since, datetime.now(UTC))
            collector = writer.collector(wanted=_seen_since(moment))
            reason = ""
            _take_existing(collector, service, scope)
        report = collector.report(reason)
        if since:
            report = replace(report, since=f"{moment:%Y-%m-%dT%H:%M:%SZ}")
        check_chosen(report, scope, service.constraints)
    writer.write(report)
    return report


def _take_existing(collector: Collector, service: Audits, scope: audit_pb2.AuditScope) -> None:
    """Take what is violated now. What the run was is only known at the end: without it there is no report."""
    from fleetgate_proto.v1 import audit_pb2  # noqa: PLC0415

    from fleetgate_clients.audit.service import CutOff  # noqa: PLC0415

    existing, reason = [], "it ended early"
    try:
        for message in service.watch(audit_pb2.WatchAuditRequest(scope=scope), endless=False):
            which = message.WhichOneof("message")
            if which == "existing":
                existing.append(message.existing)
            elif which == "synced":
                collector.end(message.synced)
                for findings in existing:
                    collector.find(findings)
                return
    except CutOff as cut:
        reason = str(cut)
    _fail_partly(f"the answer was cut off: {reason}")


def _seen_since(since: datetime) -> Callable[[Violation], bool]:
    """Whether a violation is first seen since then; one whose beginning is not known could be."""
    return lambda violation: not violation.first_seen or datetime.fromisoformat(violation.first_seen) >= since


def _follow(connection: Connection, scope: audit_pb2.AuditScope, output: Format, color: Color) -> NoReturn:
    from fleetgate_clients.audit.service import CutOff, audits  # noqa: PLC0415
    from fleetgate_clients.audit.watch import followed  # noqa: PLC0415

    with audits(connection) as service:
        try:
            for text in followed(service, scope, output, color):
                sys.stdout.write(text)
                sys.stdout.flush()
            reason = "the service ended the stream"
        except CutOff as cut:
            reason = str(cut)
    _fail_partly(f"the watch was cut off: {reason}")


def _fail_partly(words: str) -> NoReturn:
    from fleetgate_clients.audit.exit_codes import PARTIAL  # noqa: PLC0415
    from fleetgate_clients.output.terminal import printable  # noqa: PLC0415

    typer.echo(f"error: {printable(words)}", err=True)
    raise typer.Exit(PARTIAL)


@dataclass(frozen=True, slots=True)
class _Where:
    """Clusters to read, and how."""

    contexts: list[str]
    kubeconfig: str
    exec_commands: list[str]
    timeout: float


def _of_local(
    filename: list[str], where: _Where, cluster_name: str, scope: audit_pb2.AuditScope, writer: ReportWriter
) -> Report:
    from fleetgate_proto.v1 import audit_pb2  # noqa: PLC0415

    from fleetgate_clients.audit.chosen import check_chosen, check_constraints  # noqa: PLC0415
    from fleetgate_clients.audit.files import need_constraints, need_objects, read_manifests  # noqa: PLC0415
    from fleetgate_clients.audit.files_as_cluster import load  # noqa: PLC0415
    from fleetgate_clients.audit.local import LocalEngineError, local_engine  # noqa: PLC0415
    from fleetgate_clients.inventory.service import fail  # noqa: PLC0415

    # Nothing else says which kinds of a cluster policies of files see; a cluster's own have its Config for that.
    engine = local_engine(syncs_referenced=bool(where.contexts and filename))
    try:
        read = None
        manifests = read_manifests(filename, engine.documents) if filename else None
        names = manifests.constraints if manifests is not None else []
        if where.contexts:
            if manifests is not None:
                if not all(item.is_policy for item in manifests.objects):
                    fail("with --context the files are policies: the objects are those of the clusters")
                engine.load_policies(manifests.policies)
                need_constraints(manifests, filename)
            engine.connect(
                where.contexts,
                kubeconfig=where.kubeconfig,
                exec_commands=where.exec_commands,
                own_policies=manifests is None,
                timeout_seconds=where.timeout,
            )
        elif manifests is not None:
            read = load(engine, manifests, cluster_name)
            need_constraints(manifests, filename)
            need_objects(manifests, filename)
            del manifests
        if names:
            # Files have all that there are, also where objects are not looked at.
            check_constraints(scope.constraints, names)
        collector = writer.collector(read)
        messages = map(
            audit_pb2.RunAuditResponse.FromString,
            engine.audit(audit_pb2.RunAuditRequest(scope=scope).SerializeToString()),
        )
        reason = writer.take_all(collector, messages)
        report = collector.report(reason)
        if read is not None:
            report = read.complete(report)
        check_chosen(report, scope, lambda: names)
        writer.write(report)
    except LocalEngineError as error:
        fail(str(error))
    finally:
        engine.close()
    return report

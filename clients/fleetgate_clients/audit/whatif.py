"""The verb ``whatif``: what would be denied if other policies were published, or whether objects would be admitted."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from fleetgate_clients.audit.options import (
    FILES_HAVE_NO_LABELS,
    LOCAL_CLUSTER,
    ClusterNameOption,
    ClusterOption,
    ClustersOption,
    ConstraintOption,
    FilesOption,
    KindOption,
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
from fleetgate_clients.output.terminal import Color, ColorOption

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetgate_proto.v1 import audit_pb2

    from fleetgate_clients.audit.comparison import Comparison
    from fleetgate_clients.manifests.reading import Manifests

EXAMPLES = """\
Examples:
  # what would these policies newly deny, if they were all that the fleet has?
  fleetgate whatif -f policies/ --server pdp.example:9443 --ca ca.pem --cert me.pem --key me.key

  # the same for one bundle, on the production clusters
  fleetgate whatif -f policies/ --bundle team-a --clusters stage=production --server 127.0.0.1:9443 --insecure

  # before a deployment: would these objects be admitted, in each cluster?
  helm template chart | fleetgate whatif -f - --clusters stage=production --server 127.0.0.1:9443 --insecure

  # without a service: policies of today and of tomorrow, and the objects that there are
  fleetgate whatif --published policies/ -f proposed/ -f objects.json
"""

HELP = """\
Compare proposed policies with the published ones, on everything that is cached, before anything is rolled out: what
would be newly denied, what newly allowed, by cluster, namespace and owner. Nothing is published.

Files with policies propose them: in place of the bundle that --bundle names, or else of all policies of the fleet.
Files with objects ask whether these would be admitted, in every chosen cluster. Without --server the objects are those
that there are, and --published names the policies of today.

Exit codes: 0 nothing would be newly denied, 1 something would, or an object that was asked about; 2 wrong usage, no
answer, a policy is refused, or there is no such cluster or Constraint; 3 the answer is partial, or something in the
files was not looked at. 130 if interrupted.
"""


class Output(StrEnum):
    """``--output``."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def whatif(  # noqa: PLR0917 (one parameter per option)
    filename: FilesOption = None,
    server: ServerOption = "",
    bundle: Annotated[str, typer.Option("--bundle", help="The bundle that the policies would replace.")] = "",
    published: Annotated[
        list[str] | None,
        typer.Option("--published", metavar="PATH", help="Without --server: policies of today.", show_default=False),
    ] = None,
    clusters: ClustersOption = "",
    cluster: ClusterOption = None,
    constraint: ConstraintOption = None,
    namespace: NamespaceOption = None,
    kind: KindOption = None,
    unchanged: Annotated[bool, typer.Option("--unchanged", help="Show objects whose verdict stays, too.")] = False,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to show it.")] = Output.TABLE,
    cluster_name: ClusterNameOption = LOCAL_CLUSTER,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    server_name: ServerNameOption = "",
    insecure: InsecureOption = False,
    timeout: TimeoutOption = 3_600.0,
    color: ColorOption = Color.AUTO,
) -> None:
    """Compare; see HELP."""
    from fleetgate_proto.v1 import audit_pb2  # noqa: PLC0415 (help and completion do without)

    from fleetgate_clients.audit.exit_codes import CLEAN, INTERRUPTED, PARTIAL, VIOLATED  # noqa: PLC0415

    if not filename:
        raise typer.BadParameter("name policies, or objects, with -f")
    if clusters and not server:
        raise typer.BadParameter(FILES_HAVE_NO_LABELS)
    if server and published:
        raise typer.BadParameter("--published is for files: a --server knows what is published")
    request = audit_pb2.WhatIfRequest(
        scope=scope_of(clusters, cluster, constraint, namespace, kind), bundle=bundle, unchanged=unchanged
    )
    try:
        if server:
            connection = Connection(server, ca, cert, key, server_name, insecure, timeout)
            found = _of_service(connection, filename, request, quiet=quiet)
        else:
            found = _of_local(filename, published or [], cluster_name, request, quiet=quiet)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    _check_chosen(found, request.scope)
    sys.stdout.write(_text(found, output, color))
    if not found.complete:
        raise typer.Exit(PARTIAL)
    # Objects that are asked about are denied whether or not they were before.
    is_denied = found.denied if found.written else found.newly_denied
    raise typer.Exit(VIOLATED if is_denied else CLEAN)


def _check_chosen(found: Comparison, scope: audit_pb2.AuditScope) -> None:
    from fleetgate_clients.audit.chosen import warn_of_no_objects  # noqa: PLC0415
    from fleetgate_clients.inventory.service import fail, no_cluster_words  # noqa: PLC0415

    if found.summary is not None and not found.clusters:
        fail(no_cluster_words(scope.cluster_selector))
    if found.complete and found.objects == 0:
        warn_of_no_objects(scope)


def _of_service(
    connection: Connection, filename: list[str], request: audit_pb2.WhatIfRequest, *, quiet: bool
) -> Comparison:
    from fleetgate_clients.audit.chosen import check_constraints  # noqa: PLC0415
    from fleetgate_clients.audit.comparison import Comparison  # noqa: PLC0415
    from fleetgate_clients.audit.files import need_some, read_manifests  # noqa: PLC0415
    from fleetgate_clients.audit.files_as_cluster import not_reviewed_of  # noqa: PLC0415
    from fleetgate_clients.audit.service import audits  # noqa: PLC0415
    from fleetgate_clients.manifests.yaml_documents import yaml_documents  # noqa: PLC0415

    manifests = read_manifests(filename, yaml_documents)
    need_some(manifests, filename)
    _propose(request, manifests)
    request.objects.extend(item.json for item in manifests.objects if not item.is_policy)
    with audits(connection) as service:
        published = service.constraints() if request.scope.constraints else None
        if published is not None:
            check_constraints(request.scope.constraints, published | set(manifests.constraints))
        # An object without a name is reviewed, too: admission sees it as it is written.
        found = Comparison(not_reviewed=not_reviewed_of(manifests), written=bool(request.objects))
        return _compared(found, service.what_if(request), quiet=quiet)


def _of_local(
    filename: list[str], published: list[str], cluster_name: str, request: audit_pb2.WhatIfRequest, *, quiet: bool
) -> Comparison:
    from fleetgate_proto.v1 import audit_pb2  # noqa: PLC0415

    from fleetgate_clients.audit.chosen import check_constraints  # noqa: PLC0415
    from fleetgate_clients.audit.comparison import Comparison  # noqa: PLC0415
    from fleetgate_clients.audit.files import need_constraints, need_objects, read_manifests  # noqa: PLC0415
    from fleetgate_clients.audit.files_as_cluster import files_read  # noqa: PLC0415
    from fleetgate_clients.audit.local import LocalEngineError, local_engine  # noqa: PLC0415
    from fleetgate_clients.inventory.service import fail  # noqa: PLC0415

    engine = local_engine()
    try:
        manifests = read_manifests(filename, engine.documents)
        need_constraints(manifests, filename, "-f names the policies of tomorrow, --published those of today")
        need_objects(manifests, filename)
        today = read_manifests(published, engine.documents)
        if published:
            need_constraints(today, published)
        check_constraints(request.scope.constraints, {*today.constraints, *manifests.constraints})
        engine.load_policies(today.policies)
        engine.load_objects(cluster_name, (item.json for item in manifests.objects if item.name and not item.is_policy))
        _propose(request, manifests)
        read = files_read(manifests, cluster_name)
        found = Comparison(errors=list(read.problems), not_reviewed=read.not_reviewed)
        messages = engine.what_if(request.SerializeToString())
        return _compared(found, map(audit_pb2.WhatIfResponse.FromString, messages), quiet=quiet)
    except LocalEngineError as error:
        fail(str(error))
    finally:
        engine.close()


def _propose(request: audit_pb2.WhatIfRequest, manifests: Manifests) -> None:
    for path, content in manifests.policies:
        request.files.add(path=path, content=content)


def _compared(found: Comparison, messages: Iterable[audit_pb2.WhatIfResponse], *, quiet: bool) -> Comparison:
    from fleetgate_clients.audit.progress import reported  # noqa: PLC0415
    from fleetgate_clients.audit.service import CutOff  # noqa: PLC0415

    try:
        for message in reported(messages, quiet=quiet, busy_terminal=False):
            found.take(message)
    except CutOff as cut:
        found.reason = str(cut)
    return found


def _text(found: Comparison, output: Output, color: Color) -> str:
    from fleetgate_clients.output.audit import Look  # noqa: PLC0415
    from fleetgate_clients.output.audit.whatif_text import comparison_document, comparison_parts  # noqa: PLC0415
    from fleetgate_clients.output.documents import json_text, yaml_text  # noqa: PLC0415
    from fleetgate_clients.output.terminal import wants_color, width_of  # noqa: PLC0415

    if output is Output.TABLE:
        look = Look(width_of(sys.stdout), wants_color(color, sys.stdout))
        return "".join(comparison_parts(found, look))
    document = comparison_document(found)
    return yaml_text(document) if output is Output.YAML else json_text(document)

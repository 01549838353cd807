"""The verb ``explain``: what each Constraint thinks of one object, and why."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleetgate_clients.audit.options import LOCAL_CLUSTER, ClusterNameOption, FilesOption
from fleetgate_clients.audit.service import ServerOption
from fleetgate_clients.inventory.service import (
    CaOption,
    CertOption,
    Connection,
    InsecureOption,
    KeyOption,
    ServerNameOption,
    TimeoutOption,
)
from fleetgate_clients.output.terminal import Color, ColorOption

if TYPE_CHECKING:
    from fleetgate_proto.v1 import audit_pb2

    from fleetgate_clients.manifests.objects import Manifest
    from fleetgate_clients.manifests.reading import YamlReader

EXAMPLES = """\
Examples:
  # why is this object denied, or why is it not?
  fleetgate explain pod.yaml -f policies/
  fleetgate explain prod-eu1/team-a/Pod/web --server 127.0.0.1:9443 --insecure
  fleetgate explain prod-eu1/Namespace/team-a --server 127.0.0.1:9443 --insecure

  # a manifest, as the service would review it for a cluster; all of it as JSON
  fleetgate explain pod.yaml --cluster prod-eu1 -o json --server 127.0.0.1:9443 --insecure
"""

HELP = """\
Say of one object what each Constraint thinks of it: whether it matched, or which criterion did not hold and what was
found instead; the parameters; each message, and the line of the template's Rego that made it; which objects were read;
the time.

OBJECT is a file (- for standard input), or, with --server, a cached object: CLUSTER/NAMESPACE/KIND/NAME, or
CLUSTER/KIND/NAME for objects that have no namespace. Of a file with several objects each is explained, one after the
other, with -o json and yaml a document for each.

Exit codes: 0 all are allowed, 1 one is denied, 2 wrong usage, no answer or no such object, 3 a Constraint gave no
answer.
"""


class Output(StrEnum):
    """``--output``."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


def explain(  # noqa: PLR0917 (one parameter per option)
    subject: Annotated[str, typer.Argument(metavar="OBJECT", help="A file, or CLUSTER/NAMESPACE/KIND/NAME.")],
    filename: FilesOption = None,
    server: ServerOption = "",
    cluster: Annotated[
        str, typer.Option("--cluster", help="With --server and a file: the cluster that would have it.")
    ] = "",
    matched: Annotated[bool, typer.Option("--matched", help="Leave out Constraints that do not match.")] = False,
    output: Annotated[Output, typer.Option("-o", "--output", help="How to show it.")] = Output.TEXT,
    cluster_name: ClusterNameOption = LOCAL_CLUSTER,
    ca: CaOption = None,
    cert: CertOption = None,
    key: KeyOption = None,
    server_name: ServerNameOption = "",
    insecure: InsecureOption = False,
    timeout: TimeoutOption = 30.0,
    color: ColorOption = Color.AUTO,
) -> None:
    """Explain; see HELP."""
    from fleetgate_clients.audit.exit_codes import CLEAN, PARTIAL, VIOLATED  # noqa: PLC0415
    from fleetgate_clients.output.audit.explain_text import explanation_document, explanation_lines  # noqa: PLC0415
    from fleetgate_clients.output.documents import json_text, yaml_text  # noqa: PLC0415
    from fleetgate_clients.output.terminal import wants_color, width_of  # noqa: PLC0415

    if bool(server) == bool(filename):
        raise typer.BadParameter("name a --server, or policies with -f")
    if cluster and not server:
        raise typer.BadParameter("--cluster is one of a --server; --cluster-name says what that of the files is called")
    if server:
        connection = Connection(server, ca, cert, key, server_name, insecure, timeout)
        answers = _of_service(connection, subject, cluster)
    else:
        answers = _of_local(subject, filename or [], cluster_name)
    for number, answer in enumerate(answers):
        if output is Output.TEXT:
            lines = explanation_lines(answer, width_of(sys.stdout), wants_color(color, sys.stdout), matched=matched)
            sys.stdout.write("\n" * bool(number) + "".join(f"{line}\n" for line in lines))
        elif output is Output.JSON:
            sys.stdout.write(json_text(explanation_document(answer, matched=matched)))
        else:
            sys.stdout.write("---\n" * bool(number) + yaml_text(explanation_document(answer, matched=matched)))
    decisions = [answer.decision for answer in answers]
    if any(decision.HasField("review_error") or decision.constraint_errors for decision in decisions):
        raise typer.Exit(PARTIAL)
    raise typer.Exit(CLEAN if all(decision.allowed for decision in decisions) else VIOLATED)


def _of_service(connection: Connection, subject: str, cluster: str) -> list[audit_pb2.ExplainResponse]:
    from fleetgate_proto.v1 import audit_pb2  # noqa: PLC0415 (help and completion do without)

    from fleetgate_clients.audit.service import audits  # noqa: PLC0415
    from fleetgate_clients.manifests.yaml_documents import yaml_documents  # noqa: PLC0415

    if _is_file(subject):
        requests = [_reviewed(found, cluster) for found in _objects(subject, yaml_documents)]
    else:
        requests = [audit_pb2.ExplainRequest(cached=_cached(subject))]
    with audits(connection) as service:
        return [service.explain(request) for request in requests]


def _of_local(subject: str, filename: list[str], cluster_name: str) -> list[audit_pb2.ExplainResponse]:
    from fleetgate_proto.v1 import audit_pb2  # noqa: PLC0415

    from fleetgate_clients.audit.files import need_constraints, read_manifests  # noqa: PLC0415
    from fleetgate_clients.audit.files_as_cluster import load  # noqa: PLC0415
    from fleetgate_clients.audit.local import LocalEngineError, local_engine  # noqa: PLC0415
    from fleetgate_clients.inventory.service import fail  # noqa: PLC0415

    engine = local_engine()
    try:
        # What else the files hold is the cluster that the object would be in.
        manifests = read_manifests(filename, engine.documents)
        load(engine, manifests, cluster_name)
        need_constraints(manifests, filename)
        requests = [_reviewed(found, cluster_name) for found in _objects(subject, engine.documents)]
        explained = [engine.explain(request.SerializeToString()) for request in requests]
        return [audit_pb2.ExplainResponse.FromString(answer) for answer in explained]
    except LocalEngineError as error:
        fail(str(error))
    finally:
        engine.close()


def _reviewed(found: Manifest, cluster: str) -> audit_pb2.ExplainRequest:
    """An object of a file, as a review in a cluster."""
    from fleetgate_proto.v1 import audit_pb2, review_pb2  # noqa: PLC0415

    return audit_pb2.ExplainRequest(
        review=review_pb2.ReviewRequest(
            cluster=cluster, object=found.json, source=review_pb2.SOURCE_ORIGINAL, explain=True
        )
    )


def _is_file(subject: str) -> bool:
    return subject == "-" or Path(subject).exists()


def _objects(subject: str, yaml: YamlReader) -> list[Manifest]:
    """The objects of a file. Ends the command, exit code 2, where there is none."""
    from fleetgate_clients.audit.files import read_manifests  # noqa: PLC0415
    from fleetgate_clients.inventory.service import fail  # noqa: PLC0415

    found = read_manifests([subject], yaml).objects
    if not found:
        fail(f"{'standard input' if subject == '-' else subject}: it holds no object")
    return found


def _cached(subject: str) -> audit_pb2.CachedObject:
    from fleetgate_proto.v1 import audit_pb2  # noqa: PLC0415

    match subject.split("/"):
        case [cluster, namespace, kind, name] if cluster and kind and name:
            return audit_pb2.CachedObject(cluster=cluster, namespace=namespace, kind=kind, name=name)
        case [cluster, kind, name] if cluster and kind and name:
            return audit_pb2.CachedObject(cluster=cluster, kind=kind, name=name)
    raise typer.BadParameter(f"{subject!r} is neither a file nor CLUSTER/NAMESPACE/KIND/NAME nor CLUSTER/KIND/NAME")

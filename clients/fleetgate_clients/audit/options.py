"""Options that several verbs have: what to look at, and where policies and objects come from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fleetgate_proto.v1 import audit_pb2

FilesOption = Annotated[
    list[str] | None,
    typer.Option("-f", "--filename", metavar="PATH", help="File, directory or - (standard input).", show_default=False),
]
ClustersOption = Annotated[
    str, typer.Option("--clusters", metavar="SELECTOR", help="Clusters whose labels match, as kubectl -l.")
]
ClusterOption = Annotated[
    list[str] | None, typer.Option("--cluster", help="A cluster by name or alias; repeatable.", show_default=False)
]
ConstraintOption = Annotated[
    list[str] | None,
    typer.Option("--constraint", metavar="KIND[/NAME]", help="A Constraint; repeatable.", show_default=False),
]
NamespaceOption = Annotated[
    list[str] | None, typer.Option("-n", "--namespace", help="Objects of a namespace; repeatable.", show_default=False)
]
KindOption = Annotated[
    list[str] | None,
    typer.Option("--kind", help="A kind, as Pod, pods, ingresses.networking.k8s.io; repeatable.", show_default=False),
]
ClusterNameOption = Annotated[
    str, typer.Option("--cluster-name", help="With files: what their cluster is called, for policies that ask.")
]
ContextOption = Annotated[
    list[str] | None,
    typer.Option("--context", help="Read this context's cluster; repeatable.", show_default=False),
]
KubeconfigOption = Annotated[
    Path | None, typer.Option("--kubeconfig", help="With --context. [default: $KUBECONFIG, ~/.kube/config]")
]
ExecCommandOption = Annotated[
    list[str] | None,
    typer.Option(
        "--exec-command",
        metavar="COMMAND",
        help="Credential plug-in that the kubeconfig may run, as it is written there; repeatable.",
        show_default=False,
    ),
]

LOCAL_CLUSTER = "local"
FILES_HAVE_NO_LABELS = "--clusters chooses among a --server's clusters: those of files have no labels"


def scope_of(
    clusters: str,
    cluster: list[str] | None,
    constraint: list[str] | None,
    namespace: list[str] | None,
    kind: list[str] | None,
) -> audit_pb2.AuditScope:
    """What the options choose."""
    from fleetgate_proto.v1 import audit_pb2  # noqa: PLC0415 (help and completion do without)

    return audit_pb2.AuditScope(
        cluster_selector=clusters,
        clusters=cluster or [],
        constraints=constraint or [],
        namespaces=namespace or [],
        kinds=kind or [],
    )

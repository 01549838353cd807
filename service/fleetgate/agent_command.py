"""The verb ``agent``: streams the objects of the cluster that it runs in. What it needs is imported when it runs."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fleetgate.engine import Agent

UNUSABLE = 2
_LOOK_SECONDS = 1.0
_LOGGER = logging.getLogger("fleetgate.agent")

AGENT_EXAMPLES = """Examples:
fleetgate agent --endpoint https://fleetgate.example:9444 --certificate tls.crt --key tls.key --ca ca.crt
fleetgate agent --endpoint https://a.example:9444 --endpoint https://b.example:9444 \\
    --certificate tls.crt --key tls.key --ca ca.crt --kubeconfig ~/.kube/config
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("agent", epilog=AGENT_EXAMPLES, short_help="Stream this cluster's objects to the service.")(agent)


def agent(  # noqa: PLR0917 (each is an option of the command)
    endpoints: Annotated[
        list[str],
        typer.Option(
            "--endpoint",
            metavar="URL",
            help="https://host:port of a replica's --feed-listen. Repeat it for each replica.",
            envvar="FLEETGATE_AGENT_ENDPOINTS",
        ),
    ],
    certificate: Annotated[
        Path,
        typer.Option(help="PEM file; its URI SAN ends in /cluster/NAME/sync.", envvar="FLEETGATE_AGENT_CERTIFICATE"),
    ],
    key: Annotated[Path, typer.Option(help="PEM file with the private key.", envvar="FLEETGATE_AGENT_KEY")],
    ca: Annotated[Path, typer.Option(help="PEM file with the CAs of the service.", envvar="FLEETGATE_AGENT_CA")],
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            help="Kubeconfig of the cluster. Without it the Pod's ServiceAccount is used.",
            envvar="FLEETGATE_AGENT_KUBECONFIG",
            show_default=False,
        ),
    ] = None,
    context: Annotated[
        str, typer.Option(help="Its context; the current one where none is given.", show_default=False)
    ] = "",
    server_name: Annotated[
        str,
        typer.Option(
            help="Name in the service's certificate, where it is not the endpoint's host.",
            envvar="FLEETGATE_AGENT_SERVER_NAME",
            show_default=False,
        ),
    ] = "",
    exec_commands: Annotated[
        list[str] | None,
        typer.Option(
            "--exec-command",
            metavar="COMMAND",
            help="Credential plug-in that the kubeconfig may run, as it is written there. Repeatable.",
            envvar="FLEETGATE_AGENT_EXEC_COMMANDS",
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="KEY=VALUE",
            help="Label of the cluster, for the selectors of policies. Repeatable.",
            envvar="FLEETGATE_AGENT_LABELS",
        ),
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    log_format: Annotated[str, typer.Option(help="json, text or auto.")] = "auto",
) -> None:
    """Stream the objects of a cluster to the service, which says what it wants to see.

    Connections go outwards only. The service is told what changed, answers with what is safe with it, and asks for the
    writes that policies need. Certificates are read again at each connection.

    Exits with 0 after SIGTERM or SIGINT, 2 where something is wrong from the start.
    """
    from fleetgate.clusters.kubeconfig import KubeconfigInvalid, read_context  # noqa: PLC0415 (keeps `--help` quick)
    from fleetgate.engine import Agent, DialError  # noqa: PLC0415
    from fleetgate.telemetry import logs  # noqa: PLC0415

    logs.configure(log_level, log_format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        running = Agent(
            endpoints,
            certificate=certificate,
            key=key,
            ca=ca,
            kubeconfig=read_context(kubeconfig, context, exec_commands or []) if kubeconfig else "",
            server_name=server_name,
            exec_commands=exec_commands or [],
            labels=_labels(labels or []),
        )
    except (DialError, KubeconfigInvalid, OSError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(UNUSABLE) from error
    try:
        _tell(running, stop)
    finally:
        running.close()


def _labels(written: list[str]) -> dict[str, str]:
    """``KEY=VALUE`` as a mapping. Raises ValueError."""
    found: dict[str, str] = {}
    for entry in written:
        key, separator, value = entry.partition("=")
        if not key or not separator:
            raise ValueError(f"--label: {entry!r} is not KEY=VALUE")
        if key.partition("/")[0].endswith("fleetgate.dev"):
            raise ValueError(f"--label: {key!r} is not the agent's to say; `feed.cluster_sets` of the service is")
        found[key] = value
    return found


def _tell(running: Agent, stop: threading.Event) -> None:
    """Log what changes about the streams, until told to stop."""
    told: dict[str, tuple[bool, str]] = {}
    while not stop.wait(_LOOK_SECONDS):
        for endpoint, welcomed, reason in running.status():
            if told.get(endpoint) == (welcomed, reason):
                continue
            told[endpoint] = (welcomed, reason)
            if welcomed:
                _LOGGER.info("streaming", extra={"fields": {"endpoint": endpoint}})
            elif reason:
                _LOGGER.warning("not streaming: %s", reason, extra={"fields": {"endpoint": endpoint}})

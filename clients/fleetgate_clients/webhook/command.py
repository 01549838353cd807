"""The verb ``webhook``. Imports nothing heavy: help and completion read it."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

HELP = """\
The admission webhook of one cluster: takes AdmissionReviews from its API server over HTTPS, asks the policy service,
answers as Gatekeeper does. Every option may come from the environment (FLEETGATE_WEBHOOK_...).
"""

EXAMPLES = """\
Examples:
  # in the cluster: certificates from a mounted Secret, Namespaces by the Pod's service account
  fleetgate webhook --cluster prod-eu1 --server pdp-0.pdp:9443 --server pdp-1.pdp:9443 \\
      --server-ca /certs/ca.crt --server-cert /certs/client.crt --server-key /certs/client.key \\
      --tls-cert /certs/tls.crt --tls-key /certs/tls.key

  # outside of the cluster, believing only its API server
  fleetgate webhook --cluster lab --server pdp.example:9443 --server-ca ca.crt --kubeconfig ~/.kube/config \\
      --tls-cert tls.crt --tls-key tls.key --client-ca apiserver-ca.crt --client-cn kube-apiserver

  # a try on this machine, without TLS and without a cluster
  fleetgate webhook --cluster dev --server 127.0.0.1:9443 --server-insecure \\
      --insecure --listen 127.0.0.1:8443 --namespaces-from namespaces.yaml
"""

EXIT_USAGE = 2

_LISTENER = "Listener (the API server's side)"
_SERVICE = "Policy service"
_NAMESPACES = "Namespaces"
_BEHAVIOUR = "Behaviour"
_OPERATION = "Operation"


class OnUnavailableOption(StrEnum):
    """``--on-unavailable``."""

    FAILURE_POLICY = "failure-policy"
    DENY = "deny"
    ALLOW = "allow"


class OnOversizeOption(StrEnum):
    """``--on-oversize``."""

    DENY = "deny"
    FAILURE_POLICY = "failure-policy"


class ErrorsAsOption(StrEnum):
    """``--errors-as``."""

    DENY_500 = "deny-500"
    FAILURE_POLICY = "failure-policy"


class LogLevel(StrEnum):
    """``--log-level``."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """``--log-format``."""

    JSON = "json"
    TEXT = "text"


def _env(name: str) -> str:
    return f"FLEETGATE_WEBHOOK_{name}"


def webhook(  # noqa: PLR0917 (the options of a verb)
    cluster: Annotated[
        str, typer.Option(help="Name of the cluster, as the service knows it.", envvar=_env("CLUSTER"))
    ] = "",
    server: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Policy service; repeat it for replicas.",
            envvar=_env("SERVER"),
            rich_help_panel=_SERVICE,
        ),
    ] = None,
    server_ca: Annotated[
        Path | None,
        typer.Option(
            help="Authority of the service's certificate (default: the system's).",
            envvar=_env("SERVER_CA"),
            rich_help_panel=_SERVICE,
        ),
    ] = None,
    server_cert: Annotated[
        Path | None,
        typer.Option(
            help="Certificate that names this cluster to the service.",
            envvar=_env("SERVER_CERT"),
            rich_help_panel=_SERVICE,
        ),
    ] = None,
    server_key: Annotated[
        Path | None, typer.Option(help="Its key.", envvar=_env("SERVER_KEY"), rich_help_panel=_SERVICE)
    ] = None,
    server_name: Annotated[
        str,
        typer.Option(
            help="Name in the service's certificate, where it is not the host.",
            envvar=_env("SERVER_NAME"),
            rich_help_panel=_SERVICE,
        ),
    ] = "",
    server_insecure: Annotated[
        bool,
        typer.Option(
            "--server-insecure",
            help="Plaintext to the service, loopback only.",
            envvar=_env("SERVER_INSECURE"),
            rich_help_panel=_SERVICE,
        ),
    ] = False,
    listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Address for admission requests, /healthz and /readyz.",
            envvar=_env("LISTEN"),
            rich_help_panel=_LISTENER,
        ),
    ] = ":8443",
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            help="Serving certificate (chain); reloaded when it changes.",
            envvar=_env("TLS_CERT"),
            rich_help_panel=_LISTENER,
        ),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Its key.", envvar=_env("TLS_KEY"), rich_help_panel=_LISTENER)
    ] = None,
    client_ca: Annotated[
        Path | None,
        typer.Option(
            help="Ask for a client certificate of this authority on /v1/admit.",
            envvar=_env("CLIENT_CA"),
            rich_help_panel=_LISTENER,
        ),
    ] = None,
    client_cn: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Common name that the client certificate may have; repeat it. Default: any.",
            envvar=_env("CLIENT_CN"),
            rich_help_panel=_LISTENER,
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Plain HTTP, loopback only.", envvar=_env("INSECURE"), rich_help_panel=_LISTENER
        ),
    ] = False,
    max_connections: Annotated[
        int,
        typer.Option(
            min=1,
            help="Connections at once; more are closed.",
            envvar=_env("MAX_CONNECTIONS"),
            rich_help_panel=_LISTENER,
        ),
    ] = 1024,
    kubeconfig: Annotated[
        Path | None,
        typer.Option(
            help="Read Namespaces from this cluster. In a Pod its service account is the default.",
            envvar=_env("KUBECONFIG"),
            rich_help_panel=_NAMESPACES,
        ),
    ] = None,
    context: Annotated[
        str, typer.Option(help="Context of the kubeconfig.", envvar=_env("CONTEXT"), rich_help_panel=_NAMESPACES)
    ] = "",
    namespaces_from: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Read Namespaces from a file or directory (YAML, JSON) instead.",
            envvar=_env("NAMESPACES_FROM"),
            rich_help_panel=_NAMESPACES,
        ),
    ] = None,
    on_unavailable: Annotated[
        OnUnavailableOption,
        typer.Option(
            help="Answer without a decision: HTTP 503 (failurePolicy applies), deny, or allow with a warning.",
            envvar=_env("ON_UNAVAILABLE"),
            rich_help_panel=_BEHAVIOUR,
        ),
    ] = OnUnavailableOption.FAILURE_POLICY,
    on_oversize: Annotated[
        OnOversizeOption,
        typer.Option(
            help="Answer to a request over 7 MiB: deny, or HTTP 413 (failurePolicy applies), as Gatekeeper.",
            envvar=_env("ON_OVERSIZE"),
            rich_help_panel=_BEHAVIOUR,
        ),
    ] = OnOversizeOption.DENY,
    errors_as: Annotated[
        ErrorsAsOption,
        typer.Option(
            help="Answer to a failed review: deny (code 500), as Gatekeeper, or HTTP 500 (failurePolicy applies).",
            envvar=_env("ERRORS_AS"),
            rich_help_panel=_BEHAVIOUR,
        ),
    ] = ErrorsAsOption.DENY_500,
    timeout: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="Time for a decision where the API server sends no ?timeout=.",
            envvar=_env("TIMEOUT"),
            rich_help_panel=_BEHAVIOUR,
        ),
    ] = "10s",
    gatekeeper_namespace: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Namespace of Gatekeeper: its service account gatekeeper-admin is never reviewed.",
            envvar=_env("GATEKEEPER_NAMESPACE"),
            rich_help_panel=_BEHAVIOUR,
        ),
    ] = "gatekeeper-system",
    exempt_namespace: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Namespace that may carry the label admission.gatekeeper.sh/ignore (/v1/admitlabel); repeat it.",
            envvar=_env("EXEMPT_NAMESPACE"),
            rich_help_panel=_BEHAVIOUR,
        ),
    ] = None,
    exempt_namespace_prefix: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PREFIX",
            help="The same for every Namespace whose name begins so; repeat it.",
            envvar=_env("EXEMPT_NAMESPACE_PREFIX"),
            rich_help_panel=_BEHAVIOUR,
        ),
    ] = None,
    exempt_namespace_suffix: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SUFFIX",
            help="The same for every Namespace whose name ends so; repeat it.",
            envvar=_env("EXEMPT_NAMESPACE_SUFFIX"),
            rich_help_panel=_BEHAVIOUR,
        ),
    ] = None,
    drain_delay: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="Time between SIGTERM (not ready any more) and closing the listener.",
            envvar=_env("DRAIN_DELAY"),
            rich_help_panel=_OPERATION,
        ),
    ] = "5s",
    drain_timeout: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="Time for requests at hand to finish after that.",
            envvar=_env("DRAIN_TIMEOUT"),
            rich_help_panel=_OPERATION,
        ),
    ] = "25s",
    metrics_listen: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Plain HTTP address of /metrics (and /healthz, /readyz); none by default.",
            envvar=_env("METRICS_LISTEN"),
            rich_help_panel=_OPERATION,
        ),
    ] = "",
    otlp_endpoint: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="OpenTelemetry receiver (gRPC) of traces and metrics, as http://collector:4317.",
            envvar=[_env("OTLP_ENDPOINT"), "OTEL_EXPORTER_OTLP_ENDPOINT"],
            rich_help_panel=_OPERATION,
        ),
    ] = "",
    trace_sample_ratio: Annotated[
        float,
        typer.Option(
            help="Share of requests without a trace context that are traced; the others follow theirs.",
            envvar=_env("TRACE_SAMPLE_RATIO"),
            rich_help_panel=_OPERATION,
        ),
    ] = 0.0,
    log_level: Annotated[
        LogLevel,
        typer.Option(help="debug shows allowed requests too.", envvar=_env("LOG_LEVEL"), rich_help_panel=_OPERATION),
    ] = LogLevel.INFO,
    log_format: Annotated[
        LogFormat, typer.Option(help="Logs on standard error.", envvar=_env("LOG_FORMAT"), rich_help_panel=_OPERATION)
    ] = LogFormat.JSON,
) -> None:
    import asyncio  # noqa: PLC0415 (see the module's text; also below)

    from fleetgate_clients import logs  # noqa: PLC0415
    from fleetgate_clients.channel import ServiceOptions  # noqa: PLC0415
    from fleetgate_clients.webhook.app import run  # noqa: PLC0415
    from fleetgate_clients.webhook.durations import parse_duration  # noqa: PLC0415
    from fleetgate_clients.webhook.namespaces.kubeconfig import in_cluster  # noqa: PLC0415
    from fleetgate_clients.webhook.options import (  # noqa: PLC0415
        AdmitOptions,
        ErrorsAs,
        ExemptNamespaces,
        OnOversize,
        OnUnavailable,
    )
    from fleetgate_clients.webhook.server import Limits  # noqa: PLC0415
    from fleetgate_clients.webhook.settings import Address, NamespaceSource, StartupError, WebhookSettings  # noqa: PLC0415

    logs.configure(log_level.value, log_format.value)
    try:
        settings = WebhookSettings(
            cluster=cluster,
            service=ServiceOptions(
                targets=tuple(server or ()),
                ca=server_ca,
                cert=server_cert,
                key=server_key,
                server_name=server_name,
                insecure=server_insecure,
            ),
            namespaces=NamespaceSource(
                files=namespaces_from, kubeconfig=kubeconfig, context=context, in_cluster=in_cluster() is not None
            ),
            listen=Address.parse(listen),
            tls_cert=tls_cert,
            tls_key=tls_key,
            client_ca=client_ca,
            insecure=insecure,
            admit=AdmitOptions(
                on_unavailable=OnUnavailable(on_unavailable.value),
                on_oversize=OnOversize(on_oversize.value),
                errors_as=ErrorsAs(errors_as.value),
                default_timeout=parse_duration(timeout),
                authenticate=client_ca is not None,
                client_names=frozenset(client_cn or ()),
                gatekeeper_namespace=gatekeeper_namespace,
                exempt_namespaces=ExemptNamespaces(
                    frozenset(exempt_namespace or ()),
                    tuple(exempt_namespace_prefix or ()),
                    tuple(exempt_namespace_suffix or ()),
                ),
            ),
            limits=Limits(connections=max_connections),
            drain_delay=parse_duration(drain_delay),
            drain_timeout=parse_duration(drain_timeout),
            metrics_listen=Address.parse(metrics_listen) if metrics_listen else None,
            otlp_endpoint=otlp_endpoint,
            sample_ratio=trace_sample_ratio,
        )
        settings.check()
    except ValueError as error:
        _fail(error)
    try:
        asyncio.run(run(settings))
    except StartupError as error:
        _fail(error)


def _fail(error: Exception) -> NoReturn:
    """Say in a sentence what the user can mend."""
    print(f"fleetgate webhook: {error}", file=sys.stderr)  # noqa: T201
    raise typer.Exit(EXIT_USAGE)

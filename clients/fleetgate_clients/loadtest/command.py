"""The verb ``loadtest``: options in, plan out, report printed."""

import ipaddress
import json
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar
from urllib.parse import urlsplit

import typer

from fleetgate_clients.loadtest.plan import Endpoint, Plan, Target, Tls
from fleetgate_clients.loadtest.units import Objective, parse_duration
from fleetgate_clients.output.terminal import Color, ColorOption

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

_RPC_IN_FLIGHT = 10_000
# select() takes file descriptors below 1024: connections per worker.
_WEBHOOK_IN_FLIGHT = 800

EXAMPLES = """\
Examples:
  # 500 reviews per second for 30 s, as an API server would send them; exit 1 when p99 is above 10 ms
  fleetgate loadtest --address pdp.example:9443 --ca ca.pem --cert webhook.pem --key webhook.key \\
      --reviews recorded/ --rate 500 --duration 30s --slo p99=10ms

  # as fast as 16 callers go, on a server of this machine without TLS
  fleetgate loadtest --address 127.0.0.1:9443 --insecure --cluster dev --reviews recorded/ --concurrency 16

  # the webhook over HTTPS, report as JSON
  fleetgate loadtest --target webhook --address https://127.0.0.1:8443/v1/admit?timeout=10s --ca ca.pem \\
      --reviews recorded/ --rate 200 -o json
"""

_HELP = """\
Send recorded reviews to a server or webhook and report latency, rate and failures.

With --rate (open loop) latency counts from the time at which a request was due, so a stall shows in every request that
it delayed. With --concurrency (closed loop) each caller waits for its answer.

One worker drives up to about {limit} requests per second (measured, see docs/loadtest.md); beyond, take more --workers,
and CPUs that the server does not need. A late or overloaded generator is reported.

Exit codes: 0 passed, 1 more failures than --max-error-rate or an objective missed, 2 wrong usage or no connection, 130
interrupted (what there is has been printed).
"""
CAPACITY_PER_WORKER = "2,000"


class TargetOption(StrEnum):
    """``--target``."""

    REVIEW = "review"
    WEBHOOK = "webhook"


class Output(StrEnum):
    """``--output``."""

    TABLE = "table"
    JSON = "json"


Parsed = TypeVar("Parsed")


def _parser(parse: Callable[[str], Parsed]) -> Callable[[str], Parsed]:
    """Make ValueError a usage error that names the option."""

    def convert(text: str) -> Parsed:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    return convert


_duration = _parser(parse_duration)
_objective = _parser(Objective.parse)


def loadtest(  # noqa: PLR0917 - one parameter per option
    address: Annotated[str, typer.Option(help="Server as HOST:PORT, or URL of the webhook.", show_default=False)],
    reviews: Annotated[
        Path,
        typer.Option(help="AdmissionReviews: .json, .ndjson, or a directory of them.", show_default=False),
    ],
    target: Annotated[TargetOption, typer.Option(help="What is driven.")] = TargetOption.REVIEW,
    batch: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Call BatchReview with this many reviews per request.")
    ] = None,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Requests per second: open loop.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Callers: closed loop.")] = None,
    duration: Annotated[
        float | None, typer.Option(parser=_duration, metavar="DURATION", help="How long to measure. [default: 10s]")
    ] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="How many requests to measure, instead.")] = None,
    warmup: Annotated[
        float, typer.Option(parser=_duration, metavar="DURATION", help="Sent before that, not counted.")
    ] = "1s",  # type: ignore[assignment]
    timeout: Annotated[
        float, typer.Option(parser=_duration, metavar="DURATION", help="Deadline of a request.")
    ] = "10s",  # type: ignore[assignment]
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that send.")] = 1,
    max_in_flight: Annotated[
        int | None,
        typer.Option(min=1, help="Most unanswered requests in open loop. [default: 10000; webhook: 800 per worker]"),
    ] = None,
    max_error_rate: Annotated[float, typer.Option(min=0, max=1, help="Share of requests that may fail.")] = 0.0,
    slo: Annotated[
        list[Objective] | None,
        typer.Option(parser=_objective, metavar="QUANTILE=DURATION", help="Objective such as p99=10ms; repeatable."),
    ] = None,
    cluster: Annotated[str, typer.Option(help="Cluster to ask for; with mutual TLS the certificate names it.")] = "",
    namespaces_from: Annotated[
        Path | None,
        typer.Option(
            help="Namespaces (YAML, JSON) to send with Review. [default: those in the directory --reviews]",
            show_default=False,
        ),
    ] = None,
    ca: Annotated[Path | None, typer.Option(help="Authorities to trust (PEM). [default: the system's]")] = None,
    cert: Annotated[Path | None, typer.Option(help="Own certificate (PEM), for mutual TLS.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key (PEM).")] = None,
    server_name: Annotated[str | None, typer.Option(help="Name to expect in the target's certificate.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="No TLS: loopback addresses only.")] = False,
    output: Annotated[Output, typer.Option("-o", "--output", help="Format of the report.")] = Output.TABLE,
    color: ColorOption = Color.AUTO,
) -> None:
    if (rate is None) == (concurrency is None):
        _usage("give either --rate or --concurrency")
    if duration is not None and requests is not None:
        _usage("give --duration or --requests, not both")
    if batch is not None and target is TargetOption.WEBHOOK:
        _usage("--batch is for the server: a webhook takes one review per request")
    if (cert is None) != (key is None):
        _usage("--cert and --key go together")
    if concurrency is not None and workers > concurrency:
        _usage(f"{workers} workers need a --concurrency of at least {workers}")
    tls = None if insecure else Tls(ca, cert, key, server_name)
    what = Target.WEBHOOK if target is TargetOption.WEBHOOK else Target.BATCH if batch else Target.REVIEW
    plan = Plan(
        endpoint=Endpoint(what, _check_address(address, what, insecure=insecure), tls),
        rate=rate,
        concurrency=concurrency,
        duration=duration if duration is not None or requests is not None else 10.0,
        requests=requests,
        warmup=warmup,
        timeout=timeout,
        max_in_flight=_in_flight(max_in_flight, concurrency, what, workers),
    )
    _execute(
        plan,
        reviews,
        namespaces_from,
        cluster=cluster,
        batch=batch or 1,
        workers=workers,
        max_error_rate=max_error_rate,
        objectives=slo or [],
        output=output,
        color=color,
    )


def _execute(
    plan: Plan,
    reviews: Path,
    namespaces_from: Path | None,
    *,
    cluster: str,
    batch: int,
    workers: int,
    max_error_rate: float,
    objectives: list[Objective],
    output: Output,
    color: Color,
) -> NoReturn:
    # Imported here: the help must not pay for protobuf and HdrHistogram.
    from fleetgate_clients.loadtest.payloads import build_payloads  # noqa: PLC0415
    from fleetgate_clients.loadtest.recordings import RecordingError, read_recordings  # noqa: PLC0415
    from fleetgate_clients.loadtest.report import Verdict, to_json, to_rows  # noqa: PLC0415
    from fleetgate_clients.loadtest.run import LoadTestError, run_load_test  # noqa: PLC0415
    from fleetgate_clients.output.tables import Column, render_table  # noqa: PLC0415
    from fleetgate_clients.output.terminal import wants_color, width_of  # noqa: PLC0415

    try:
        payloads = build_payloads(
            read_recordings(reviews),
            _namespaces(reviews, namespaces_from),
            plan.endpoint.target,
            cluster=cluster,
            batch=batch,
        )
        tally = run_load_test(plan, payloads, workers=workers, on_start=lambda: _announce(plan, len(payloads)))
    except (RecordingError, LoadTestError) as error:
        _usage(str(error))
    verdict = Verdict(plan, workers, tally, max_error_rate, objectives)
    if output is Output.JSON:
        typer.echo(json.dumps(to_json(verdict), indent=2))
    else:
        columns = (Column("MEASURE"), Column("VALUE", wraps=True))
        typer.echo(
            render_table(columns, to_rows(verdict), width=width_of(sys.stdout), color=wants_color(color, sys.stdout)),
            nl=False,
        )
    for warning in verdict.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if tally.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    raise typer.Exit(0 if verdict.passed else EXIT_FAILED)


def _namespaces(reviews: Path, namespaces_from: Path | None) -> dict[str, bytes]:
    """Namespaces of a file or directory, or those beside the reviews."""
    from fleetgate_clients.loadtest.recordings import RecordingError  # noqa: PLC0415
    from fleetgate_clients.webhook.namespaces.files import read_namespaces  # noqa: PLC0415

    source = namespaces_from or (reviews if reviews.is_dir() else None)
    try:
        return {} if source is None else read_namespaces(source)
    except (OSError, ValueError) as error:
        raise RecordingError(str(error)) from error


def _announce(plan: Plan, payloads: int) -> None:
    if not sys.stderr.isatty():
        return
    pace = f"{plan.rate:g}/s" if plan.rate else f"{plan.concurrency} callers"
    length = f"{plan.requests} requests" if plan.requests else f"{plan.duration:g} s"
    typer.echo(f"{payloads} payloads, {pace}, {length} after {plan.warmup:g} s; Ctrl-C reports early", err=True)


def _check_address(address: str, target: Target, *, insecure: bool) -> str:
    url = urlsplit(address if "://" in address else f"//{address}")
    if target is Target.WEBHOOK:
        expected = "http" if insecure else "https"
        if url.scheme != expected:
            _usage(f"--address of a webhook begins with {expected}:// {'with' if insecure else 'without'} --insecure")
    elif "://" in address or url.port is None:
        _usage("--address of a server is HOST:PORT")
    if insecure and not _is_loopback(url.hostname or ""):
        _usage(f"--insecure is for loopback addresses, and {url.hostname} is none")
    return address


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _in_flight(asked: int | None, concurrency: int | None, target: Target, workers: int) -> int:
    if target is not Target.WEBHOOK:
        return asked or _RPC_IN_FLIGHT
    wanted = concurrency or asked or _WEBHOOK_IN_FLIGHT * workers
    if wanted > _WEBHOOK_IN_FLIGHT * workers:
        _usage(f"a worker holds at most {_WEBHOOK_IN_FLIGHT} connections to a webhook: take more --workers")
    return wanted


def _usage(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(EXIT_USAGE)


loadtest.__doc__ = _HELP.format(limit=CAPACITY_PER_WORKER)

"""The webhook as a process: what it is made of, when it is ready, how it stops."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from functools import partial

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from fleetgate_clients import telemetry
from fleetgate_clients.channel import ServicePool
from fleetgate_clients.filewatch import FileWatch
from fleetgate_clients.telemetry import Instruments, Telemetry, TelemetryOptions
from fleetgate_clients.webhook.admit import AdmitHandler
from fleetgate_clients.webhook.admitlabel import LabelHandler
from fleetgate_clients.webhook.body import BodyBudget
from fleetgate_clients.webhook.certificates import ServingCertificate
from fleetgate_clients.webhook.endpoint import Endpoint
from fleetgate_clients.webhook.namespaces import Namespaces
from fleetgate_clients.webhook.namespaces.files import FileNamespaces
from fleetgate_clients.webhook.namespaces.kubeconfig import in_cluster, read_kubeconfig
from fleetgate_clients.webhook.namespaces.watch import WatchedNamespaces
from fleetgate_clients.webhook.review import Reviewer
from fleetgate_clients.webhook.server import HttpServer
from fleetgate_clients.webhook.settings import NamespaceSource, SettingsError, StartupError, WebhookSettings

logger = logging.getLogger(__name__)


class Webhook:
    """One running webhook. Lives in one event loop."""

    def __init__(self, settings: WebhookSettings) -> None:
        """Raises SettingsError, ChannelError, KubeconfigError, OSError or ValueError for what cannot work."""
        settings.check()
        self._settings = settings
        self._telemetry = Telemetry(
            TelemetryOptions("fleetgate-webhook", settings.cluster, settings.otlp_endpoint, settings.sample_ratio)
        )
        instruments = self._telemetry.instruments
        self._pool = ServicePool(settings.service)
        self._namespaces = open_namespaces(settings.namespaces, instruments)
        self._certificate = (
            ServingCertificate(settings.tls_cert, settings.tls_key, settings.client_ca)
            if settings.tls_cert and settings.tls_key
            else None
        )
        budget, tracing = BodyBudget(settings.body_bytes), self._telemetry.tracing
        admit = AdmitHandler(
            settings.admit,
            reviewer=Reviewer(self._pool, settings.cluster, instruments),
            namespaces=self._namespaces,
            budget=budget,
            instruments=instruments,
            tracing=tracing,
        )
        label = LabelHandler(settings.admit, budget=budget, instruments=instruments, tracing=tracing)
        self._endpoints: dict[str, Endpoint] = {endpoint.path: endpoint for endpoint in (admit, label)}
        certificate = self._certificate
        self._server = HttpServer(
            self._route,
            context=None if certificate is None else lambda: certificate.context,
            limits=settings.limits,
            refused=partial(instruments.connections_refused.add, 1),
        )
        self._metrics_server = HttpServer(self._route_metrics) if settings.metrics_listen else None
        self._draining = False
        self._watch: asyncio.Task[None] | None = None
        self._observe(instruments)

    async def start(self) -> int:
        """Start everything; return the port that admission requests come to. Raises as the constructor."""
        settings = self._settings
        await self._pool.start()
        await self._namespaces.start()
        if self._certificate is not None:
            watch = FileWatch("serving certificate", self._certificate.files, self._certificate.reload)
            self._watch = asyncio.create_task(watch.run(), name="watch-serving-certificate")
        port = await self._server.start(settings.listen.host, settings.listen.port)
        fields = {"cluster": settings.cluster, "port": port, "tls": self._certificate is not None}
        if self._metrics_server is not None and settings.metrics_listen is not None:
            at = settings.metrics_listen
            fields["metrics_port"] = await self._metrics_server.start(at.host, at.port)
        logger.info("listening", extra={"fields": fields})
        return port

    @property
    def ready(self) -> bool:
        """Namespaces are known, the service is SERVING, and this is not about to stop."""
        return not self._draining and self._namespaces.ready and self._pool.ready

    async def drain(self) -> None:
        """Stop without losing a request: say so, wait until it is known, finish, close."""
        self._draining = True
        self._server.drain()
        logger.info("draining", extra={"fields": {"seconds": self._settings.drain_delay}})
        await asyncio.sleep(self._settings.drain_delay)
        await self.close()

    async def close(self) -> None:
        """Finish the requests at hand and stop."""
        self._draining = True
        await self._server.stop(self._settings.drain_timeout)
        if self._metrics_server is not None:
            await self._metrics_server.stop(0.0)
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._namespaces.close()
        await self._pool.close()
        await asyncio.to_thread(self._telemetry.shutdown)
        logger.info("stopped")

    async def _route(self, request: web.BaseRequest) -> web.Response:
        endpoint = self._endpoints.get(request.path)
        return await endpoint(request) if endpoint else self._health(request)

    async def _route_metrics(self, request: web.BaseRequest) -> web.Response:
        if request.path == "/metrics" and request.method in ("GET", "HEAD"):
            return web.Response(body=self._telemetry.prometheus(), headers={"Content-Type": CONTENT_TYPE_LATEST})
        return self._health(request)

    def _health(self, request: web.BaseRequest) -> web.Response:
        if request.path not in ("/healthz", "/readyz"):
            return web.Response(status=404, text="there is nothing here; POST an AdmissionReview to /v1/admit\n")
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="GET it\n", headers={"Allow": "GET, HEAD"})
        if request.path == "/healthz" or self.ready:
            return web.Response(text="ok\n")
        reasons = {
            "draining": self._draining,
            "Namespaces are not known yet": not self._namespaces.ready,
            "the policy service is not SERVING": not self._pool.ready,
        }
        return web.Response(status=503, text="".join(f"{reason}\n" for reason, holds in reasons.items() if holds))

    def _observe(self, instruments: Instruments) -> None:
        gauges: list[tuple[str, str, str, Callable[[], float]]] = [
            (telemetry.METRIC_CONNECTIONS, "1", "Open connections.", lambda: self._server.connections),
            (telemetry.METRIC_NAMESPACES, "1", "Namespaces known.", lambda: self._namespaces.count),
        ]
        if (certificate := self._certificate) is not None:
            gauges.append(
                (
                    telemetry.METRIC_CERTIFICATE_EXPIRY,
                    "s",
                    "Time until the serving certificate expires.",
                    lambda: certificate.seconds_left,
                )
            )
        for name, unit, description, read in gauges:
            instruments.observe(name, unit, description, read)


def open_namespaces(source: NamespaceSource, instruments: Instruments) -> Namespaces:
    """Make the source that was asked for. Raises SettingsError, KubeconfigError."""
    if source.files:
        return FileNamespaces(source.files)
    api = read_kubeconfig(source.kubeconfig, source.context) if source.kubeconfig else in_cluster()
    if api is None:
        raise SettingsError("there is no service account here: give --kubeconfig or --namespaces-from")
    return WatchedNamespaces(api, instruments)


async def run(settings: WebhookSettings) -> None:
    """Serve until SIGTERM or SIGINT, then drain. A second signal stops at once. Raises StartupError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        webhook = Webhook(settings)
        try:
            await webhook.start()
        except BaseException:
            await webhook.close()
            raise
    except (OSError, ValueError) as error:
        raise StartupError(str(error)) from error
    await stop.wait()
    for number in signals:
        loop.remove_signal_handler(number)
    await webhook.drain()

"""What ``fleetgate webhook`` was told, checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fleetgate_clients.channel import ServiceOptions, is_loopback
from fleetgate_clients.webhook.options import AdmitOptions
from fleetgate_clients.webhook.server import Limits


class SettingsError(ValueError):
    """The settings contradict each other; the text says what to give instead."""


class StartupError(Exception):
    """The webhook cannot start: a port that is taken, a certificate or kubeconfig that cannot be used."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. An empty host means every address."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``host:port``, ``:port`` or ``[v6]:port``. Raises SettingsError."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdecimal() or int(port) > 65535:
            raise SettingsError(
                f"{text!r} is not an address to listen on: write HOST:PORT, as in 0.0.0.0:8443 or :8443"
            )
        return cls(host.strip("[]"), int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(str(self)) if self.host else False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class NamespaceSource:
    """Where Namespaces come from: files, a kubeconfig, or the Pod's service account."""

    files: Path | None = None
    kubeconfig: Path | None = None
    context: str = ""
    in_cluster: bool = False


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Everything that a webhook needs to run. Durations in seconds, sizes in bytes."""

    cluster: str
    service: ServiceOptions
    namespaces: NamespaceSource
    listen: Address = Address("", 8443)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    insecure: bool = False
    admit: AdmitOptions = field(default_factory=AdmitOptions)
    limits: Limits = field(default_factory=Limits)
    body_bytes: int = 32 * 1024 * 1024
    drain_delay: float = 5.0
    drain_timeout: float = 25.0
    metrics_listen: Address | None = None
    otlp_endpoint: str = ""
    sample_ratio: float = 0.0

    def check(self) -> None:
        """Raise SettingsError or ChannelError for what cannot work."""
        if not self.cluster:
            raise SettingsError("the cluster has no name: give --cluster NAME, the name that the service knows it by")
        self._check_listener()
        self._check_namespaces()
        if not 0.0 <= self.sample_ratio <= 1.0:
            raise SettingsError(f"--trace-sample-ratio {self.sample_ratio} is not between 0 and 1")
        self.service.check()

    def _check_listener(self) -> None:
        if self.insecure:
            if self.tls_cert or self.tls_key or self.client_ca:
                raise SettingsError("--insecure and certificates exclude each other: drop one of them")
            if not self.listen.is_loopback:
                raise SettingsError(
                    f"--insecure is for loopback only, {self.listen} is not: "
                    "give --tls-cert and --tls-key, or --listen 127.0.0.1:8443"
                )
        elif not (self.tls_cert and self.tls_key):
            raise SettingsError(
                "an API server calls webhooks over HTTPS only: give --tls-cert and --tls-key "
                "(for a try on this machine: --insecure --listen 127.0.0.1:8443)"
            )
        if self.admit.client_names and not self.client_ca:
            raise SettingsError("--client-cn needs --client-ca, the authority that issued the API server's certificate")

    def _check_namespaces(self) -> None:
        source = self.namespaces
        if source.files and source.kubeconfig:
            raise SettingsError("--namespaces-from and --kubeconfig exclude each other: Namespaces come from one place")
        if source.context and not source.kubeconfig:
            raise SettingsError("--context chooses within a kubeconfig: give --kubeconfig too")
        if not (source.files or source.kubeconfig or source.in_cluster):
            raise SettingsError(
                "there is no source of Namespaces, and policies may select by their labels: "
                "give --kubeconfig PATH, or --namespaces-from PATH with a file or directory of Namespaces, "
                "or run in a Pod with a service account"
            )
        if source.files and not source.files.exists():
            raise SettingsError(f"--namespaces-from {source.files}: no such file or directory")

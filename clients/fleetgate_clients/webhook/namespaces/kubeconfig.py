"""How to reach and convince the API server: kubeconfig files and the service account of a Pod.

A thin reader of our own: importing kubernetes-asyncio takes 1.6 s and 70 MB, to list one kind. What a kubeconfig may
say and this does not do (``auth-provider``, ``proxy-url``) is refused, never passed over.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from fleetgate_clients.filewatch import Signature, signature

logger = logging.getLogger(__name__)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
EXEC_SECONDS = 30.0
_MAX_COMPLAINT = 500
_EXEC_VERSIONS = frozenset({"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"})


class KubeconfigError(ValueError):
    """The kubeconfig, or what it refers to, cannot be used."""


@dataclass(frozen=True, slots=True)
class Pem:
    """PEM text, or the file that holds it."""

    data: str = field(default="", repr=False)
    file: Path | None = None

    def read(self) -> str:
        """Return the text. Raises OSError."""
        return self.file.read_text() if self.file else self.data

    def __bool__(self) -> bool:
        return bool(self.data or self.file)


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """``users[].user.exec``: a program that prints credentials."""

    api_version: str
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Credential:
    """What an exec plugin printed. ``expires`` is None for "until refused"."""

    token: str = field(default="", repr=False)
    cert: str = ""
    key: str = field(default="", repr=False)
    expires: datetime | None = None


@dataclass(slots=True)
class ApiServer:
    """One API server and one identity. Files are read again when they change (a Pod's token does hourly)."""

    url: str
    ca: Pem = Pem()
    skip_verify: bool = False
    server_name: str = ""
    cert: Pem = Pem()
    key: Pem = Pem()
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    basic: str = field(default="", repr=False)
    plugin: ExecPlugin | None = None
    _credential: Credential | None = field(default=None, repr=False)
    _context: tuple[Signature, Credential | None, ssl.SSLContext] | None = field(default=None, repr=False)

    async def authorization(self) -> dict[str, str]:
        """Headers that say who asks. Raises OSError or KubeconfigError."""
        if self.plugin is not None:
            if self._credential is None or _expired(self._credential):
                self._credential = await _run(self.plugin)
            return {"Authorization": f"Bearer {self._credential.token}"} if self._credential.token else {}
        token = self.token_file.read_text().strip() if self.token_file else self.token
        if token:
            return {"Authorization": f"Bearer {token}"}
        return {"Authorization": f"Basic {self.basic}"} if self.basic else {}

    def unauthorized(self) -> None:
        """The API server said 401: ask the plugin again next time."""
        self._credential = None

    def tls(self) -> ssl.SSLContext | None:
        """The TLS context for the next connection; None for http. Raises OSError (ssl.SSLError is one)."""
        if self.url.startswith("http://"):
            return None
        files = [pem.file for pem in (self.ca, self.cert, self.key) if pem.file]
        state = signature(files)
        if self._context is None or self._context[:2] != (state, self._credential):
            self._context = (state, self._credential, self._make_tls())
        return self._context[2]

    def _make_tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.ca.read() if self.ca else None)
        if self.skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        cert, key = self.cert, self.key
        if self._credential is not None and self._credential.cert:
            cert, key = Pem(self._credential.cert), Pem(self._credential.key)
        if cert:
            _load_chain(context, cert.read(), key.read())
        return context


def in_cluster(root: Path = SERVICE_ACCOUNT) -> ApiServer | None:
    """The API server of the Pod that this runs in; None outside of one."""
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (root / "token").is_file():
        return None
    address = f"[{host}]" if ":" in host else host
    return ApiServer(f"https://{address}:{port}", ca=Pem(file=root / "ca.crt"), token_file=root / "token")


def read_kubeconfig(path: Path, context: str = "") -> ApiServer:
    """Read a kubeconfig file; ``context`` "" means its current one. Raises KubeconfigError."""
    try:
        config = yaml.safe_load(path.read_text())
    except OSError as error:
        raise KubeconfigError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise KubeconfigError(f"{path}: {error}") from error
    if not isinstance(config, dict):
        raise KubeconfigError(f"{path}: not a kubeconfig")
    try:
        chosen = _named(config, "contexts", "context", context or str(config.get("current-context") or ""))
        cluster = _named(config, "clusters", "cluster", str(chosen.get("cluster", "")))
        user = _named(config, "users", "user", str(chosen["user"])) if chosen.get("user") else {}
        return _api_server(cluster, user, path.parent)
    except KubeconfigError as error:
        raise KubeconfigError(f"{path}: {error}") from error


def _api_server(cluster: dict[str, Any], user: dict[str, Any], base: Path) -> ApiServer:
    for key, section in (("proxy-url", cluster), ("auth-provider", user)):
        if section.get(key):
            raise KubeconfigError(f"{key} is not supported; use a token, a certificate or an exec plugin")
    if not cluster.get("server"):
        raise KubeconfigError("its cluster has no server")
    return ApiServer(
        url=str(cluster["server"]).rstrip("/"),
        ca=_pem(cluster, "certificate-authority", base),
        skip_verify=cluster.get("insecure-skip-tls-verify") is True,
        server_name=str(cluster.get("tls-server-name") or ""),
        cert=_pem(user, "client-certificate", base),
        key=_pem(user, "client-key", base),
        token=str(user.get("token") or ""),
        token_file=base / str(user["tokenFile"]) if user.get("tokenFile") else None,
        basic=_basic(user),
        plugin=_plugin(user["exec"], base) if user.get("exec") else None,
    )


def _named(config: dict[str, Any], section: str, key: str, name: str) -> dict[str, Any]:
    if not name:
        raise KubeconfigError(f"no {key} is chosen in it (--context names one)")
    entries = config.get(section)
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("name") == name:
            value = entry.get(key)
            return value if isinstance(value, dict) else {}
    raise KubeconfigError(f"there is no {key} {name!r} in it")


def _pem(section: dict[str, Any], key: str, base: Path) -> Pem:
    if data := section.get(f"{key}-data"):
        try:
            return Pem(base64.b64decode(str(data), validate=True).decode())
        except (binascii.Error, UnicodeDecodeError) as error:
            raise KubeconfigError(f"{key}-data is not base64 of PEM") from error
    return Pem(file=base / str(section[key])) if section.get(key) else Pem()


def _basic(user: dict[str, Any]) -> str:
    if not user.get("username"):
        return ""
    return base64.b64encode(f"{user['username']}:{user.get('password', '')}".encode()).decode()


def _plugin(section: dict[str, Any], base: Path) -> ExecPlugin:
    version = str(section.get("apiVersion", ""))
    if version not in _EXEC_VERSIONS:
        raise KubeconfigError(f"exec.apiVersion {version!r} is not supported: {' or '.join(sorted(_EXEC_VERSIONS))}")
    command = str(section.get("command") or "")
    if not command:
        raise KubeconfigError("exec has no command")
    # As kubectl: a path is relative to the kubeconfig, a bare name is looked up in PATH.
    program = str(base / command) if "/" in command else command
    env = tuple((str(pair["name"]), str(pair["value"])) for pair in section.get("env") or ())
    argv = (program, *map(str, section.get("args") or ()))
    return ExecPlugin(version, argv, env, str(section.get("installHint") or ""))


async def _run(plugin: ExecPlugin) -> Credential:
    info = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": {"interactive": False}}
    env = {**os.environ, **dict(plugin.env), "KUBERNETES_EXEC_INFO": json.dumps(info)}
    try:
        process = await asyncio.create_subprocess_exec(
            *plugin.argv,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise KubeconfigError(f"exec plugin {plugin.argv[0]}: {error}. {plugin.hint}".rstrip(". ")) from error
    try:
        async with asyncio.timeout(EXEC_SECONDS):
            output, complaint = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        # For whoever runs this, in the log: the error below is shown to whoever created the object under review.
        said = {"plugin": plugin.argv[0], "stderr": complaint.decode(errors="replace").strip()[-_MAX_COMPLAINT:]}
        logger.warning("the exec plugin failed", extra={"fields": said})
        raise KubeconfigError(f"exec plugin {plugin.argv[0]} exited with {process.returncode}")
    return _credential(output, plugin.argv[0])


def _credential(output: bytes, program: str) -> Credential:
    try:
        status = json.loads(output)["status"]
        expires = status.get("expirationTimestamp")
        return Credential(
            token=status.get("token", ""),
            cert=status.get("clientCertificateData", ""),
            key=status.get("clientKeyData", ""),
            expires=datetime.fromisoformat(expires) if expires else None,
        )
    # The output holds secrets: the message must not quote it.
    except (ValueError, KeyError, TypeError, AttributeError):
        raise KubeconfigError(f"exec plugin {program} printed no ExecCredential") from None


def _expired(credential: Credential) -> bool:
    return credential.expires is not None and datetime.now(UTC) > credential.expires - timedelta(seconds=60)


def _load_chain(context: ssl.SSLContext, cert: str, key: str) -> None:
    """OpenSSL takes a chain from files only; these are gone before anybody could want them."""
    with tempfile.TemporaryDirectory() as directory:
        cert_file, key_file = Path(directory) / "cert.pem", Path(directory) / "key.pem"
        for file, text in ((cert_file, cert), (key_file, key)):
            file.touch(0o600)
            file.write_text(text)
        context.load_cert_chain(cert_file, key_file)

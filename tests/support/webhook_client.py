"""`fleetgate webhook` as a process in front of a service of the test's, and HTTP(S) requests to it."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import FLEETGATE, Process, free_port

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": {"team": "a"}}}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answered:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def review(self) -> dict[str, Any]:
        """The AdmissionReview's response."""
        response: dict[str, Any] = json.loads(self.body)["response"]
        return response


@dataclass(frozen=True)
class RunningWebhook:
    """A webhook on loopback; ``ca`` is None for plain HTTP."""

    process: Process
    port: int
    ca: Path | None = None

    def connect(self, timeout: float = 10.0, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
        """Open a connection, kept alive until closed."""
        if self.ca is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        context = context or ssl.create_default_context(cafile=str(self.ca))
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=context)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        *,
        connection: http.client.HTTPConnection | None = None,
    ) -> Answered:
        """Send one request, on a connection of its own where none is given."""
        used = connection or self.connect()
        try:
            used.request(method, path, body, headers or {}, encode_chunked=hasattr(body, "__next__"))
            response = used.getresponse()
            return Answered(response.status, dict(response.getheaders()), response.read())
        finally:
            if connection is None:
                used.close()

    def admit(
        self, body: Any, *, query: str = "?timeout=10s", connection: http.client.HTTPConnection | None = None
    ) -> Answered:
        """POST a body (bytes, or an object to encode) to /v1/admit."""
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", f"/v1/admit{query}", encoded, JSON, connection=connection)

    def ready(self) -> bool:
        """Whether /readyz says so."""
        try:
            return self.request("GET", "/readyz").status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


def admission_review(uid: str = "u-1", *, api_version: str = "admission.k8s.io/v1", **request: Any) -> dict[str, Any]:
    """An AdmissionReview of a Pod that is created in Namespace default."""
    return {
        "kind": "AdmissionReview",
        "apiVersion": api_version,
        "request": {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "web",
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": {"username": "alice"},
            "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}},
            "oldObject": None,
            "dryRun": False,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
            **request,
        },
    }


@contextmanager
def webhook_process(
    directory: Path,
    targets: Sequence[str],
    *arguments: str,
    ca: Path | None = None,
    tls: Sequence[str] = ("--insecure",),
    namespaces: Sequence[str] | None = None,
    service: Sequence[str] = ("--server-insecure",),
    wait_ready: bool = True,
) -> Iterator[RunningWebhook]:
    """Run a webhook until the block ends; Namespaces come from a file with one unless ``namespaces`` says otherwise."""
    directory.mkdir(parents=True, exist_ok=True)
    if namespaces is None:
        file = directory / "namespaces.json"
        file.write_text(json.dumps(NAMESPACE))
        namespaces = (f"--namespaces-from={file}",)
    port = free_port()
    command = [
        str(FLEETGATE),
        "webhook",
        "--cluster=test",
        f"--listen=127.0.0.1:{port}",
        *(f"--server={target}" for target in targets),
        *service,
        *tls,
        *namespaces,
        "--drain-delay=0s",
        *arguments,
    ]
    process = Process(command, directory / "webhook.log")
    running = RunningWebhook(process, port, ca)
    try:
        if wait_ready:
            process.wait_until(running.ready, "ready")
        else:
            process.wait_until(lambda: _listens(running), "listening")
        yield running
    finally:
        process.stop()


def _listens(running: RunningWebhook) -> bool:
    try:
        return running.request("GET", "/healthz").status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False

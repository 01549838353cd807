"""An admission webhook that allows everything and keeps what it was sent, byte for byte."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.certificates import KeyPair

# The API server's own controllers write in the background, at times of their own choosing.
BACKGROUND_USERS = frozenset({"system:apiserver"})


class RecordingWebhook(ThreadingHTTPServer):
    """The HTTPS server; `bodies` holds the AdmissionReviews in order of arrival."""

    daemon_threads = True

    def __init__(self, identity: KeyPair) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.certificate, identity.key)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.bodies: list[bytes] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where the API server finds it."""
        return f"https://127.0.0.1:{self.server_port}/record"

    def record(self, body: bytes) -> str:
        """Keep one review and return its uid."""
        request = json.loads(body)["request"]
        if request["userInfo"].get("username") not in BACKGROUND_USERS:
            with self._lock:
                self.bodies.append(body)
        return str(request["uid"])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one segment: the API server waits 40 ms for a second one.
    wbufsize = -1
    server: RecordingWebhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps(
            {
                "apiVersion": "admission.k8s.io/v1",
                "kind": "AdmissionReview",
                "response": {"uid": self.server.record(body), "allowed": True},
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Print nothing: what matters is in `bodies`."""


@contextmanager
def recording_webhook(identity: KeyPair) -> Iterator[RecordingWebhook]:
    """Serve on a free loopback port until the context ends."""
    with RecordingWebhook(identity) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

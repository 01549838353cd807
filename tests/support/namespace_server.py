"""A small real API server for Namespaces: HTTPS, list with pages, watch with bookmarks, 410 Gone, cut connections."""

from __future__ import annotations

import base64
import json
import queue
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.certificates import Authority

TOKEN = "token-1"


class NamespaceServer:
    """State and switches. Methods may be called from any thread."""

    def __init__(self) -> None:
        self.url = ""
        self.token = TOKEN
        self.version = 1
        self.oldest = 0
        self.lists = 0
        self.watches = 0
        self.gets: list[str] = []
        self.fail_with = 0
        self.hidden: set[str] = set()
        """Names that list and watch do not show (yet), as an event that is still under way."""
        self._objects: dict[str, dict[str, Any]] = {}
        self._history: list[tuple[int, dict[str, Any]]] = []
        self._watchers: list[queue.Queue[dict[str, Any] | None]] = []
        self._lock = threading.Lock()

    def put(self, name: str, labels: dict[str, str] | None = None) -> None:
        """Create or change a Namespace."""
        with self._lock:
            kind = "MODIFIED" if name in self._objects else "ADDED"
            self.version += 1
            metadata = {"name": name, "labels": labels or {}, "resourceVersion": str(self.version)}
            self._objects[name] = {"metadata": metadata}
            if name not in self.hidden:
                self._emit(kind, self._objects[name])

    def delete(self, name: str) -> None:
        """Delete a Namespace."""
        with self._lock:
            self.version += 1
            gone = self._objects.pop(name)
            gone["metadata"]["resourceVersion"] = str(self.version)
            self._emit("DELETED", gone)

    def bookmark(self) -> None:
        """Advance the version without a change of a Namespace."""
        with self._lock:
            self.version += 1
            self._emit("BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}})

    def compact(self) -> None:
        """Forget the history, as etcd's compaction does."""
        with self._lock:
            self.oldest = self.version
            self._history.clear()

    def send(self, event: dict[str, Any]) -> None:
        """Send a raw event to every watcher."""
        with self._lock:
            for watcher in self._watchers:
                watcher.put(event)

    def cut(self) -> None:
        """End every watch without a word."""
        with self._lock:
            for watcher in self._watchers:
                watcher.put(None)
            self._watchers.clear()

    def _emit(self, kind: str, item: dict[str, Any]) -> None:
        event = {"type": kind, "object": {"kind": "Namespace", "apiVersion": "v1", **json.loads(json.dumps(item))}}
        self._history.append((self.version, event))
        for watcher in self._watchers:
            watcher.put(event)

    def page(self, limit: int, start: int) -> tuple[list[dict[str, Any]], int, str]:
        """Items, the start of the next page or 0, the version."""
        with self._lock:
            visible = [self._objects[name] for name in sorted(self._objects) if name not in self.hidden]
            end = start + limit
            return visible[start:end], end if end < len(visible) else 0, str(self.version)

    def find(self, name: str) -> dict[str, Any] | None:
        """One Namespace."""
        with self._lock:
            return self._objects.get(name)

    def subscribe(self, version: int) -> queue.Queue[dict[str, Any] | None] | None:
        """Events after a version, None where they are forgotten."""
        with self._lock:
            if version < self.oldest:
                return None
            watcher: queue.Queue[dict[str, Any] | None] = queue.Queue()
            for at, event in self._history:
                if at > version:
                    watcher.put(event)
            self._watchers.append(watcher)
            return watcher


def _handler(state: NamespaceServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def log_message(self, *_: Any) -> None:
            """Be quiet."""

        def do_GET(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(url.query))
            if self.headers.get("Authorization") != f"Bearer {state.token}":
                self._status(401, "Unauthorized")
            elif state.fail_with:
                self._status(state.fail_with, "on purpose")
            elif url.path != "/api/v1/namespaces":
                self._get(urllib.parse.unquote(url.path.removeprefix("/api/v1/namespaces/")))
            elif query.get("watch"):
                self._watch(int(query["resourceVersion"]))
            else:
                self._list(int(query.get("limit", "0")), int(query.get("continue", "0")))

        def _get(self, name: str) -> None:
            state.gets.append(name)
            found = state.find(name)
            if found is None:
                self._status(404, f'namespaces "{name}" not found')
            else:
                self._json(200, {"kind": "Namespace", "apiVersion": "v1", **found})

        def _list(self, limit: int, start: int) -> None:
            state.lists += 1
            items, following, version = state.page(limit, start)
            metadata = {"resourceVersion": version, **({"continue": str(following)} if following else {})}
            self._json(200, {"kind": "NamespaceList", "apiVersion": "v1", "metadata": metadata, "items": items})

        def _watch(self, version: int) -> None:
            state.watches += 1
            events = state.subscribe(version)
            if events is None:
                self._status(410, "too old resource version")
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while (event := events.get()) is not None:
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.close_connection = True

        def _status(self, code: int, message: str) -> None:
            self._json(code, {"kind": "Status", "apiVersion": "v1", "code": code, "message": message})

        def _json(self, code: int, body: dict[str, Any]) -> None:
            encoded = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

    return Handler


@contextmanager
def namespace_server(authority: Authority) -> Iterator[NamespaceServer]:
    """Serve until the block ends."""
    state = NamespaceServer()
    pair = authority.issue("apiserver")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    state.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        state.cut()
        server.shutdown()
        thread.join()
        time.sleep(0.05)
        server.server_close()


def kubeconfig(directory: Path, server: NamespaceServer, authority: Authority, user: dict[str, Any]) -> Path:
    """Write a kubeconfig for the server."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "main",
        "contexts": [{"name": "main", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": server.url,
                    "certificate-authority-data": base64.b64encode(authority.pem).decode(),
                },
            }
        ],
        "users": [{"name": "u", "user": user}],
    }
    file = directory / "kubeconfig"
    file.write_text(json.dumps(config))
    return file

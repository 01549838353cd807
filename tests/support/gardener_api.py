"""Gardener's API as the hub aggregates it: Shoots, and kubeconfigs of viewers on request.

A small API server of ours behind the hub's own kube-apiserver (an APIService), because custom resources have no
subresource `viewerkubeconfig`. The kubeconfigs that it hands out hold real tokens of the member.
"""

from __future__ import annotations

import json
import queue
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.certificates import Authority
from tests.support.hub_objects import is_condition
from tests.support.kubeapiserver import Cluster
from tests.support.service_accounts import HUB_NAMESPACE

GROUP, VERSION = "core.gardener.cloud", "v1beta1"
_SERVICE, _SERVICE_NAMESPACE = "gardener", "default"
_ROOT = f"/apis/{GROUP}/{VERSION}"


class GardenerApi:
    """Its state. Methods may be called from any thread."""

    def __init__(self, new_kubeconfig: Callable[[int], str]) -> None:
        """``new_kubeconfig`` gives a kubeconfig that is good for so many seconds."""
        self.port = 0
        self.requests: list[int] = []
        """For how many seconds kubeconfigs were asked for."""
        self._new_kubeconfig = new_kubeconfig
        self._shoots: dict[str, dict[str, Any]] = {}
        self._version = 1
        self._watchers: list[queue.SimpleQueue[dict[str, Any] | None]] = []
        self._lock = threading.Lock()

    def put(self, name: str, **status: Any) -> None:
        """Create or change a Shoot; its API server is available unless ``status`` says otherwise."""
        with self._lock:
            self._version += 1
            shoot = {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": "Shoot",
                "metadata": {
                    "name": name,
                    "namespace": HUB_NAMESPACE,
                    "uid": f"shoot-{name}",
                    "resourceVersion": str(self._version),
                },
                "spec": {"region": "eu-1"},
                "status": {
                    "technicalID": f"shoot--tests--{name}",
                    "conditions": [is_condition("APIServerAvailable")],
                    **status,
                },
            }
            self._tell("MODIFIED" if name in self._shoots else "ADDED", shoot)
            self._shoots[name] = shoot

    def delete(self, name: str) -> None:
        """Delete a Shoot."""
        with self._lock:
            self._version += 1
            shoot = self._shoots.pop(name)
            shoot["metadata"]["resourceVersion"] = str(self._version)
            self._tell("DELETED", shoot)

    def close(self) -> None:
        """End every watch."""
        with self._lock:
            for watcher in self._watchers:
                watcher.put(None)

    def kubeconfig(self, seconds: int) -> dict[str, Any]:
        """The answer to a request for a viewer's kubeconfig."""
        self.requests.append(seconds)
        return {
            "apiVersion": "authentication.gardener.cloud/v1alpha1",
            "kind": "ViewerKubeconfigRequest",
            "spec": {"expirationSeconds": seconds},
            "status": {"kubeconfig": b64encode(self._new_kubeconfig(seconds).encode()).decode()},
        }

    def listed(self) -> dict[str, Any]:
        """A list of all Shoots."""
        with self._lock:
            return {
                "kind": "ShootList",
                "apiVersion": f"{GROUP}/{VERSION}",
                "metadata": {"resourceVersion": str(self._version)},
                "items": list(self._shoots.values()),
            }

    def follow(self) -> queue.SimpleQueue[dict[str, Any] | None]:
        """A streaming list, and the events after it; None ends it."""
        watcher: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        with self._lock:
            for shoot in self._shoots.values():
                watcher.put({"type": "ADDED", "object": shoot})
            ended = {"resourceVersion": str(self._version), "annotations": {"k8s.io/initial-events-end": "true"}}
            head = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Shoot"}
            watcher.put({"type": "BOOKMARK", "object": {**head, "metadata": ended}})
            self._watchers.append(watcher)
        return watcher

    def _tell(self, kind: str, shoot: dict[str, Any]) -> None:
        for watcher in self._watchers:
            watcher.put({"type": kind, "object": json.loads(json.dumps(shoot))})


def _handler(api: GardenerApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked = parse_qs(url.query)
            if url.path == _ROOT:
                self._answer(200, _discovery())
            elif url.path != f"{_ROOT}/namespaces/{HUB_NAMESPACE}/shoots":
                self._answer(404, {"kind": "Status", "code": 404, "reason": "NotFound"})
            elif asked.get("watch") != ["true"]:
                self._answer(200, api.listed())
            elif asked.get("sendInitialEvents") == ["true"]:
                self._stream()
            else:
                gone = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired"}
                self._answer(200, {"type": "ERROR", "object": gone})

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if not self.path.split("?")[0].endswith("/viewerkubeconfig"):
                self._answer(404, {"kind": "Status", "code": 404, "reason": "NotFound"})
                return
            self._answer(201, api.kubeconfig(request["spec"]["expirationSeconds"]))

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("connection", "close")
            self.end_headers()
            self.close_connection = True
            watcher = api.follow()
            while (event := watcher.get()) is not None:
                self.wfile.write(json.dumps(event).encode() + b"\n")

        def _answer(self, code: int, document: object) -> None:
            body = json.dumps(document).encode() + b"\n"
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _discovery() -> dict[str, Any]:
    def resource(name: str, kind: str, *verbs: str, **more: str) -> dict[str, Any]:
        return {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": list(verbs), **more}

    request = {"group": "authentication.gardener.cloud", "version": "v1alpha1"}
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{GROUP}/{VERSION}",
        "resources": [
            resource("shoots", "Shoot", "get", "list", "watch"),
            resource("shoots/viewerkubeconfig", "ViewerKubeconfigRequest", "create", **request),
        ],
    }


@contextmanager
def gardener(hub: Cluster, authority: Authority, new_kubeconfig: Callable[[int], str]) -> Iterator[GardenerApi]:
    """Serve it behind a hub until the context ends."""
    pair = authority.issue("gardener-api", hosts=(f"{_SERVICE}.{_SERVICE_NAMESPACE}.svc", "localhost"))
    api = GardenerApi(new_kubeconfig)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    api.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    named = {"name": _SERVICE, "namespace": _SERVICE_NAMESPACE}
    hub.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": named,
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{VERSION}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "version": VERSION,
                "groupPriorityMinimum": 1000,
                "versionPriority": 10,
                "service": {**named, "port": api.port},
                "caBundle": b64encode(authority.pem).decode(),
            },
        },
    )
    try:
        hub.kubectl("wait", "--for=condition=Available", f"apiservice/{VERSION}.{GROUP}", "--timeout=60s")
        yield api
    finally:
        hub.kubectl("delete", "apiservice", f"{VERSION}.{GROUP}", check=False)
        api.close()
        server.shutdown()
        server.server_close()

"""Real kube-apiservers, and kubectl, for tests: a Python face on the Go module in `tests/kubeapiserver`.

`build()` compiles once per machine (see `build.sh`), `start_fleet()` runs one API server per cluster name. A fleet
stops when its context ends, and also when this process dies, because `testfleet` watches its standard input.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BUILD_SCRIPT = Path(__file__).parents[1] / "kubeapiserver" / "build.sh"
READY_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 15.0
KUBECTL_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Binaries:
    """What `build.sh` made; `testfleet` finds kube-apiserver beside itself."""

    testfleet: Path

    @property
    def kubectl(self) -> Path:
        """Kubectl of the API server's own version."""
        return self.testfleet.parent / "kubectl"


@dataclass(frozen=True)
class Cluster:
    """One API server: how to reach it as its administrator, and where it logs."""

    name: str
    server: str
    kubeconfig: Path
    token: str
    ca_file: Path
    log_file: Path
    audit_file: Path
    kubectl_binary: Path

    def kubectl(
        self, *args: str, manifest: Any = None, check: bool = True, timeout_s: float = KUBECTL_TIMEOUT_S
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl with these arguments; `manifest` (an object, or text) goes to its standard input.

        With `check`, a failure raises `KubectlError` with kubectl's own words.
        """
        text = manifest if manifest is None or isinstance(manifest, str) else json.dumps(manifest)
        result = subprocess.run(
            [str(self.kubectl_binary), "--kubeconfig", str(self.kubeconfig), *args],
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            env=_kubectl_environment(self.kubeconfig.parent),
        )
        if check and result.returncode != 0:
            raise KubectlError(args, result)
        return result

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Create or update objects, as an administrator would."""
        self.kubectl("apply", "-f", "-", manifest={"apiVersion": "v1", "kind": "List", "items": list(objects)})

    def get(self, *args: str) -> Any:
        """Return what `kubectl get … -o json` prints."""
        return json.loads(self.kubectl("get", *args, "-o", "json").stdout)


class KubectlError(AssertionError):
    """Kubectl failed where a test needs it to succeed."""

    def __init__(self, args: Sequence[str], result: subprocess.CompletedProcess[str]) -> None:
        super().__init__(f"kubectl {' '.join(args)}: exit {result.returncode}\n{result.stdout}{result.stderr}")


@dataclass(frozen=True)
class Fleet:
    """The clusters of one `start_fleet()`, by name."""

    clusters: Mapping[str, Cluster]
    etcd: str
    process: subprocess.Popen[bytes]

    def __getitem__(self, name: str) -> Cluster:
        return self.clusters[name]

    def kill(self, name: str) -> None:
        """End an API server as a crash would."""
        self._command(f"kill {name}")

    def start(self, name: str) -> None:
        """Run a killed API server again, on the port where it was, and wait until it is ready."""
        self._command(f"start {name}")

    def compact(self) -> None:
        """Let etcd forget all history, of every cluster."""
        revision = self._ask_etcd("maintenance/status", {})["header"]["revision"]
        self._ask_etcd("kv/compaction", {"revision": revision, "physical": True})

    def _command(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        answer = _first_line(self.process, READY_TIMEOUT_S, line).decode().strip()
        if answer != "ok":
            raise RuntimeError(f"testfleet: {line}: {answer}")

    def _ask_etcd(self, path: str, question: Mapping[str, Any]) -> Any:
        connection = http.client.HTTPConnection(urlsplit(self.etcd).netloc, timeout=10)
        try:
            connection.request("POST", f"/v3/{path}", json.dumps(question))
            return json.load(connection.getresponse())
        finally:
            connection.close()


@cache
def build() -> Binaries:
    """Compile kube-apiserver, kubectl and testfleet unless this machine has them already."""
    result = subprocess.run([str(BUILD_SCRIPT)], stdout=subprocess.PIPE, text=True, check=True)
    return Binaries(Path(result.stdout.strip()))


@contextmanager
def start_fleet(directory: Path, names: Sequence[str], *, tracing_endpoint: str | None = None) -> Iterator[Fleet]:
    """Run one etcd and an API server for each name until the context ends.

    `tracing_endpoint` is the `host:port` of an OTLP gRPC receiver: with it the API servers sample every request.
    """
    binaries = build()
    command = [str(binaries.testfleet), "--dir", str(directory)]
    for name in names:
        command += ["--cluster", name]
    if tracing_endpoint is not None:
        command += ["--tracing-endpoint", tracing_endpoint]
    directory.mkdir(parents=True, exist_ok=True)
    with (
        (directory / "testfleet.log").open("w") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        try:
            try:
                ready = json.loads(_first_line(process, READY_TIMEOUT_S, "starting"))
            except RuntimeError as error:
                raise RuntimeError(f"{error}:\n{Path(log.name).read_text()}") from None
            clusters = {entry["name"]: _cluster(entry, binaries) for entry in ready["clusters"]}
            yield Fleet(clusters, ready["etcd"], process)
        finally:
            _stop(process)


def _cluster(entry: Mapping[str, str], binaries: Binaries) -> Cluster:
    return Cluster(
        name=entry["name"],
        server=entry["server"],
        kubeconfig=Path(entry["kubeconfig"]),
        token=entry["token"],
        ca_file=Path(entry["ca_file"]),
        log_file=Path(entry["log_file"]),
        audit_file=Path(entry["audit_file"]),
        kubectl_binary=binaries.kubectl,
    )


def _first_line(process: subprocess.Popen[bytes], timeout_s: float, what: str) -> bytes:
    assert process.stdout is not None
    deadline = time.monotonic() + timeout_s
    line = b""
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(process.stdout.fileno(), 65536) if readable else b""
        if not chunk:
            raise RuntimeError(f"testfleet has no answer: {what}")
        line += chunk
    return line


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _kubectl_environment(home: Path) -> dict[str, str]:
    """Kubectl's caches go to the cluster's directory, and nobody's ~/.kube or kuberc is read."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(home),
        "KUBECACHEDIR": str(home / "cache"),
        "KUBERC": "off",
        "NO_PROXY": "*",
    }

"""`fleetgate loadtest` as a process, against real servers."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from fleetgate_proto.v1 import review_pb2
from google.rpc import status_pb2

from tests.support.certificates import Authority
from tests.support.scripted_review_server import scripted_review_server

FLEETGATE = Path(sys.executable).with_name("fleetgate")
ALLOW = review_pb2.ReviewResponse(allowed=True)
WARN = review_pb2.ReviewResponse(allowed=True, violations=[review_pb2.Violation(enforcement_action="warn")])
DRYRUN = review_pb2.ReviewResponse(allowed=True, violations=[review_pb2.Violation(enforcement_action="dryrun")])
DENY = review_pb2.ReviewResponse(allowed=False, violations=[review_pb2.Violation(enforcement_action="deny")])
FAILED = review_pb2.ReviewResponse(allowed=False, review_error=review_pb2.ReviewError(code=500))


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    directory = tmp_path / "recorded"
    directory.mkdir()
    for uid in ("1", "2", "3"):
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": uid}}
        (directory / f"{uid}.json").write_text(json.dumps(review))
    return directory


def loadtest(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(FLEETGATE), "loadtest", "--warmup", "0s", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def report(result: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_decisions_and_failures_are_told_apart(recordings: Path) -> None:
    turn = count()

    def review(request: bytes, context: grpc.ServicerContext) -> bytes:
        answer = (ALLOW, WARN, DRYRUN, DENY, FAILED, None)[next(turn) % 6]
        if answer is None:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "shedding")
        return answer.SerializeToString()

    with scripted_review_server({"Review": review}) as server:
        common = ("--address", f"127.0.0.1:{server.port}", "--insecure", "--reviews", recordings, "-o", "json")
        result = loadtest(*common, "--concurrency", "4", "--requests", "60", "--workers", "2")
        tolerated = loadtest(*common, "--rate", "200", "--requests", "60", "--max-error-rate", "0.34")
    document = report(result)
    assert document["decisions"] == {"allow": 20, "warn": 10, "deny": 10}
    assert document["failures"] == {"RESOURCE_EXHAUSTED": 10, "review 500": 10}
    assert document["requests"] == 60
    assert document["failedRequests"] == 20
    assert result.returncode == 1
    assert report(tolerated)["failedRequests"] == 20
    assert report(tolerated)["loop"] == "open"
    assert tolerated.returncode == 0


def test_a_batch_counts_each_of_its_items(recordings: Path) -> None:
    items = [
        review_pb2.BatchReviewItem(response=ALLOW),
        review_pb2.BatchReviewItem(response=DENY),
        review_pb2.BatchReviewItem(status=status_pb2.Status(code=grpc.StatusCode.INVALID_ARGUMENT.value[0])),
    ]
    sizes: list[int] = []

    def batch(request: bytes, context: grpc.ServicerContext) -> bytes:
        sizes.append(len(review_pb2.BatchReviewRequest.FromString(request).requests))
        return review_pb2.BatchReviewResponse(items=items).SerializeToString()

    with scripted_review_server({"BatchReview": batch}) as server:
        result = loadtest(
            "--address", f"127.0.0.1:{server.port}", "--insecure", "--reviews", recordings,
            "--batch", "3", "--concurrency", "1", "--requests", "5", "-o", "json",
        )  # fmt: skip
    assert sizes == [3] * 5
    assert report(result)["decisions"] == {"allow": 5, "warn": 0, "deny": 5}
    assert report(result)["failures"] == {"item INVALID_ARGUMENT": 5}


def test_an_objective_that_is_missed_fails_with_the_table_and_exit_code_1(recordings: Path) -> None:
    def slow(request: bytes, context: grpc.ServicerContext) -> bytes:
        time.sleep(0.05)
        return ALLOW.SerializeToString()

    with scripted_review_server({"Review": slow}) as server:
        common = ("--address", f"127.0.0.1:{server.port}", "--insecure", "--reviews", recordings, "--concurrency", "1")
        missed = loadtest(*common, "--requests", "5", "--slo", "p50=40ms", "--slo", "max=30s")
        met = loadtest(*common, "--requests", "5", "--slo", "p50=20s")
    assert missed.returncode == 1
    assert "missed: at most 40.00 ms" in missed.stdout
    assert "met: at most 30000.00 ms" in missed.stdout
    assert met.returncode == 0


def test_mutual_tls(recordings: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    serving, client = authority.issue("server"), authority.issue("client")
    stranger = Authority(tmp_path / "other", name="other")
    credentials = grpc.ssl_server_credentials(
        [(serving.key.read_bytes(), serving.certificate.read_bytes())], authority.pem, require_client_auth=True
    )
    with scripted_review_server({"Review": lambda *_: ALLOW.SerializeToString()}, credentials=credentials) as server:
        common = (
            "--address", f"localhost:{server.port}", "--reviews", recordings, "--concurrency", "1", "--requests", "5",
            "--timeout", "3s", "--cert", client.certificate, "--key", client.key,
        )  # fmt: skip
        trusted = loadtest(*common, "--ca", authority.file)
        distrusted = loadtest(*common, "--ca", stranger.file)
    assert trusted.returncode == 0, trusted.stderr
    assert distrusted.returncode == 2
    assert "no connection" in distrusted.stderr
    assert distrusted.stdout == ""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_prints_what_there_is(recordings: Path, workers: str) -> None:
    with scripted_review_server({"Review": lambda *_: ALLOW.SerializeToString()}) as server:
        arguments = (
            "--address", f"127.0.0.1:{server.port}", "--insecure", "--reviews", str(recordings), "--rate", "50",
            "--duration", "60s", "--warmup", "0s", "--workers", workers, "-o", "json",
        )  # fmt: skip
        # A group of its own, as a terminal makes one: the signal reaches every process of it.
        process = subprocess.Popen(
            [str(FLEETGATE), "loadtest", *arguments], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        deadline = time.monotonic() + 20
        while server.calls < 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        subprocess.run(["kill", "-INT", "--", f"-{process.pid}"], check=True)
        output, _ = process.communicate(timeout=20)
    document = json.loads(output)
    assert process.returncode == 130
    assert document["interrupted"] is True
    assert document["requests"] >= 15
    assert document["failedRequests"] == 0
    assert document["windowSeconds"] < 20


class _Webhook(BaseHTTPRequestHandler):
    """Answers by the uid of the review: 1 allows, 2 warns, 3 denies."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        response = {
            "1": {"allowed": True},
            "2": {"allowed": True, "warnings": ["[team] careful"]},
            "3": {"allowed": False, "status": {"code": 403, "message": "[team] no"}},
        }[review["request"]["uid"]]
        body = json.dumps({"response": response}).encode()
        if self.headers["Content-Type"] != "application/json" or not self.path.endswith("?timeout=3s"):
            self.send_error(400)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Say nothing."""


@pytest.fixture
def webhook(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    authority = Authority(tmp_path / "ca")
    serving = authority.issue("webhook")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(serving.certificate, serving.key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Webhook)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1], authority.file
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_webhook_is_driven_as_an_api_server_drives_it(recordings: Path, webhook: tuple[int, Path]) -> None:
    port, ca = webhook
    common = ("--target", "webhook", "--reviews", recordings, "--rate", "60", "--requests", "60", "-o", "json")
    right = loadtest(*common, "--address", f"https://localhost:{port}/v1/admit?timeout=3s", "--ca", ca)
    wrong = loadtest(*common, "--address", f"https://localhost:{port}/v1/admit", "--ca", ca)
    distrusted = loadtest(*common, "--address", f"https://localhost:{port}/v1/admit?timeout=3s")
    assert report(right)["decisions"] == {"allow": 20, "warn": 20, "deny": 20}
    assert right.returncode == 0, right.stderr
    assert report(wrong)["failures"] == {"HTTP 400": 60}
    assert wrong.returncode == 1
    assert distrusted.returncode == 2
    assert "certificate" in distrusted.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rate", "1", "--concurrency", "1"], "either --rate or --concurrency"),
        ([], "either --rate or --concurrency"),
        (["--rate", "1", "--requests", "1", "--duration", "1s"], "not both"),
        (["--rate", "1", "--duration", "1"], "is not a duration"),
        (["--rate", "1", "--slo", "p99"], "is not an objective"),
        (["--concurrency", "1", "--workers", "2"], "at least 2"),
        (["--rate", "1", "--cert", "x.pem"], "--cert and --key go together"),
        (["--rate", "1", "--target", "webhook"], "begins with https://"),
        (["--rate", "1", "--target", "webhook", "--batch", "3"], "--batch is for the server"),
        (["--rate", "1", "--address", "10.0.0.1:8443", "--insecure"], "loopback"),
    ],
)
def test_wrong_usage_is_said_and_exits_with_2(recordings: Path, arguments: list[str], message: str) -> None:
    result = loadtest("--address", "127.0.0.1:1", "--reviews", recordings, *arguments)
    assert result.returncode == 2
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize("target", [["--target", "webhook", "--address", "https://localhost:1"], []])
def test_certificates_that_cannot_be_used_are_named(recordings: Path, tmp_path: Path, target: list[str]) -> None:
    absent = tmp_path / "absent.pem"
    result = loadtest("--address", "127.0.0.1:1", *target, "--reviews", recordings, "--rate", "1", "--ca", absent)
    assert result.returncode == 2
    assert "cannot be used" in result.stderr
    assert str(absent) in result.stderr


def test_nobody_listening_is_no_report(recordings: Path) -> None:
    result = loadtest(
        "--address", "127.0.0.1:1", "--insecure", "--reviews", recordings, "--rate", "1", "--timeout", "1s"
    )
    assert result.returncode == 2
    assert "no connection to 127.0.0.1:1 within 1 s" in result.stderr


def test_help_starts_with_examples_and_imports_nothing_heavy() -> None:
    script = (
        "import sys; from fleetgate_clients.cli import build_app; sys.argv = ['fleetgate', 'loadtest', '--help']\n"
        "try: build_app()()\n"
        "finally: print([name for name in ('grpc', 'aiohttp', 'opentelemetry', 'hdrh') "
        "if name in sys.modules], 'fleetgate._native' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.startswith("Examples:")
    assert result.stdout.splitlines()[-1] == "[] False"

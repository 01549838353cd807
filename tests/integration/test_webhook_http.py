"""The webhook's HTTP side, seen from a socket."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from fleetgate_proto.v1 import review_pb2

from tests.support.canned_service import CannedService, canned_service
from tests.support.certificates import Authority
from tests.support.webhook_client import JSON, RunningWebhook, admission_review, webhook_process

MIB = 1024 * 1024
SLOW_HEAD_S = 5.0


def answer(request: review_pb2.ReviewRequest, _context: Any) -> review_pb2.ReviewResponse:
    """Deny what is called `bad`, as a constraint would."""
    if json.loads(request.admission_request).get("name") != "bad":
        return review_pb2.ReviewResponse(decision_id="0" * 32, allowed=True)
    violation = review_pb2.Violation(constraint_kind="K", constraint_name="c", message="no", enforcement_action="deny")
    return review_pb2.ReviewResponse(decision_id="0" * 32, allowed=False, violations=[violation])


@pytest.fixture(scope="module")
def service() -> Iterator[CannedService]:
    with canned_service(answer) as running:
        yield running


@pytest.fixture(scope="module")
def webhook(service: CannedService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWebhook]:
    with webhook_process(tmp_path_factory.mktemp("webhook"), [service.target]) as running:
        yield running


@pytest.fixture(scope="module")
def secure(service: CannedService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWebhook]:
    directory = tmp_path_factory.mktemp("secure")
    authority = Authority(directory / "ca")
    pair = authority.issue("webhook")
    tls = (f"--tls-cert={pair.certificate}", f"--tls-key={pair.key}")
    with webhook_process(directory, [service.target], tls=tls, ca=authority.file) as running:
        yield running


def exchange(webhook: RunningWebhook, data: bytes, timeout: float = 10.0) -> bytes:
    """Send bytes, read until the webhook closes."""
    with closing(socket.create_connection(("127.0.0.1", webhook.port), timeout)) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


@pytest.mark.parametrize("version", ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"])
def test_a_decision(webhook: RunningWebhook, service: CannedService, version: str) -> None:
    denied = webhook.admit(admission_review("u-7", api_version=version, name="bad"))
    assert denied.status == 200
    assert json.loads(denied.body) == {
        "kind": "AdmissionReview",
        "apiVersion": version,
        "response": {
            "uid": "u-7",
            "allowed": False,
            "status": {"metadata": {}, "message": "[c] no", "reason": "Forbidden", "code": 403},
        },
    }
    assert service.last is not None
    assert service.last.cluster == "test"
    assert json.loads(service.last.namespace)["metadata"]["labels"] == {"team": "a"}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/v1/admit", b"", JSON, 400),
        ("POST", "/v1/admit", b"{", JSON, 400),
        ("POST", "/v1/admit", b"{}", JSON, 400),
        ("POST", "/v1/admit", b"{}", {}, 415),
        ("POST", "/v1/admit", b"{}", {"Content-Type": "application/yaml"}, 415),
        ("POST", "/v1/admit", gzip.compress(b"{}", mtime=0), {**JSON, "Content-Encoding": "gzip"}, 415),
        ("GET", "/v1/admit", None, JSON, 405),
        ("PUT", "/v1/admit", b"{}", JSON, 405),
        ("POST", "/v1/admitlabel", b"{}", JSON, 400),
        ("POST", "/v1/mutate", b"{}", JSON, 404),
        ("GET", "/", None, {}, 404),
        ("POST", "/healthz", b"", {}, 405),
        ("GET", "/healthz", None, {}, 200),
        ("GET", "/readyz", None, {}, 200),
    ],
)
def test_statuses(
    webhook: RunningWebhook, method: str, path: str, body: bytes | None, headers: dict[str, str], status: int
) -> None:
    answered = webhook.request(method, path, body, headers)
    assert answered.status == status
    assert b"AdmissionReview" not in answered.body or answered.headers["Content-Type"].startswith("text/plain")


def test_a_charset_is_no_wrong_type(webhook: RunningWebhook) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    body = json.dumps(admission_review()).encode()
    assert webhook.request("POST", "/v1/admit", body, headers).review["allowed"] is True


def test_a_field_of_the_wrong_type_is_answered_by_uid(webhook: RunningWebhook) -> None:
    review = webhook.admit(admission_review("u-9", namespace=7)).review
    assert (review["uid"], review["allowed"], review["status"]["code"]) == ("u-9", False, 400)


def test_a_namespace_that_is_not_there(webhook: RunningWebhook) -> None:
    review = webhook.admit(admission_review(namespace="gone")).review
    assert review["status"] == {
        "metadata": {},
        "message": 'failed to create augmentedReview: namespaces "gone" not found',
        "code": 500,
    }


def test_a_namespace_is_not_in_itself(webhook: RunningWebhook, service: CannedService) -> None:
    kind = {"group": "", "version": "v1", "kind": "Namespace"}
    assert webhook.admit(admission_review(kind=kind, name="gone", namespace="gone")).review["allowed"] is True
    assert service.last is not None
    assert service.last.namespace == b""


def test_bodies_in_chunks(webhook: RunningWebhook) -> None:
    body = json.dumps(admission_review(name="bad")).encode()
    pieces = (body[start : start + 7] for start in range(0, len(body), 7))
    assert webhook.request("POST", "/v1/admit", pieces, JSON).review["status"]["code"] == 403


def test_a_client_that_waits_to_be_asked_for_its_body(webhook: RunningWebhook) -> None:
    body = json.dumps(admission_review()).encode()
    head = (
        b"POST /v1/admit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    with closing(socket.create_connection(("127.0.0.1", webhook.port), 5)) as connection:
        connection.sendall(head)
        assert connection.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("size", [3 * MIB, 7 * MIB - 64])
def test_large_bodies_are_decided(webhook: RunningWebhook, size: int) -> None:
    body = json.dumps(admission_review(object={"data": ""})).encode()
    body = body.replace(b'"data": ""', b'"data": "%s"' % (b"x" * (size - len(body))))
    assert len(body) == size
    assert webhook.admit(body).review["allowed"] is True


def test_slow_senders_of_large_bodies_do_not_shut_out_others(webhook: RunningWebhook) -> None:
    """What they announced would fill the budget; what they sent does not."""
    head = b"POST /v1/admit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(12):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", webhook.port), 10))
            slow.sendall(head % (7 * MIB) + b" " * 200_000)
        started = time.monotonic()
        body = json.dumps(admission_review(object={"data": "x" * (3 * MIB)})).encode()
        assert webhook.admit(body).review["allowed"] is True
        assert time.monotonic() - started < 4


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [7 * MIB + 1, 20 * MIB])
def test_oversize_is_denied_by_uid(webhook: RunningWebhook, service: CannedService, size: int, chunked: bool) -> None:
    calls = service.calls
    body = json.dumps(admission_review("u-big", object={"uid": "decoy", "data": ""})).encode()
    body = body.replace(b'"data": ""', b'"data": "%s"' % (b"x" * (size - len(body))))
    sent: Any = (body[start : start + 65536] for start in range(0, size, 65536)) if chunked else body
    review = webhook.request("POST", "/v1/admit", sent, JSON).review
    assert (review["uid"], review["allowed"], review["status"]["code"]) == ("u-big", False, 413)
    assert "7340032 bytes" in review["status"]["message"]
    assert service.calls == calls


def test_oversize_without_a_uid_is_a_plain_413(webhook: RunningWebhook) -> None:
    answered = webhook.admit(b'{"a": "' + b"x" * (8 * MIB) + b'"}')
    assert (answered.status, answered.headers["Content-Type"]) == (413, "text/plain; charset=utf-8")


def test_oversize_as_failure_policy(service: CannedService, tmp_path: Path) -> None:
    with webhook_process(tmp_path, [service.target], "--on-oversize=failure-policy") as webhook:
        body = json.dumps(admission_review(object={"data": "x" * (8 * MIB)})).encode()
        answered = webhook.admit(body)
        assert (answered.status, answered.headers["Content-Type"]) == (413, "text/plain; charset=utf-8")


def test_nesting_too_deep_to_decode_is_denied_by_uid(webhook: RunningWebhook) -> None:
    body = json.dumps(admission_review("u-deep", object=[])).encode()
    review = webhook.admit(body.replace(b'"object": []', b'"object": ' + b"[" * 100_000 + b"]" * 100_000)).review
    assert (review["uid"], review["allowed"], review["status"]["code"]) == ("u-deep", False, 413)


def data_segments(connection: socket.socket) -> int:
    """Segments with data that have arrived: `tcpi_data_segs_in` of Linux's `struct tcp_info`."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
    if len(info) < 160:
        pytest.skip("this system's TCP_INFO does not count segments")
    return int(struct.unpack_from("=I", info, 152)[0])


def segments(port: int, ca: Path | None, requests: int) -> list[int]:
    """Return the number of TCP segments that each answer came in, as the kernel counted them."""
    counts = []
    raw = socket.create_connection(("127.0.0.1", port))
    context = ssl.create_default_context(cafile=str(ca)) if ca else None
    with closing(context.wrap_socket(raw, server_hostname="localhost") if context else raw) as client:
        body = json.dumps(admission_review(name="bad")).encode()
        head = b"POST /v1/admit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        for _ in range(requests):
            before = data_segments(client)
            client.sendall(head % len(body) + body)
            received = b""
            while not received.endswith(b"}}}\n"):
                received += client.recv(65536)
            counts.append(data_segments(client) - before)
    # TLS session tickets may come with the first.
    return counts[1:]


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")
@pytest.mark.parametrize("kind", ["webhook", "secure"])
def test_head_and_body_leave_in_one_segment(kind: str, request: pytest.FixtureRequest) -> None:
    webhook: RunningWebhook = request.getfixturevalue(kind)
    assert set(segments(webhook.port, webhook.ca, 100)) == {1}


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")
def test_two_segments_would_be_seen() -> None:
    def answer_in_two(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with closing(connection):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while connection.recv(65536):
                connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
                connection.send(b"{{{}}}\n")

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=answer_in_two, args=(listener,))
        thread.start()
        assert 2 in segments(listener.getsockname()[1], None, 100)
        thread.join()


def test_two_requests_at_once_on_one_connection(webhook: RunningWebhook) -> None:
    body = json.dumps(admission_review()).encode()
    head = b"POST /v1/admit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n"
    received = exchange(webhook, head % (len(body), b"") + body + head % (len(body), b"Connection: close\r\n") + body)
    assert received.count(b"HTTP/1.1 200 OK") == 2


def test_a_head_that_does_not_come_is_given_up(webhook: RunningWebhook) -> None:
    with closing(socket.create_connection(("127.0.0.1", webhook.port), 10)) as connection:
        started = time.monotonic()
        connection.sendall(b"POST /v1/admit HTTP/1.1\r\nHost: x\r\n")
        stop = threading.Event()

        def trickle() -> None:
            while not stop.wait(0.2):
                try:
                    connection.send(b"X-A: b\r\n")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            received = connection.recv(1024)
        except ConnectionResetError:
            received = b""
        took = time.monotonic() - started
        stop.set()
        thread.join()
    assert received in (b"", b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    assert SLOW_HEAD_S - 1 < took < SLOW_HEAD_S + 4


def test_a_body_that_does_not_come_is_given_up(webhook: RunningWebhook) -> None:
    started = time.monotonic()
    head = b"POST /v1/admit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    received = exchange(webhook, head, timeout=20)
    assert received.startswith(b"HTTP/1.1 408 ")
    assert 9.5 < time.monotonic() - started < 16


def test_a_handshake_that_does_not_come_is_given_up(secure: RunningWebhook) -> None:
    started = time.monotonic()
    assert exchange(secure, b"", timeout=10) == b""
    assert time.monotonic() - started < 6


def refused(webhook: RunningWebhook, stack: ExitStack) -> bool:
    """Connect; whether the webhook closes the connection instead of answering. An answered one stays open."""
    connection = stack.enter_context(closing(webhook.connect()))
    try:
        webhook.request("GET", "/healthz", connection=connection)
    except (OSError, http.client.HTTPException):
        return True
    return False


def test_connections_are_bounded(service: CannedService, tmp_path: Path) -> None:
    with webhook_process(tmp_path, [service.target], "--max-connections=5") as webhook:
        with ExitStack() as stack:
            # The first may be refused while the probe's connection is not yet gone.
            tries = [refused(webhook, stack) for _ in range(12)]
            assert tries.count(False) == 5
            assert all(tries[-5:])
        with ExitStack() as stack:
            deadline = time.monotonic() + 5
            while refused(webhook, stack):
                assert time.monotonic() < deadline, "room again once connections are closed"


def test_what_is_no_http(webhook: RunningWebhook, secure: RunningWebhook) -> None:
    assert exchange(webhook, b"\x16\x03\x01 hello\r\n\r\n").startswith(b"HTTP/1.0 400 Bad Request")
    assert b"HTTP" not in exchange(secure, b"GET / HTTP/1.1\r\n\r\n")
    for running in (webhook, secure):
        assert running.admit(admission_review()).review["allowed"] is True


def test_old_tls_is_refused(secure: RunningWebhook) -> None:
    context = ssl.create_default_context(cafile=str(secure.ca))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with closing(secure.connect(context=context)) as connection, pytest.raises(ssl.SSLError):
        connection.connect()


def test_what_a_caller_chose_is_cut_in_logs(service: CannedService, tmp_path: Path) -> None:
    """Each of these has a million characters where a name belongs."""
    long = "x" * 1_000_000
    with webhook_process(tmp_path, [service.target], "--log-level=debug") as webhook:
        for wrong in ({"kind": long}, {"apiVersion": long}):
            answered = webhook.admit({**admission_review(), **wrong})
            assert answered.status == 400
            assert len(answered.body) < 1000
        for part in ({"name": long}, {"namespace": long}, {"operation": long}, {"kind": {"kind": long}}):
            webhook.admit(admission_review(**part))
        assert webhook.admit(admission_review(long)).review["uid"] == long
        lines = [line for line in webhook.process.log.read_text().splitlines() if "reviewed" in line]
        assert len(lines) == 7
        assert max(map(len, lines)) < 3000

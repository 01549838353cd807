"""Certificates: mutual TLS, rotation under load, a CA that is not trusted."""

from __future__ import annotations

import shutil
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from fleetgate_proto.v1 import review_pb2_grpc, server_info_pb2

from tests.support.certificates import Authority, KeyPair
from tests.support.processes import eventually
from tests.support.serving import TIMEOUT, TRUST_DOMAIN, Serve, Server, question, secure_channel, tls_flags

WEBHOOK = f"spiffe://{TRUST_DOMAIN}/cluster/eu-1/webhook"


@pytest.fixture
def serving_pair(authority: Authority, tmp_path: Path) -> KeyPair:
    """A serving certificate in files of the test's own, to be replaced."""
    pair = authority.issue("serving")
    return KeyPair(
        Path(shutil.copy(pair.certificate, tmp_path / "tls.crt")), Path(shutil.copy(pair.key, tmp_path / "tls.key"))
    )


def _start(serve: Serve, authority: Authority, pair: KeyPair, client: KeyPair | None, *arguments: str) -> Server:
    return serve(*tls_flags(authority, pair), *arguments, channel=lambda port: secure_channel(port, authority, client))


def _ask(port: int, authority: Authority, client: KeyPair | None) -> None:
    """One review on a connection of its own."""
    with secure_channel(port, authority, client) as channel:
        review_pb2_grpc.ReviewServiceStub(channel).Review(question(), timeout=TIMEOUT)


def test_the_certificate_names_cluster_and_role(
    serve: Serve, labels: Path, authority: Authority, serving_pair: KeyPair
) -> None:
    client = authority.issue("eu-1", hosts=(), spiffe_id=WEBHOOK)
    server = _start(serve, authority, serving_pair, client, f"--policies={labels}")
    info = server.info.GetServerInfo(server_info_pb2.GetServerInfoRequest(), timeout=TIMEOUT)
    assert (info.caller_cluster, info.caller_role) == ("eu-1", "cluster/webhook")
    assert not server.review.Review(question(cluster="eu-1"), timeout=TIMEOUT).allowed
    assert not server.review.Review(question(cluster=""), timeout=TIMEOUT).allowed


@pytest.mark.parametrize("impostor", ["none", "stranger"])
def test_callers_without_a_trusted_certificate_do_not_get_in(
    serve: Serve, labels: Path, authority: Authority, serving_pair: KeyPair, tmp_path: Path, impostor: str
) -> None:
    good = authority.issue("eu-1", hosts=(), spiffe_id=WEBHOOK)
    stranger = Authority(tmp_path / "stranger", "somebody else").issue("eu-1", hosts=(), spiffe_id=WEBHOOK)
    server = _start(serve, authority, serving_pair, good, f"--policies={labels}")
    with pytest.raises(grpc.RpcError) as refused:
        _ask(server.port, authority, None if impostor == "none" else stranger)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    _ask(server.port, authority, good)


def _swap(pair: KeyPair, fresh: KeyPair) -> None:
    """Replace both files, each atomically, the key last: for a moment they do not belong together."""
    for new, old in ((fresh.certificate, pair.certificate), (fresh.key, pair.key)):
        staged = old.with_suffix(".new")
        shutil.copy(new, staged)
        staged.rename(old)
        time.sleep(0.02)


def test_certificates_are_swapped_under_load_and_no_valid_request_fails(
    serve: Serve, labels: Path, authority: Authority, serving_pair: KeyPair, tmp_path: Path
) -> None:
    """Old connections go on, new ones see the new certificate, a stranger is refused all the while."""
    client = authority.issue("eu-1", hosts=(), spiffe_id=WEBHOOK)
    stranger = Authority(tmp_path / "stranger", "somebody else").issue("eu-1", hosts=(), spiffe_id=WEBHOOK)
    server = _start(serve, authority, serving_pair, client, f"--policies={labels}")
    stop = threading.Event()
    failures: list[BaseException] = []
    counts = {"kept": 0, "fresh": 0, "refused": 0}

    def forever(name: str, step: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            while not stop.is_set():
                try:
                    step()
                    counts[name] += 1
                except BaseException as error:  # noqa: BLE001 (collected, and judged below)
                    failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def refused() -> None:
        with pytest.raises(grpc.RpcError):
            _ask(server.port, authority, stranger)

    threads = [
        forever("kept", lambda: server.review.Review(question(), timeout=TIMEOUT) and None),
        forever("fresh", lambda: _ask(server.port, authority, client)),
        forever("refused", refused),
    ]
    swaps = 20
    try:
        for number in range(swaps):
            _swap(serving_pair, authority.issue(f"serving-{number}"))
            time.sleep(0.2)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert all(count > swaps for count in counts.values()), counts
    last = (authority.file.parent / f"serving-{swaps - 1}.crt").read_text()
    eventually(lambda: _presented(server.port) == last, "the last certificate is presented")
    assert any(line["message"] == "certificates reloaded" for line in server.log_lines())


def _presented(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port))


def test_a_new_client_ca_is_trusted_and_the_old_one_no_more(
    serve: Serve, labels: Path, authority: Authority, serving_pair: KeyPair, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other", "the next CA")
    ca = tmp_path / "client-ca.crt"
    ca.write_bytes(authority.pem)
    old, new = (one.issue("eu-1", hosts=(), spiffe_id=WEBHOOK) for one in (authority, other))
    server = _start(serve, authority, serving_pair, old, f"--policies={labels}", f"--tls-client-ca={ca}")
    server.review.Review(question(), timeout=TIMEOUT)
    with pytest.raises(grpc.RpcError):
        _ask(server.port, authority, new)
    ca.write_bytes(authority.pem + other.pem)
    _ask(server.port, authority, new)
    _ask(server.port, authority, old)
    ca.write_bytes(other.pem)
    _ask(server.port, authority, new)
    with pytest.raises(grpc.RpcError):
        _ask(server.port, authority, old)
    server.review.Review(question(), timeout=TIMEOUT)


def test_garbage_keeps_the_certificate_before(
    serve: Serve, labels: Path, authority: Authority, serving_pair: KeyPair
) -> None:
    client = authority.issue("eu-1", hosts=(), spiffe_id=WEBHOOK)
    server = _start(serve, authority, serving_pair, client, f"--policies={labels}")
    serving_pair.certificate.write_text("garbage")
    _ask(server.port, authority, client)
    serving_pair.certificate.unlink()
    _ask(server.port, authority, client)
    assert "fleetgate_certificate_reload_failures_total 0.0" not in server.get("/metrics")[1]
    complaints = [line["message"] for line in server.log_lines() if line["level"] == "error"]
    assert any("no PEM certificate" in str(message) for message in complaints)


def test_tls_without_client_certificates_lets_anybody_review_and_nothing_else(
    serve: Serve, labels: Path, authority: Authority, serving_pair: KeyPair
) -> None:
    server = serve(
        f"--policies={labels}",
        f"--tls-certificate={serving_pair.certificate}",
        f"--tls-key={serving_pair.key}",
        channel=lambda port: secure_channel(port, authority, None),
    )
    assert not server.review.Review(question(), timeout=TIMEOUT).allowed
    with pytest.raises(grpc.RpcError) as refused:
        server.generation()
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED

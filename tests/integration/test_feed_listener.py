"""The listener of agents, and what an agent says when it cannot begin: real TLS, real processes."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from fleetgate.engine import Engine, Feeds

from tests.support.certificates import Authority, KeyPair
from tests.support.processes import FLEETGATE, eventually, free_port
from tests.support.serving import serving


@pytest.fixture
def feeds() -> Iterator[Feeds]:
    running = Feeds(Engine(contexts=1))
    yield running
    running.close()


def _shown(address: str, authority: Authority, client: KeyPair) -> int:
    """The serial number of the certificate that a listener shows."""
    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.load_cert_chain(client.certificate, client.key)
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        shown = wrapped.getpeercert()
    assert shown is not None
    return int(str(shown["serialNumber"]), 16)


def _pem(pair: KeyPair, authority: Authority) -> dict[str, bytes]:
    return {
        "certificate": pair.certificate.read_bytes(),
        "key": pair.key.read_bytes(),
        "client_ca": authority.pem,
    }


def test_new_handshakes_see_new_certificates_and_broken_ones_change_nothing(feeds: Feeds, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    client = authority.issue("client", spiffe_id="spiffe://fleetgate.test/cluster/west/sync")
    first, second = authority.issue("first"), authority.issue("second")
    address = feeds.listen("127.0.0.1:0", trust_domain="", **_pem(first, authority))
    before = _shown(address, authority, client)
    assert _shown(address, authority, client) == before
    for broken in (
        {**_pem(second, authority), "certificate": b"no"},
        {**_pem(second, authority), "key": first.key.read_bytes()},
        {**_pem(second, authority), "client_ca": b""},
    ):
        with pytest.raises(OSError, match=r"certificate|client CA"):
            feeds.renew_certificates(**broken)
    assert _shown(address, authority, client) == before
    feeds.renew_certificates(**_pem(second, authority))
    assert _shown(address, authority, client) != before


def test_who_is_slow_to_shake_hands_holds_up_nobody(feeds: Feeds, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    client = authority.issue("client", spiffe_id="spiffe://fleetgate.test/cluster/west/sync")
    address = feeds.listen("127.0.0.1:0", trust_domain="", **_pem(authority.issue("server"), authority))
    host, _, port = address.rpartition(":")
    silent = [socket.create_connection((host, int(port)), timeout=10) for _ in range(50)]
    try:
        assert _shown(address, authority, client) > 0
    finally:
        for one in silent:
            one.close()


def test_a_service_follows_its_certificate_files(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    client = authority.issue("client", spiffe_id="spiffe://fleetgate.test/cluster/west/sync")
    pair, port = authority.issue("server"), free_port()
    address = f"127.0.0.1:{port}"
    with serving(
        tmp_path,
        f"--feed-listen={address}",
        f"--tls-certificate={pair.certificate}",
        f"--tls-key={pair.key}",
        f"--tls-client-ca={authority.file}",
        channel=_mutual(authority, client),
    ) as server:
        before = _shown(address, authority, client)
        pair.key.write_bytes(b"half a rotation")
        eventually(lambda: "certificates not reloaded" in server.process.log.read_text(), "a broken file is reported")
        assert _shown(address, authority, client) == before
        authority.issue("server")
        eventually(lambda: _shown(address, authority, client) != before, "the new one is shown")
        assert "fleetgate_certificate_reload_failures_total" in server.get("/metrics")[1]


def _mutual(authority: Authority, client: KeyPair) -> Callable[[int], grpc.Channel]:
    credentials = grpc.ssl_channel_credentials(authority.pem, client.key.read_bytes(), client.certificate.read_bytes())
    return lambda port: grpc.secure_channel(f"localhost:{port}", credentials)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"certificate": "missing.crt"}, "missing.crt: No such file or directory"),
        ({"key": "ca.crt"}, "ca.crt: "),
        ({"ca": "empty.pem"}, "empty.pem: no PEM certificate"),
        ({"endpoint": "localhost:9444"}, "localhost:9444: an endpoint is https://host:port"),
        ({"label": "fleetgate.dev/cluster-set=production"}, "is not the agent's to say"),
    ],
)
def test_an_agent_that_cannot_begin_says_why_and_ends(tmp_path: Path, options: dict[str, str], words: str) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("agent", spiffe_id="spiffe://fleetgate.test/cluster/west/sync")
    (tmp_path / "empty.pem").write_bytes(b"")
    given = {
        "endpoint": "https://localhost:9444",
        "certificate": pair.certificate.name,
        "key": pair.key.name,
        "ca": authority.file.name,
        **options,
    }
    arguments = [f"--{name}={value}" for name, value in given.items()]
    done = subprocess.run(
        [str(FLEETGATE), "agent", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.startswith("error: ")

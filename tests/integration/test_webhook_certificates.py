"""The webhook's serving certificate and whom it believes to be an API server."""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.canned_service import canned_service
from tests.support.certificates import Authority, KeyPair
from tests.support.webhook_client import RunningWebhook, admission_review, webhook_process

RELOAD_S = 1.0


def serial(webhook: RunningWebhook) -> int:
    """The serial number of the certificate that a new connection is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.create_connection(("127.0.0.1", webhook.port), 5)) as secured:
        shown = secured.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def expected(pair: KeyPair) -> int:
    """The serial number of a certificate file."""
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes()).serial_number


def put(pair: KeyPair, live: KeyPair) -> None:
    """Replace the live files, the certificate some time before its key."""
    shutil.copyfile(pair.certificate, live.certificate)
    time.sleep(0.3)
    shutil.copyfile(pair.key, live.key)


class FreshConnections:
    """Sends reviews, each on a connection of its own, until stopped."""

    def __init__(self, webhook: RunningWebhook) -> None:
        self.count = 0
        self.failures: list[str] = []
        self._webhook = webhook
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(3)]

    def __enter__(self) -> FreshConnections:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._webhook.admit(admission_review()).review  # noqa: B018 (raises where there is none)
                self.count += 1
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(repr(error))


def test_a_certificate_is_swapped_under_load(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    live = KeyPair(tmp_path / "tls.crt", tmp_path / "tls.key")
    put(authority.issue("first"), live)
    tls = (f"--tls-cert={live.certificate}", f"--tls-key={live.key}")
    with (
        canned_service() as service,
        webhook_process(tmp_path, [service.target], tls=tls, ca=authority.file) as webhook,
        FreshConnections(webhook) as load,
        closing(webhook.connect()) as kept,
    ):
        webhook.admit(admission_review(), connection=kept)
        for turn in range(5):
            fresh = authority.issue(f"leaf-{turn}")
            put(fresh, live)
            written = time.monotonic()
            while serial(webhook) != expected(fresh):
                assert time.monotonic() - written < RELOAD_S
                time.sleep(0.02)
        live.certificate.write_text("not a certificate")
        time.sleep(RELOAD_S)
        assert serial(webhook) == expected(fresh), "what cannot be used is not used"
        # A connection that stands keeps its certificate and goes on.
        assert webhook.admit(admission_review(), connection=kept).review["allowed"] is True
    assert load.failures == []
    assert load.count > 100


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def guarded(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWebhook]:
    pair = authority.issue("webhook")
    tls = (
        f"--tls-cert={pair.certificate}",
        f"--tls-key={pair.key}",
        f"--client-ca={authority.file}",
        "--client-cn=kube-apiserver",
    )
    directory = tmp_path_factory.mktemp("guarded")
    with (
        canned_service() as service,
        webhook_process(directory, [service.target], tls=tls, ca=authority.file) as running,
    ):
        yield running


def context_with(authority: Authority, pair: KeyPair | None) -> ssl.SSLContext:
    """A client's TLS context, with a certificate where one is given."""
    context = ssl.create_default_context(cafile=str(authority.file))
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


@pytest.mark.parametrize(("name", "status"), [("kube-apiserver", 200), ("somebody", 403), (None, 401)])
def test_who_may_ask(guarded: RunningWebhook, authority: Authority, name: str | None, status: int) -> None:
    context = context_with(authority, authority.issue(name) if name else None)
    with closing(guarded.connect(context=context)) as connection:
        assert guarded.admit(admission_review(), connection=connection).status == status


def test_probes_need_no_certificate(guarded: RunningWebhook) -> None:
    assert guarded.request("GET", "/readyz").status == 200


def test_a_stranger_does_not_get_past_the_handshake(
    guarded: RunningWebhook, authority: Authority, tmp_path: Path
) -> None:
    context = context_with(authority, Authority(tmp_path, "stranger").issue("kube-apiserver"))
    with (
        closing(guarded.connect(context=context)) as connection,
        pytest.raises(OSError, match=r"alert|reset|closed|EOF"),
    ):
        guarded.admit(admission_review(), connection=connection)

"""Ten thousand malformed requests at the webhook: no crash, no hang, no growth, and the next review is right."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.malformed import corpus, mutations
from tests.support.serving import DATA, serving
from tests.support.webhook_client import RunningWebhook, admission_review, webhook_process

TOTAL = 10_000
BATCH = 500
GROWTH_BYTES = 100 * 1024 * 1024
VALID_S = 1.0
MIB = 1024 * 1024
# The webhook gives up on a head after 5 s and on a body after 10 s; nothing may take longer than both.
PATIENCE_S = 20.0

HEAD = b"POST /v1/admit?timeout=5s HTTP/1.1\r\nHost: x\r\n"
TYPE = b"Content-Type: application/json\r\n"


def announced(body: bytes) -> bytes:
    """As it should be sent."""
    return HEAD + TYPE + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes) -> bytes:
    """Without a length."""
    pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return HEAD + TYPE + b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"


def bad_chunks(body: bytes) -> bytes:
    """With a chunk size that is none."""
    return HEAD + TYPE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + body + b"\r\n0\r\n\r\n"


def cut_chunks(body: bytes) -> bytes:
    """Ending within a chunk."""
    return HEAD + TYPE + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (len(body) + 10) + body


def too_short(body: bytes) -> bytes:
    """Ending before the length that was announced."""
    return HEAD + TYPE + b"Content-Length: %d\r\n\r\n" % (len(body) + 10) + body


def too_long(body: bytes) -> bytes:
    """Going on after the length that was announced."""
    return HEAD + TYPE + b"Content-Length: %d\r\n\r\n" % (len(body) // 2) + body


def packed(body: bytes) -> bytes:
    """Compressed, and said so."""
    squeezed = gzip.compress(body, 1)
    return HEAD + TYPE + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(squeezed) + squeezed


def packed_in_secret(body: bytes) -> bytes:
    """Compressed, and not said so."""
    return announced(gzip.compress(body, 1))


def two_lengths(body: bytes) -> bytes:
    """With two opinions about the length."""
    return HEAD + TYPE + b"Content-Length: %d\r\nContent-Length: 3\r\n\r\n" % len(body) + body


def both_framings(body: bytes) -> bytes:
    """The material of request smuggling."""
    return HEAD + TYPE + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + body


def no_http(body: bytes) -> bytes:
    """Without a head."""
    return body + b"\r\n\r\n"


def fat_head(body: bytes) -> bytes:
    """With too much of a head."""
    return HEAD + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n" + body


ODD_FRAMINGS: tuple[Callable[[bytes], bytes], ...] = (
    chunked,
    bad_chunks,
    cut_chunks,
    too_short,
    too_long,
    packed,
    packed_in_secret,
    two_lengths,
    both_framings,
    no_http,
    fat_head,
)


def malformed() -> Iterator[bytes]:
    """Requests: the corpus in its plain framing, mutations in all framings, and some that are huge."""
    yield from map(announced, corpus())
    yield from map(chunked, corpus())
    good = json.dumps(admission_review()).encode()
    for size in (8 * MIB, 20 * MIB):
        huge = good.replace(b'"alice"', b'"%s"' % (b"a" * size))
        yield from (announced(huge), chunked(huge), announced(b"[" * size))
    yield packed(b"[" * (64 * MIB))
    framings = itertools.cycle(ODD_FRAMINGS)
    yield from (
        next(framings)(body) if number % 2 else announced(body)
        for number, body in enumerate(mutations(seed=7, count=TOTAL))
    )


def send(webhook: RunningWebhook, data: bytes) -> bytes:
    """Send, say that nothing follows, and read until the webhook closes or has answered."""
    with closing(socket.create_connection(("127.0.0.1", webhook.port), PATIENCE_S)) as connection:
        received = b""
        # It may answer and close while there is still something to send.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                received += chunk
        return received


def check(received: bytes) -> None:
    """Answers, where there are any, are HTTP; a review in one is well formed."""
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        assert status in (200, 400, 404, 405, 408, 413, 415), received[:500]
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body, received = rest[:length], rest[length:]
        assert len(body) == length
        if status == 200 and b"application/json" in head:
            response = json.loads(body)["response"]
            assert isinstance(response["uid"], str)
            assert response["allowed"] in (True, False)


class SlowHeads:
    """Connections that send a head one byte at a time, each new one after the other is given up."""

    def __init__(self, webhook: RunningWebhook, count: int) -> None:
        self.given_up = 0
        self._webhook = webhook
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]

    def __enter__(self) -> SlowHeads:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            with closing(socket.create_connection(("127.0.0.1", self._webhook.port), 10)) as connection:
                connection.settimeout(0.5)
                for byte in itertools.cycle(HEAD):
                    if self._over.is_set():
                        return
                    try:
                        connection.send(bytes([byte]))
                        connection.recv(1)
                        break
                    except TimeoutError:
                        continue
                    except OSError:
                        break
                self.given_up += 1


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWebhook]:
    directory = tmp_path_factory.mktemp("webhook")
    with (
        serving(directory, f"--policies={DATA / 'labels'}") as service,
        webhook_process(directory, [f"127.0.0.1:{service.port}"]) as running,
    ):
        yield running


def labelled(uid: str, **labels: str) -> dict[str, Any]:
    """A review of a Pod; the policies want the label owner."""
    metadata = {"name": "web", "namespace": "default", "labels": labels}
    return admission_review(uid, object={"apiVersion": "v1", "kind": "Pod", "metadata": metadata})


def valid(webhook: RunningWebhook) -> None:
    """Two reviews are right, within their time."""
    started = time.monotonic()
    for review, allowed in ((labelled("good", owner="a", team="b"), True), (labelled("bad"), False)):
        answered = webhook.admit(review).review
        assert (answered["uid"], answered["allowed"]) == (review["request"]["uid"], allowed)
    assert time.monotonic() - started < VALID_S


@pytest.mark.timeout(600)
def test_ten_thousand_malformed_requests(webhook: RunningWebhook) -> None:
    process = psutil.Process(webhook.process.pid)
    valid(webhook)
    before = process.memory_info().rss
    requests = malformed()
    sent, growth = 0, 0
    with SlowHeads(webhook, 20) as slow, ThreadPoolExecutor(4) as pool:
        while batch := list(itertools.islice(requests, BATCH)):
            for received in pool.map(lambda data: send(webhook, data), batch):
                check(received)
            sent += len(batch)
            valid(webhook)
            growth = max(growth, process.memory_info().rss - before)
    assert sent >= TOTAL
    assert slow.given_up > 0
    assert growth <= GROWTH_BYTES
    print(f"{sent} malformed requests, RSS grew by {growth / MIB:.1f} MiB")


bodies = st.one_of(
    st.binary(max_size=2_000),
    st.text(max_size=500).map(str.encode),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=5)
            | st.dictionaries(st.sampled_from(["uid", "kind", "request", "apiVersion", "object"]), inner, max_size=5)
        ),
        max_leaves=15,
    ).map(lambda value: json.dumps(value).encode()),
    st.dictionaries(
        st.sampled_from(["uid", "kind", "object", "namespace", "operation", "dryRun"]),
        st.none() | st.integers() | st.text(max_size=20) | st.lists(st.integers(), max_size=3),
    ).map(lambda fields: json.dumps(admission_review(**fields)).encode()),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies, framing=st.sampled_from([announced, chunked, too_long, packed_in_secret]), data=st.data())
def test_whatever_hypothesis_thinks_of(
    webhook: RunningWebhook, body: bytes, framing: Callable[[bytes], bytes], data: st.DataObject
) -> None:
    damaged = bytearray(framing(body))
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    check(send(webhook, bytes(damaged)))
    valid(webhook)


def test_a_good_request_in_many_pieces(webhook: RunningWebhook) -> None:
    rng = random.Random(3)
    for _ in range(20):
        data = announced(json.dumps(labelled("pieces")).encode())
        cuts = sorted(rng.sample(range(1, len(data)), 12))
        with closing(socket.create_connection(("127.0.0.1", webhook.port), 5)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for start, end in itertools.pairwise([0, *cuts, len(data)]):
                connection.send(data[start:end])
                time.sleep(0.001)
            received = connection.recv(65536)
        assert json.loads(received.partition(b"\r\n\r\n")[2])["response"]["status"]["code"] == 403

"""The callers of benchmarks measure what a server does: how long, how often, and what failed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from tests.support.callers import Identity, call
from tests.support.certificates import Authority

pytestmark = pytest.mark.e2e

SLOWNESS = 0.05
REFUSED = b"refuse me"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Identity]]:
    """A server that answers what it was asked, after a while."""

    def echo(request: bytes, context: grpc.ServicerContext) -> bytes:
        if request == REFUSED:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "not this one")
        time.sleep(SLOWNESS)
        return request

    authority = Authority(tmp_path_factory.mktemp("pki"))
    serving, caller = authority.issue("server"), authority.issue("caller")
    handler = grpc.method_handlers_generic_handler(
        "fleetgate.v1.ReviewService", {"Review": grpc.unary_unary_rpc_method_handler(echo)}
    )
    grpc_server = grpc.server(ThreadPoolExecutor(32), handlers=[handler])
    credentials = grpc.ssl_server_credentials(
        [(serving.key.read_bytes(), serving.certificate.read_bytes())], authority.pem, require_client_auth=True
    )
    port = grpc_server.add_secure_port("localhost:0", credentials)
    grpc_server.start()
    yield f"localhost:{port}", Identity(authority.file, caller.certificate, caller.key)
    grpc_server.stop(0)


def test_a_rate_is_kept_whatever_answers_take(server: tuple[str, Identity], tmp_path: Path) -> None:
    """More calls are in flight than one after another could be, the payloads take turns, and each answer is kept."""
    payloads = [b"", b"one", b"x" * 100_000]
    answers = call(tmp_path, *server, payloads, rate=100, seconds=1, warmup=0.3)
    assert len(answers.messages) == len(answers.latencies) == 100
    assert not answers.failures
    counts = Counter(answers.messages)
    assert set(counts) == set(payloads)
    assert max(counts.values()) - min(counts.values()) <= 1
    assert min(answers.latencies) >= SLOWNESS


def test_latency_counts_from_when_a_call_was_due(server: tuple[str, Identity], tmp_path: Path) -> None:
    """With more calls than the server's threads can answer, those that wait for one take longer and longer."""
    answers = call(tmp_path, *server, [b"one"], rate=1_000, seconds=1, warmup=0)
    assert len(answers.latencies) == 1_000
    # 32 threads answer 640 of them in a second; the last waits for the 360 before it.
    assert max(answers.latencies) > 5 * SLOWNESS


def test_callers_ask_again_once_they_are_answered(server: tuple[str, Identity], tmp_path: Path) -> None:
    """So many are never more than that at a time."""
    answers = call(tmp_path, *server, [b"one"], concurrency=4, seconds=1, warmup=0)
    assert 4 <= len(answers.messages) <= 4 * (1 / SLOWNESS + 1)


def test_what_fails_is_counted(server: tuple[str, Identity], tmp_path: Path) -> None:
    """By its status, and without a latency: what is refused at once is not fast."""
    answers = call(tmp_path, *server, [b"one", REFUSED], rate=100, seconds=1, warmup=0)
    assert len(answers.latencies) + answers.failures.total() == 100
    assert set(answers.failures) == {grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]}
    assert abs(answers.failures.total() - 50) <= 1


def test_a_server_that_is_not_there_is_an_error(server: tuple[str, Identity], tmp_path: Path) -> None:
    """Nothing is measured."""
    with pytest.raises(RuntimeError, match="connection refused"):
        call(tmp_path, "localhost:1", server[1], [b"one"], rate=1, seconds=1)

"""The end of a server: SIGTERM, SIGINT, a second signal, one of two replicas under load."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from fleetgate_proto.v1 import review_pb2_grpc

from tests.support.serving import TIMEOUT, Serve, http_get, question

SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": "fleetgate.v1.ReviewService"},
        "methodConfig": [
            {
                "name": [{"service": "fleetgate.v1.ReviewService"}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.01s",
                    "maxBackoff": "0.1s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
    }
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_exits_0(serve: Serve, labels: Path, number: int) -> None:
    server = serve(f"--policies={labels}")
    os.kill(server.process.pid, number)
    assert server.process.wait() == 0
    assert [line["message"] for line in server.log_lines()][-2:] == ["draining", "stopped"]


def test_calls_are_answered_during_the_delay(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}", "--drain-delay-seconds=1")
    server.review.Review(question(), timeout=TIMEOUT)
    os.kill(server.process.pid, signal.SIGTERM)
    deadline = time.monotonic() + 0.6
    while time.monotonic() < deadline:
        server.review.Review(question(), timeout=TIMEOUT)
    assert server.process.wait() == 0


def test_a_second_signal_exits_at_once(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}", "--drain-delay-seconds=60")
    os.kill(server.process.pid, signal.SIGTERM)
    server.process.wait_until(lambda: server.get("/readyz")[0] == 503, "draining")
    began = time.monotonic()
    assert server.process.stop() == -signal.SIGTERM
    assert time.monotonic() - began < 5


def test_signals_in_quick_succession_always_end_it(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}", "--drain-delay-seconds=60")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        os.kill(server.process.pid, number)
    assert server.process.wait() in {-signal.SIGTERM, -signal.SIGINT}


def test_one_of_two_replicas_stops_under_load_and_no_review_fails(serve: Serve, labels: Path) -> None:
    replicas = [serve(f"--policies={labels}", "--drain-delay-seconds=1") for _ in range(2)]
    target = "ipv4:" + ",".join(f"127.0.0.1:{replica.port}" for replica in replicas)
    options = [("grpc.service_config", SERVICE_CONFIG), ("grpc.enable_retries", 1)]
    total, callers = 5_000, 4
    failures: list[grpc.RpcError] = []
    done = threading.Semaphore(0)

    with grpc.insecure_channel(target, options) as channel:
        review = review_pb2_grpc.ReviewServiceStub(channel).Review
        asked = question()

        def ask(count: int) -> None:
            for _ in range(count):
                try:
                    assert not review(asked, timeout=TIMEOUT, wait_for_ready=True).allowed
                except grpc.RpcError as error:
                    failures.append(error)
                done.release()

        with ThreadPoolExecutor(callers) as pool:
            running = [pool.submit(ask, total // callers) for _ in range(callers)]
            for _ in range(total // 5):
                done.acquire()
            answered = _answered(replicas[0].http)
            os.kill(replicas[0].process.pid, signal.SIGTERM)
            for future in running:
                future.result()
    assert failures == []
    assert answered > total // 20, "the replica that was stopped had no load"
    assert replicas[0].process.wait() == 0


def _answered(port: int) -> float:
    """How many reviews a replica has counted."""
    lines = http_get(port, "/metrics")[1].splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("gatekeeper_validation_request_count_total{")
    )

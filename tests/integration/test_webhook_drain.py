"""How the webhook starts, stops and fails to start."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import grpc
from fleetgate_proto.v1 import review_pb2

from tests.support.canned_service import allow, canned_service
from tests.support.certificates import Authority
from tests.support.processes import FLEETGATE
from tests.support.webhook_client import RunningWebhook, admission_review, webhook_process

REVIEWS = 3_000


def brief(request: review_pb2.ReviewRequest, context: grpc.ServicerContext) -> review_pb2.ReviewResponse:
    """Take a while, so that requests are at hand when the webhook stops."""
    time.sleep(0.002)
    return allow(request, context)


class Balancer:
    """Callers that do as an API server behind a Service: new connections go to replicas that are ready, a connection
    is used until the server closes it.
    """

    def __init__(self, replicas: Sequence[RunningWebhook], callers: int) -> None:
        self.failures: list[str] = []
        self.done = 0
        self.closed_by_server = 0
        self._replicas = list(replicas)
        self._ready = list(replicas)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(number,)) for number in range(callers)]
        self._prober = threading.Thread(target=self._probe)

    def __enter__(self) -> Balancer:
        for thread in (self._prober, *self._threads):
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()
        self._over.set()
        self._prober.join()

    def _probe(self) -> None:
        while not self._over.wait(0.05):
            self._ready = [replica for replica in self._replicas if replica.ready()]

    def _call(self, number: int) -> None:
        connection: http.client.HTTPConnection | None = None
        while True:
            with self._lock:
                if self.done >= REVIEWS:
                    break
                self.done += 1
            if connection is None:
                replica = self._ready[number % len(self._ready)]
                connection = replica.connect()
            try:
                answered = replica.admit(admission_review(), connection=connection)
                if answered.status != 200 or not answered.review["allowed"]:
                    self.failures.append(f"{answered.status} {answered.body[:200]!r}")
                if answered.headers.get("Connection", "").lower() == "close":
                    self.closed_by_server += 1
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


def test_a_draining_webhook_loses_nothing(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    pair = authority.issue("webhook")
    tls = (f"--tls-cert={pair.certificate}", f"--tls-key={pair.key}")
    arguments = ("--drain-delay=1s",)
    with (
        canned_service(brief) as service,
        webhook_process(tmp_path / "a", [service.target], *arguments, tls=tls, ca=authority.file) as first,
        webhook_process(tmp_path / "b", [service.target], *arguments, tls=tls, ca=authority.file) as second,
    ):
        with Balancer([first, second], callers=8) as load:
            while load.done < REVIEWS / 4:
                time.sleep(0.005)
            os.kill(first.process.pid, signal.SIGTERM)
        assert load.failures == []
        assert load.closed_by_server > 0
        assert first.process.stop() == 0
        assert second.ready()


def test_requests_at_hand_are_finished(tmp_path: Path) -> None:
    entered = threading.Event()

    def slow(request: review_pb2.ReviewRequest, context: grpc.ServicerContext) -> review_pb2.ReviewResponse:
        entered.set()
        time.sleep(1.5)
        return allow(request, context)

    with canned_service(slow) as service, webhook_process(tmp_path, [service.target]) as webhook:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(webhook.admit(admission_review())))
        with closing(webhook.connect()) as idle:
            webhook.request("GET", "/healthz", connection=idle)
            thread.start()
            assert entered.wait(5)
            started = time.monotonic()
            assert webhook.process.stop() == 0
            assert time.monotonic() - started < 4
        thread.join()
        assert answers[0].review["allowed"] is True
        assert answers[0].headers["Connection"] == "close"


NAMED = ["--cluster=c", "--server=127.0.0.1:1", "--server-insecure"]


def test_the_environment_gives_options(tmp_path: Path) -> None:
    given = {"FLEETGATE_WEBHOOK_CLUSTER": "c", "FLEETGATE_WEBHOOK_SERVER": "pdp:1 127.0.0.1:2"}
    given |= {"FLEETGATE_WEBHOOK_SERVER_INSECURE": "1", "FLEETGATE_WEBHOOK_INSECURE": "1"}
    given |= {"FLEETGATE_WEBHOOK_LISTEN": "127.0.0.1:0", "FLEETGATE_WEBHOOK_NAMESPACES_FROM": str(tmp_path)}
    command = [str(FLEETGATE), "webhook"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, env={**os.environ, **given})
    assert (done.returncode, "pdp:1 is not" in done.stderr) == (2, True)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with canned_service() as service, webhook_process(tmp_path, [service.target]) as webhook:
        command = [str(FLEETGATE), "webhook", *NAMED, "--insecure", f"--listen=127.0.0.1:{webhook.port}"]
        command.append(f"--namespaces-from={tmp_path}")
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert (done.returncode, "in use" in done.stderr) == (2, True), done.stderr

"""The webhook's gRPC side: what the service's silence, refusals and restarts mean for the API server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from fleetgate_proto.v1 import review_pb2
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from tests.support.canned_service import CannedService, allow, canned_service
from tests.support.certificates import Authority
from tests.support.processes import free_port
from tests.support.serving import DATA, serving
from tests.support.webhook_client import RunningWebhook, admission_review, webhook_process

MIB = 1024 * 1024
SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


@pytest.fixture(scope="module")
def service() -> Iterator[CannedService]:
    with canned_service() as running:
        yield running


@pytest.fixture(scope="module")
def webhook(service: CannedService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWebhook]:
    with webhook_process(tmp_path_factory.mktemp("webhook"), [service.target]) as running:
        yield running


@pytest.fixture(autouse=True)
def _allow(service: CannedService) -> None:
    service.answer = allow


def failing(code: grpc.StatusCode, details: str, reason: str = "") -> Any:
    """Answer with a gRPC error, with an ErrorInfo where a reason is given."""

    def answer(_request: review_pb2.ReviewRequest, context: grpc.ServicerContext) -> review_pb2.ReviewResponse:
        if not reason:
            context.abort(code, details)
        info = any_pb2.Any()
        info.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="fleetgate.dev"))
        status = status_pb2.Status(code=getattr(code_pb2, code.name), message=details, details=[info])
        context.abort_with_status(rpc_status.to_status(status))
        raise AssertionError("abort raises")

    return answer


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, "the policy service does not accept this webhook: why"),
        (grpc.StatusCode.UNAUTHENTICATED, "the policy service does not accept this webhook: why"),
        (grpc.StatusCode.INVALID_ARGUMENT, "the policy service cannot read the request: why"),
        (grpc.StatusCode.INTERNAL, "the policy service failed: INTERNAL: why"),
        (grpc.StatusCode.UNKNOWN, "the policy service failed: UNKNOWN: why"),
        (grpc.StatusCode.FAILED_PRECONDITION, "the policy service failed: FAILED_PRECONDITION: why"),
    ],
)
def test_a_refusal_is_an_error_for_the_user(
    webhook: RunningWebhook, service: CannedService, code: grpc.StatusCode, message: str
) -> None:
    service.answer = failing(code, "why")
    answered = webhook.admit(admission_review())
    assert answered.status == 200
    assert answered.review["allowed"] is False
    assert answered.review["status"] == {"metadata": {}, "message": message, "code": 500}


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_unavailable_is_left_to_the_failure_policy(
    webhook: RunningWebhook, service: CannedService, code: grpc.StatusCode
) -> None:
    service.answer = failing(code, "busy")
    answered = webhook.admit(admission_review())
    assert (answered.status, answered.headers["Content-Type"]) == (503, "text/plain; charset=utf-8")
    assert code.name in answered.body.decode()


def test_a_limit_of_the_service_is_no_way_around_a_policy(webhook: RunningWebhook, service: CannedService) -> None:
    service.answer = failing(grpc.StatusCode.RESOURCE_EXHAUSTED, "nested too deeply", "REQUEST_TOO_LARGE")
    review = webhook.admit(admission_review()).review
    assert (review["allowed"], review["status"]["code"]) == (False, 413)


def test_a_lower_limit_of_grpc_is_no_way_around_a_policy(tmp_path: Path) -> None:
    service = CannedService(allow)
    service.max_receive_bytes = MIB
    service.start()
    with webhook_process(tmp_path, [service.target]) as webhook:
        review = webhook.admit(admission_review(object={"data": "x" * (2 * MIB)})).review
        assert (review["allowed"], review["status"]["code"]) == (False, 413)
    service.stop()


@pytest.mark.parametrize(("option", "status"), [("deny", 200), ("failure-policy", 413)])
def test_a_review_that_is_too_deep_for_the_service(tmp_path: Path, option: str, status: int) -> None:
    def answer(_request: review_pb2.ReviewRequest, _context: grpc.ServicerContext) -> review_pb2.ReviewResponse:
        return review_pb2.ReviewResponse(review_error=review_pb2.ReviewError(code=413, message="too deep"))

    with (
        canned_service(answer) as service,
        webhook_process(tmp_path, [service.target], f"--on-oversize={option}") as webhook,
    ):
        answered = webhook.admit(admission_review())
        assert answered.status == status
        if status == 200:
            assert (answered.review["allowed"], answered.review["status"]["code"]) == (False, 413)


@pytest.mark.parametrize(
    ("options", "status"), [((), 200), (("--errors-as=deny-500",), 200), (("--errors-as=failure-policy",), 500)]
)
def test_errors_as(tmp_path: Path, options: tuple[str, ...], status: int) -> None:
    failed = review_pb2.ReviewError(code=500, message="why", reason=review_pb2.ERROR_REASON_EVALUATION)
    refused = review_pb2.ReviewError(code=500, message="bad", reason=review_pb2.ERROR_REASON_RESOURCE_REFUSED)
    with canned_service() as service, webhook_process(tmp_path, [service.target], *options) as webhook:
        service.answer = lambda _request, _context: review_pb2.ReviewResponse(review_error=failed)
        answered = webhook.admit(admission_review())
        assert answered.status == status
        if status == 200:
            assert (answered.review["allowed"], answered.review["status"]["code"]) == (False, 500)
        else:
            # No AdmissionReview, and nothing of the policy's message, which may show a part of the object.
            assert answered.body == b"the review failed: ERROR_REASON_EVALUATION\n"
        service.answer = failing(grpc.StatusCode.INTERNAL, "broken")
        assert webhook.admit(admission_review()).status == status
        unknown_namespace = admission_review(namespace="nowhere")
        service.answer = allow
        assert webhook.admit(unknown_namespace).status == status
        # What is wrong with one of Gatekeeper's own objects is an answer.
        service.answer = lambda _request, _context: review_pb2.ReviewResponse(review_error=refused)
        assert webhook.admit(admission_review()).review["status"]["message"] == "bad"


@pytest.mark.parametrize(
    ("query", "seconds"),
    [("?timeout=3s", 2.9), ("?timeout=500ms", 0.45), ("", 9.9), ("?timeout=x", 9.9), ("?timeout=2h", 29.9)],
)
def test_the_api_servers_timeout_is_the_services_deadline(
    webhook: RunningWebhook, service: CannedService, query: str, seconds: float
) -> None:
    assert webhook.admit(admission_review(), query=query).status == 200
    # gRPC writes a deadline with three digits.
    assert max(0.05, seconds - 1.0) < service.time_remaining <= seconds * 1.01


def test_a_slow_service_is_not_waited_for(webhook: RunningWebhook, service: CannedService) -> None:
    answered = threading.Event()

    def slow(request: review_pb2.ReviewRequest, context: grpc.ServicerContext) -> review_pb2.ReviewResponse:
        answered.wait(20)
        return allow(request, context)

    service.answer = slow
    started = time.monotonic()
    answer = webhook.admit(admission_review(), query="?timeout=1s")
    took = time.monotonic() - started
    answered.set()
    assert answer.status == 503
    assert b"DEADLINE_EXCEEDED" in answer.body
    assert 0.85 < took < 10


@pytest.mark.parametrize(
    ("option", "status", "allowed", "code"),
    [("failure-policy", 503, None, 0), ("deny", 200, False, 500), ("allow", 200, True, 299)],
)
def test_on_unavailable(tmp_path: Path, option: str, status: int, allowed: bool | None, code: int) -> None:
    target = f"127.0.0.1:{free_port()}"
    with webhook_process(tmp_path, [target], f"--on-unavailable={option}", wait_ready=False) as webhook:
        started = time.monotonic()
        answered = webhook.admit(admission_review())
        # Nobody is there: the failure policy applies soon, not at the deadline.
        assert time.monotonic() - started < 3.0
        assert answered.status == status
        assert webhook.request("GET", "/readyz").status == 503
        if allowed is not None:
            assert (answered.review["allowed"], answered.review["status"]["code"]) == (allowed, code)
            assert ("warnings" in answered.review) is allowed
        # It is found once it comes.
        with canned_service(address=target):
            webhook.process.wait_until(webhook.ready, "ready", 5)
            assert webhook.admit(admission_review()).review["allowed"] is True


def test_trace_context_goes_on_untouched_where_it_is_not_sampled(
    webhook: RunningWebhook, service: CannedService
) -> None:
    headers = {"Content-Type": "application/json", "traceparent": SAMPLED, "tracestate": "a=b"}
    webhook.request("POST", "/v1/admit", json.dumps(admission_review()).encode(), headers)
    assert (service.metadata["traceparent"], service.metadata["tracestate"]) == (SAMPLED, "a=b")
    webhook.admit(admission_review())
    assert "traceparent" not in service.metadata
    headers["traceparent"] = "00-zz-zz-01"
    webhook.request("POST", "/v1/admit", json.dumps(admission_review()).encode(), headers)
    assert "traceparent" not in service.metadata


class Load:
    """Callers that send reviews, one after the other each, and count what was not a decision."""

    def __init__(self, webhook: RunningWebhook, callers: int, total: int, review: dict[str, Any] | None = None) -> None:
        self._review = review or admission_review()
        self.failures: list[str] = []
        self.done = 0
        self._webhook = webhook
        self._total = total
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(callers)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def wait_for(self, count: int) -> None:
        """Wait until so many reviews have been answered."""
        deadline = time.monotonic() + 60
        while self.done < count and time.monotonic() < deadline:
            time.sleep(0.005)

    def finish(self) -> None:
        """Wait until all are answered."""
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        connection = self._webhook.connect()
        while True:
            with self._lock:
                if self.done >= self._total:
                    break
                self.done += 1
            try:
                answered = self._webhook.admit(self._review, connection=connection)
                if answered.status != 200 or not answered.review["allowed"]:
                    self.failures.append(f"{answered.status} {answered.body[:200]!r}")
            except OSError as error:
                self.failures.append(repr(error))
                connection.close()
        connection.close()


def brief(request: review_pb2.ReviewRequest, context: grpc.ServicerContext) -> review_pb2.ReviewResponse:
    """Take a while, so that calls are in flight when a replica stops."""
    time.sleep(0.002)
    return allow(request, context)


def test_a_draining_replica_loses_nothing(tmp_path: Path) -> None:
    with (
        canned_service(brief) as first,
        canned_service(brief) as second,
        webhook_process(tmp_path, [first.target, second.target]) as webhook,
    ):
        load = Load(webhook, callers=8, total=5_000)
        load.start()
        load.wait_for(1_500)
        assert min(first.calls, second.calls) > 400, "round robin"
        first.drain(delay=0.2, grace=5.0)
        load.finish()
        assert load.failures == []
        assert first.calls + second.calls == 5_000


def test_a_replica_that_is_killed_costs_retries_not_answers(tmp_path: Path) -> None:
    with (
        canned_service(brief) as first,
        canned_service(brief) as second,
        webhook_process(tmp_path, [first.target, second.target]) as webhook,
    ):
        load = Load(webhook, callers=4, total=2_000)
        load.start()
        load.wait_for(500)
        first.stop(grace=None)
        load.wait_for(1_000)
        first.start(first.target)
        calls = first.calls
        load.finish()
        assert load.failures == []
        assert first.calls > calls, "it is used again"


def test_a_replica_of_the_real_service_drains_without_loss(tmp_path: Path) -> None:
    arguments = (f"--policies={DATA / 'labels'}", "--drain-delay-seconds=0.5")
    review = admission_review(
        object={"kind": "Pod", "metadata": {"name": "web", "labels": {"owner": "a", "team": "b"}}}
    )
    review["request"]["object"]["apiVersion"] = "v1"
    with serving(tmp_path, *arguments) as first, serving(tmp_path, *arguments) as second:
        targets = [f"127.0.0.1:{first.port}", f"127.0.0.1:{second.port}"]
        with webhook_process(tmp_path, targets) as webhook:
            load = Load(webhook, callers=8, total=5_000, review=review)
            load.start()
            load.wait_for(1_500)
            assert first.process.stop() == 0
            load.finish()
            assert load.failures == []


def test_not_serving_is_not_ready(tmp_path: Path) -> None:
    with canned_service() as service, webhook_process(tmp_path, [service.target]) as webhook:
        service.set_serving(serving=False)
        webhook.process.wait_until(lambda: not webhook.ready(), "not ready", 5)
        assert b"not SERVING" in webhook.request("GET", "/readyz").body
        assert webhook.request("GET", "/healthz").status == 200
        service.set_serving(serving=True)
        webhook.process.wait_until(webhook.ready, "ready", 5)


def mutual_tls(authority: Authority, name: str) -> grpc.ServerCredentials:
    """Server credentials that ask for a client certificate of the same authority."""
    pair = authority.issue(name)
    return grpc.ssl_server_credentials(
        [(pair.key.read_bytes(), pair.certificate.read_bytes())], authority.pem, require_client_auth=True
    )


def test_client_certificates_are_reread(tmp_path: Path) -> None:
    seen: set[str] = set()

    def answer(request: review_pb2.ReviewRequest, context: grpc.ServicerContext) -> review_pb2.ReviewResponse:
        seen.update(name.decode() for name in context.auth_context().get("x509_common_name", ()))
        return allow(request, context)

    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "stranger")
    old = authority.issue("old")
    files = {"ca": tmp_path / "live-ca", "cert": tmp_path / "live-cert", "key": tmp_path / "live-key"}
    for kind, source in (("ca", authority.file), ("cert", old.certificate), ("key", old.key)):
        files[kind].write_bytes(source.read_bytes())
    options = [f"--server-{kind}={file}" for kind, file in files.items()]
    with (
        canned_service(answer, credentials=mutual_tls(authority, "service")) as service,
        webhook_process(tmp_path, [service.target], service=options) as webhook,
    ):
        load = Load(webhook, callers=4, total=3_000)
        load.start()
        load.wait_for(500)
        # A certificate that the service does not accept: what works stays in use.
        for kind, file in (("cert", stranger.issue("wrong").certificate), ("key", tmp_path / "stranger/wrong.key")):
            files[kind].write_bytes(file.read_bytes())
        load.wait_for(1_500)
        new = authority.issue("new")
        files["cert"].write_bytes(new.certificate.read_bytes())
        files["key"].write_bytes(new.key.read_bytes())
        webhook.process.wait_until(lambda: "new" in seen or load.done >= 3_000, "reloaded")
        load.finish()
        assert load.failures == []
        time.sleep(1.0)
        webhook.admit(admission_review())
        assert seen == {"old", "new"}

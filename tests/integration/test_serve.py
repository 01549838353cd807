"""`fleetgate serve`: decisions over gRPC, configuration at start, refusals."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from fleetgate_proto.v1 import review_pb2, server_info_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.support.decisions import constraint, template
from tests.support.processes import FLEETGATE
from tests.support.serving import TIMEOUT, Serve, messages, pod, question


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [str(FLEETGATE), *arguments], capture_output=True, text=True, timeout=30, env=env, check=False
    )


def reason(error: grpc.RpcError) -> tuple[grpc.StatusCode, str]:
    """Code and machine-readable reason of a failed call."""
    status = rpc_status.from_call(error)
    assert status is not None, error
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "fleetgate.dev"
    return error.code(), info.reason


def test_reviews_are_allowed_warned_and_denied(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}")
    denied = server.review.Review(question(), timeout=TIMEOUT)
    assert not denied.allowed
    assert messages(denied) == ["deny owner: label owner is missing", "warn team: label team is missing"]
    assert json.loads(denied.violations[0].details) == {"missing": "owner"}
    assert len(denied.decision_id) == 32
    assert denied.policy_generation == server.generation()

    warned = server.review.Review(question(pod(labels={"owner": "a"})), timeout=TIMEOUT)
    assert warned.allowed
    assert messages(warned) == ["warn team: label team is missing"]

    allowed = server.review.Review(question(pod(labels={"owner": "a", "team": "b"})), timeout=TIMEOUT)
    assert allowed.allowed
    assert messages(allowed) == []
    assert allowed.decision_id != warned.decision_id


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "{}, 2.5e+06"),
        (["--compatibility-numbers=exact", "--compatibility-namespace-object-absent=null"], "null, 2500000"),
    ],
)
def test_compatibility_switches_reach_the_decision(
    serve: Serve, tmp_path: Path, flags: list[str], message: str
) -> None:
    rego = """
    violation[{"msg": m}] { m := sprintf("%v, %v", [input.review.namespaceObject, input.review.object.spec.size]) }
    """
    policies = tmp_path / "policies"
    policies.mkdir()
    for name, document in (("t", template("K", rego)), ("c", constraint("K"))):
        (policies / f"{name}.json").write_text(json.dumps(document))
    server = serve(f"--policies={policies}", *flags)
    asked = question({**pod(), "spec": {"size": 2_500_000}})
    asked.namespace = b""
    assert messages(server.review.Review(asked, timeout=TIMEOUT)) == [f"deny c: {message}"]


def test_a_batch_is_answered_in_order_and_item_by_item(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}")
    good = question(pod(labels={"owner": "a", "team": "b"}))
    broken = review_pb2.ReviewRequest(cluster="eu-1", admission_request=b"{")
    answer = server.review.BatchReview(
        review_pb2.BatchReviewRequest(requests=[question(), broken, good]), timeout=TIMEOUT
    )
    assert [item.WhichOneof("result") for item in answer.items] == ["response", "status", "response"]
    assert [item.response.allowed for item in answer.items] == [False, False, True]
    info = error_details_pb2.ErrorInfo()
    assert answer.items[1].status.details[0].Unpack(info)
    assert info.reason == "INVALID_REQUEST"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (review_pb2.ReviewRequest(cluster="eu-1", admission_request=b"{"), "admission_request"),
        (review_pb2.ReviewRequest(cluster="eu-1"), "subject"),
    ],
)
def test_what_does_not_decode_is_an_invalid_argument(
    serve: Serve, labels: Path, request_: review_pb2.ReviewRequest, field: str
) -> None:
    server = serve(f"--policies={labels}")
    with pytest.raises(grpc.RpcError) as failed:
        server.review.Review(request_, timeout=TIMEOUT)
    assert reason(failed.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    status = rpc_status.from_call(failed.value)
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    assert bad.field_violations[0].field == field


def test_bytes_that_are_no_message_and_the_size_limit(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}")
    raw = server.channel.unary_unary("/fleetgate.v1.ReviewService/Review", _registered_method=True)
    with pytest.raises(grpc.RpcError) as garbage:
        raw(b"\xff\xff\xff", timeout=TIMEOUT)
    assert reason(garbage.value) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    with pytest.raises(grpc.RpcError) as huge:
        raw(b"x" * (8 * 1024 * 1024 + 1), timeout=TIMEOUT)
    assert huge.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(grpc.RpcError) as unknown:
        server.channel.unary_unary("/fleetgate.v1.ReviewService/Nope", _registered_method=True)(b"", timeout=TIMEOUT)
    assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert not server.review.Review(question(), timeout=TIMEOUT).allowed


def test_server_info(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}", "--review-contexts=3")
    info = server.info.GetServerInfo(server_info_pb2.GetServerInfoRequest(), timeout=TIMEOUT)
    assert info.version == "0.1.0"
    assert info.gatekeeper_version == "3.23.1"
    assert info.evaluation_contexts == 3
    assert len(info.replica_id) == 16
    assert info.started_at.ToSeconds() > 0


def test_settings_come_from_file_environment_and_flags(serve: Serve, labels: Path, tmp_path: Path) -> None:
    file = tmp_path / "fleetgate.yaml"
    file.write_text(f"policies: [{labels}]\nreview:\n  contexts: 5\nlog: {{level: debug}}\n")
    server = serve(f"--config={file}", env={"FLEETGATE_REVIEW__CONTEXTS": "3"})
    info = server.info.GetServerInfo(server_info_pb2.GetServerInfoRequest(), timeout=TIMEOUT)
    assert info.evaluation_contexts == 3


def test_a_bad_policy_set_refuses_to_start_with_every_place(labels: Path) -> None:
    (labels / "sub").mkdir()
    (labels / "sub" / "broken.yaml").write_text("a: [\n")
    (labels / "more.yaml").write_text(
        (labels / "labels.yaml")
        .read_text()
        .split("---")[0]
        .replace("k8slabels", "k8sbad")
        .replace("K8sLabels", "K8sBad")
        .replace("not input.review", "not not input.review")
    )
    done = run("serve", "--insecure", "--listen=127.0.0.1:0", "--metrics-listen=", f"--policies={labels}")
    assert done.returncode == 2
    assert f"--> {labels}/sub/broken.yaml:" in done.stderr
    line = 1 + (labels / "more.yaml").read_text().splitlines().index(
        "          not not input.review.object.metadata.labels[label]"
    )
    assert f"--> {labels}/more.yaml:{line}:" in done.stderr
    assert f"{line} |           not not input.review.object.metadata.labels[label]\n" in done.stderr
    assert "refused as a whole" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--insecure", "--listen=0.0.0.0:0"], "plaintext is for loopback"),
        ([], "no certificate"),
        (["--insecure", "--policies=/does/not/exist"], "no such file or directory"),
        (["--tls-certificate=/does/not/exist", "--tls-key=/does/not/exist"], "No such file or directory"),
        (["--insecure", "--metrics-listen=nonsense"], "--metrics-listen"),
        (["--insecure", "--lisen=1"], "--listen"),
    ],
)
def test_what_cannot_start_says_why_and_exits_2(arguments: list[str], complaint: str) -> None:
    done = run("serve", "--listen=127.0.0.1:0", "--metrics-listen=", *arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_an_error(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}")
    done = run("serve", "--insecure", f"--listen=127.0.0.1:{server.port}", "--metrics-listen=", f"--policies={labels}")
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{server.port}" in done.stderr


def test_help_is_cheap() -> None:
    """Listing the verbs imports nothing heavy."""
    script = (
        "import sys, typer; from fleetgate.cli import register; app = typer.Typer(); register(app);"
        "typer.main.get_command(app);"
        "print([m for m in ('grpc', 'opentelemetry', 'pydantic', 'fleetgate._native') if m in sys.modules])"
    )
    python = FLEETGATE.with_name("python")
    done = subprocess.run([str(python), "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"


def test_config_show_names_origins(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("log:\n  level: error\n")
    done = run("config", "show", f"--config={file}", "--insecure", "-o", "json")
    assert done.returncode == 0, done.stderr
    rows = {row["key"]: row for row in json.loads(done.stdout)}
    assert rows["log.level"] == {"key": "log.level", "value": "error", "origin": f"{file}:2"}
    assert rows["insecure"]["origin"] == "flag --insecure"
    assert rows["listen"]["origin"] == "default"
    table = run("config", "show", f"--config={file}").stdout
    assert any(line.split() == ["log.level", "error", f"{file}:2"] for line in table.splitlines())
    refused = run("config", "show", f"--config={tmp_path / 'absent.yaml'}")
    assert refused.returncode == 2
    assert "absent.yaml" in refused.stderr


def test_headers_have_a_limit(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}")
    with pytest.raises(grpc.RpcError) as refused:
        server.review.Review(question(), timeout=TIMEOUT, metadata=[("x-much", "a" * 20_000)])
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not server.review.Review(question(), timeout=TIMEOUT, metadata=[("x-much", "a" * 8_000)]).allowed


def test_one_connection_of_silent_calls_does_not_stop_the_others(serve: Serve, labels: Path) -> None:
    """As many calls as a connection may have, all of which never send their message."""
    server = serve(f"--policies={labels}")
    silence = threading.Event()

    def nothing() -> Iterator[bytes]:
        silence.wait(30)
        yield b""

    with grpc.insecure_channel(f"127.0.0.1:{server.port}", [("grpc.use_local_subchannel_pool", 1)]) as silent:
        call = silent.stream_unary("/fleetgate.v1.ReviewService/Review", _registered_method=True)
        held = [call.future(nothing(), timeout=60) for _ in range(150)]
        time.sleep(0.5)
        began = time.monotonic()
        for _ in range(20):
            assert not server.review.Review(question(), timeout=TIMEOUT).allowed
        assert time.monotonic() - began < 5
        for one in held:
            one.cancel()
        silence.set()

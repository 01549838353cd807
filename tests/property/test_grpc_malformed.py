"""Ten thousand malformed messages at the service: no crash, no hang, no growth, and the next review is right."""

from __future__ import annotations

import itertools
import json
import random
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import grpc
import psutil
import pytest
from fleetgate_proto.v1 import review_pb2
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.malformed import corpus, mutate, mutations
from tests.support.serving import DATA, Server, pod, question, serving

TOTAL = 10_000
BATCH = 500
MIB = 1024 * 1024
GROWTH_BYTES = 100 * MIB
VALID_S = 1.0
PATIENCE_S = 20.0
REVIEW = "/fleetgate.v1.ReviewService/Review"
BATCH_REVIEW = "/fleetgate.v1.ReviewService/BatchReview"

# What a caller may be told about its own malformed message. Never UNKNOWN or INTERNAL: those are defects of ours.
ALLOWED = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.PERMISSION_DENIED,
    }
)

Call = tuple[str, bytes]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("service"), f"--policies={DATA / 'labels'}", channel=None) as running:
        yield running


def large_channel(server: Server) -> grpc.Channel:
    """A channel that lets us send what the server will not take."""
    options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.insecure_channel(f"127.0.0.1:{server.port}", options)


def send(channel: grpc.Channel, call: Call) -> grpc.StatusCode:
    """Send encoded bytes; return the status, having checked what came with it."""
    method, request = call
    try:
        encoded = channel.unary_unary(method)(request, timeout=PATIENCE_S)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        if code not in ALLOWED:
            raise AssertionError(f"{code}: {error.details()}") from error
        return code
    answers = (
        [review_pb2.ReviewResponse.FromString(encoded)]
        if method == REVIEW
        else [
            item.response
            for item in review_pb2.BatchReviewResponse.FromString(encoded).items
            if item.HasField("response")
        ]
    )
    for answer in answers:
        assert len(answer.decision_id) == 32
        # What could not be read is never allowed.
        assert not (answer.HasField("review_error") and answer.allowed)
    return grpc.StatusCode.OK


def as_request(body: bytes) -> bytes:
    """A body as an admission request."""
    return review_pb2.ReviewRequest(cluster="eu-1", admission_request=body).SerializeToString()


def malformed() -> Iterator[Call]:
    """Good protobuf around broken JSON, broken protobuf around either, and what is too large."""
    rng = random.Random(11)
    reviews = [json.loads(question(pod()).admission_request)]
    for body in corpus():
        yield REVIEW, as_request(body)
        yield REVIEW, review_pb2.ReviewRequest(cluster="eu-1", object=body).SerializeToString()
        yield REVIEW, _with_namespace(body)
    for size in (8 * MIB, 20 * MIB):
        yield REVIEW, as_request(json.dumps({**reviews[0], "object": {"data": "x" * size}}).encode())
        yield REVIEW, as_request(b"[" * size)
        yield BATCH_REVIEW, b"\x0a\x00" * (size // 2)
    yield BATCH_REVIEW, b"\x0a\x00" * 100_000
    for field in ("object", "kind", "operation", "uid", "oldObject", "userInfo", "namespace"):
        for value in (None, 7, [], {}, "", {"metadata": 1}, {"metadata": {"labels": [1]}}):
            yield REVIEW, as_request(json.dumps({**reviews[0], field: value}).encode())
    good = question(pod()).SerializeToString()
    bodies = mutations(seed=12, count=TOTAL)
    for number in range(TOTAL):
        match number % 4:
            case 0:
                yield REVIEW, as_request(next(bodies))
            case 1:
                yield REVIEW, mutate(rng, good)
            case 2:
                item = mutate(rng, good)[:50_000]
                yield BATCH_REVIEW, _batch([good, item, good])
            case _:
                yield rng.choice((REVIEW, BATCH_REVIEW)), rng.randbytes(rng.randint(1, 500))


def _with_namespace(body: bytes) -> bytes:
    request = question(pod())
    request.namespace = body
    return request.SerializeToString()


def _batch(items: list[bytes]) -> bytes:
    """Encode a batch by hand: the items need not be messages."""
    encoded = b""
    for item in items:
        length, rest = b"", len(item)
        while rest > 0x7F:
            length += bytes([rest & 0x7F | 0x80])
            rest >>= 7
        encoded += b"\x0a" + length + bytes([rest]) + item
    return encoded


def valid(server: Server) -> None:
    """Two reviews are right, within their time."""
    started = time.monotonic()
    denied = server.review.Review(question(pod()), timeout=VALID_S)
    allowed = server.review.Review(question(pod(labels={"owner": "a", "team": "b"})), timeout=VALID_S)
    assert (denied.allowed, allowed.allowed) == (False, True)
    assert [v.enforcement_action for v in denied.violations if v.enforcement_action == "deny"] == ["deny"]
    assert time.monotonic() - started < VALID_S


@pytest.mark.timeout(600)
def test_ten_thousand_malformed_messages(server: Server) -> None:
    process = psutil.Process(server.process.pid)
    for _ in range(50):
        valid(server)
    before = process.memory_info().rss
    calls = malformed()
    sent, growth = 0, 0
    codes: dict[grpc.StatusCode, int] = {}
    with large_channel(server) as channel, ThreadPoolExecutor(4) as pool:
        while batch := list(itertools.islice(calls, BATCH)):
            for code in pool.map(lambda call: send(channel, call), batch):
                codes[code] = codes.get(code, 0) + 1
            sent += len(batch)
            valid(server)
            growth = max(growth, process.memory_info().rss - before)
    assert sent >= TOTAL
    assert codes[grpc.StatusCode.INVALID_ARGUMENT] > 1_000
    assert growth <= GROWTH_BYTES
    print(f"{sent} malformed messages, {codes}, RSS grew by {growth / MIB:.1f} MiB")


def test_a_broken_item_does_not_fail_its_neighbours(server: Server) -> None:
    good = question(pod())
    broken = review_pb2.ReviewRequest(cluster="eu-1", admission_request=b"{")
    request = review_pb2.BatchReviewRequest(requests=[good, broken, good])
    items = server.review.BatchReview(request, timeout=5).items
    assert [item.WhichOneof("result") for item in items] == ["response", items[1].WhichOneof("result"), "response"]
    middle = items[1]
    refused = middle.status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert refused or (middle.response.HasField("review_error") and not middle.response.allowed)


@settings(max_examples=300, deadline=None)
@given(request=st.binary(max_size=1_000), method=st.sampled_from([REVIEW, BATCH_REVIEW]))
def test_whatever_hypothesis_thinks_of(server: Server, request: bytes, method: str) -> None:
    code = send(server.channel, (method, request))
    message = review_pb2.ReviewRequest if method == REVIEW else review_pb2.BatchReviewRequest
    try:
        message.FromString(request)
    except DecodeError:
        assert code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.timeout(120)
def test_what_is_no_grpc(server: Server) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    rng = random.Random(5)
    for _ in range(300):
        data = rng.choice((b"", preface, preface + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")) + rng.randbytes(200)
        with closing(socket.create_connection(("127.0.0.1", server.port), 5)) as connection, suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
    valid(server)


def test_the_log_holds_no_body(server: Server, tmp_path: Path) -> None:
    marker = "a-secret-that-must-not-be-logged"
    thing = pod()
    thing["data"] = {"password": marker}
    server.review.Review(question(thing), timeout=5)
    broken = json.dumps({"uid": 7, "object": thing}).encode()[:-1]
    with suppress(grpc.RpcError):
        server.review.Review(review_pb2.ReviewRequest(cluster="eu-1", admission_request=broken), timeout=5)
    assert marker not in server.process.log.read_text()

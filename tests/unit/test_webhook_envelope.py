"""AdmissionReviews in."""

import json
from typing import Any

import pytest
from fleetgate_clients.webhook import envelope

from tests.support.webhook_client import admission_review


def encode(body: Any) -> bytes:
    return json.dumps(body).encode()


@pytest.mark.parametrize("version", ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"])
def test_the_request_goes_on_byte_for_byte(version: str) -> None:
    raw = b'{ "uid":"u","object": {"a":12345678901234567890,"a":1e400, "b":"\\u0041\xc3\xbc"}, "kind":{"kind":"Pod"}}'
    review = envelope.decode(b'{"kind":"AdmissionReview","apiVersion":"%s","request":%s}' % (version.encode(), raw))
    assert (review.api_version, review.raw) == (version, raw)
    assert (review.request.uid, review.request.kind.kind) == ("u", "Pod")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe",
        encode({**admission_review(), "kind": "Pod"}),
        encode({**admission_review(), "apiVersion": "admission.k8s.io/v2"}),
        encode({**admission_review(), "apiVersion": "v1"}),
        encode({**admission_review(), "request": None}),
        encode({**admission_review(), "request": []}),
        encode({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1"}),
        encode({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {}}),
        encode(admission_review(uid="")),
        encode({**admission_review(), "request": {**admission_review()["request"], "uid": 7}}),
        encode(admission_review()) + b"x",
        encode(admission_review())[:-1],
        encode(admission_review()).replace(b"u-1", b"u\xff"),
    ],
)
def test_what_nobody_can_be_answered_for(body: bytes) -> None:
    with pytest.raises(envelope.NotDecodable):
        envelope.decode(body)


@pytest.mark.parametrize(
    "fields", [{"namespace": 1}, {"kind": "Pod"}, {"operation": []}, {"dryRun": "yes"}, {"kind": {"kind": 3}}]
)
def test_a_field_of_the_wrong_type_is_answered_by_uid(fields: dict[str, Any]) -> None:
    with pytest.raises(envelope.InvalidRequest) as caught:
        envelope.decode(encode(admission_review(**fields)))
    assert (caught.value.uid, caught.value.api_version) == ("u-1", "admission.k8s.io/v1")


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_an_error_of_its_own(opening: bytes) -> None:
    with pytest.raises(envelope.TooDeep):
        envelope.decode(encode(admission_review()).replace(b'"web"', opening * 100_000, 1))


def test_the_last_of_duplicate_keys_wins() -> None:
    body = encode(admission_review()).replace(b'"uid": "u-1"', b'"uid": "first", "uid": "last"')
    assert envelope.decode(body).request.uid == "last"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "default"),
        ({"namespace": None}, ""),
        ({"kind": {"group": "", "version": "v1", "kind": "Namespace"}, "namespace": "x"}, ""),
        ({"kind": {"group": "other", "version": "v1", "kind": "Namespace"}, "namespace": "x"}, "x"),
        ({"kind": {"group": "", "version": "v1", "kind": "Node"}, "namespace": ""}, ""),
    ],
)
def test_the_namespace_to_look_up(fields: dict[str, Any], name: str) -> None:
    assert envelope.decode(encode(admission_review(**fields))).request.namespace_to_look_up == name


@pytest.mark.parametrize(
    ("user_info", "name"),
    [({"username": "alice"}, "alice"), ({"username": None}, ""), ({"groups": ["a"]}, ""), ({}, ""), (None, "")],
)
def test_who_asks(user_info: Any, name: str) -> None:
    assert envelope.decode(encode(admission_review(userInfo=user_info))).request.username == name

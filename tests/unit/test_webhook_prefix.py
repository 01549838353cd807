"""Who asks, read from the first bytes of a body."""

import json
import time
from typing import Any

import pytest
from fleetgate_clients.webhook.prefix import PREFIX_BYTES, Identity, identify
from hypothesis import given
from hypothesis import strategies as st

from tests.support.webhook_client import admission_review

POD = Identity("AdmissionReview", "admission.k8s.io/v1", "u-1", "", "v1", "Pod")


def test_an_api_servers_review() -> None:
    assert identify(json.dumps(admission_review()).encode()) == POD
    assert identify(json.dumps(admission_review(), indent=2).encode()) == POD


def test_the_object_may_be_cut_anywhere_after_the_identity() -> None:
    body = json.dumps(admission_review()).encode()
    start = body.index(b'"name": "web"')
    for end in range(start, len(body)):
        assert identify(body[:end]) == POD


@pytest.mark.parametrize(
    "decoy",
    [
        {"object": {"uid": "decoy", "request": {"uid": "decoy"}, "metadata": {"uid": "decoy"}}},
        {"object": {"kind": "Decoy", "data": {"a": '{"request":{"uid":"decoy"}}', "b": '"uid":"decoy"', "c": "\\"}}},
        {"userInfo": {"uid": "decoy", "extra": {"uid": ["decoy"], "request": ["uid", "decoy"]}}},
        {"requestKind": {"group": "decoy", "version": "decoy", "kind": "Decoy"}},
        {"object": {"a": [[{"uid": "decoy"}], {"kind": {"kind": "Decoy"}}]}},
        {"options": {"uid": "decoy"}, "object": {'"uid': '"decoy', "}": "{", "]": "["}},
    ],
)
def test_it_is_not_fooled(decoy: dict[str, Any]) -> None:
    request = admission_review()["request"]
    before = {**decoy, **{key: value for key, value in request.items() if key not in decoy}}
    after = {**{key: value for key, value in request.items() if key not in decoy}, **decoy}
    for fields in (before, after):
        assert identify(json.dumps({**admission_review(), "request": fields}).encode()) == POD


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"[" * 100_000,
        b'{"a":' * 10_000,
        b'"' + b"a" * PREFIX_BYTES,
        b'{"request":"uid","uid":"decoy"}',
        b'{"request":["uid","decoy"]}',
        b'[{"request":{"uid":"decoy"}}]',
        b'{}{"request":{"uid":"decoy"}}',
        b'{"request":{"uid":7}}',
        b'{"request":{"uid":{"uid":"decoy"}}}',
        b'{"Request":{"Uid":"decoy"}}',
        b"\xff" * 1000,
        b'{"request":{"uid":"cut',
    ],
)
def test_nothing_is_found_where_nothing_is(body: bytes) -> None:
    started = time.perf_counter()
    assert identify(body).uid == ""
    assert time.perf_counter() - started < 1.0


def test_escapes_are_decoded() -> None:
    assert identify(rb'{"\u0072equest":{"u\u0069d":"a\"b\u00fc"}}').uid == 'a"bü'


def test_the_last_of_duplicate_keys_wins() -> None:
    assert identify(b'{"request":{"uid":"first","uid":"last"}}').uid == "last"


text = st.text(alphabet=st.characters(codec="utf-8"))
keys = st.sampled_from(["uid", "kind", "request", "group", "version", "apiVersion", "object"]) | st.text(
    alphabet=st.characters(codec="utf-8"), max_size=5
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(document=values, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_it_agrees_with_a_parser(document: Any, ascii_only: bool, indent: int | None) -> None:
    def at(*path: str) -> str:
        value = document
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, str) else ""

    assert identify(json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()) == Identity(
        at("kind"),
        at("apiVersion"),
        at("request", "uid"),
        at("request", "kind", "group"),
        at("request", "kind", "version"),
        at("request", "kind", "kind"),
    )

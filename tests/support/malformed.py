"""Bodies that no API server sends: a corpus of nasty ones, and mutations of good ones."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from tests.support.webhook_client import admission_review

DEEP = 100_000


def corpus() -> Iterator[bytes]:
    """AdmissionReviews and requests that are broken, each in its own way."""
    good = json.dumps(admission_review()).encode()
    yield from (b" ", b"{", b"[", b'"', b"null", b"true", b"0", b"[]", b"{}", b"\x00", b"\xef\xbb\xbf" + good)
    yield from (opening * DEEP for opening in (b"[", b"{", b'{"a":', b"[[{", b'"', b"\\", b"-", b"1", b" "))
    for inner in (b"[" * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP):
        yield _replaced(good, b'"web"', inner)
    yield from (
        good + b"x",
        good + good,
        good[:-1],
        good.replace(b'"', b"'"),
        good.replace(b"u-1", b"u-\xff"),
        good.replace(b"alice", b"\xed\xa0\x80\xc0\x80\xf8"),
        good.replace(b"alice", rb"\ud800"),
        good.replace(b"alice", rb"\u00"),
        good.replace(b"alice", b"\x01\x02"),
        good.replace(b"u-1", b"u" * 1_000_000),
        good.replace(b'"uid": "u-1"', b'"uid": "a", "uid": "b", "uid": 7'),
        good.replace(b'"request":', b'"request": {"uid": "first"}, "request":'),
        good.replace(b'"kind": "AdmissionReview"', b'"kind": "AdmissionReview", "kind": "Pod"'),
        _replaced(good, b'"web"', b"1" * 10_000),
        _replaced(good, b'"web"', b"1e400"),
        _replaced(good, b'"web"', b"-"),
        _replaced(good, b'"web"', b"NaN"),
        _replaced(good, b'"web"', b'"' + b"a" * 1_000_000),
        _replaced(good, b'"web"', b"{" + b",".join(b'"k%d":0' % n for n in range(50_000)) + b"}"),
        _replaced(good, b'"web"', b"{" + b",".join([b'"k":0'] * 50_000) + b"}"),
        good.decode().encode("utf-16"),
        good.decode().encode("utf-32"),
    )
    for field in ("request", "kind", "apiVersion"):
        for value in (None, 7, [], {}, "", "x" * 1000):
            yield json.dumps({**admission_review(), field: value}).encode()
    for field in ("uid", "kind", "namespace", "object", "oldObject", "operation", "userInfo", "dryRun", "options"):
        for value in (None, 7, [], {}, "", [[]], {"a": {}}, "\u0000"):
            yield json.dumps(admission_review(**{field: value})).encode()


def _replaced(good: bytes, old: bytes, new: bytes) -> bytes:
    """Replace the last occurrence: the one inside the object."""
    head, _, tail = good.rpartition(old)
    return head + new + tail


def mutate(rng: random.Random, body: bytes) -> bytes:
    """Damage a body in one to four places."""
    damaged = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(damaged) + 1)
        match rng.randrange(7):
            case 0:
                del damaged[at:]
            case 1:
                del damaged[at : at + rng.randint(1, 20)]
            case 2:
                damaged[at:at] = rng.randbytes(rng.randint(1, 8))
            case 3:
                damaged[at:at] = rng.choice(
                    (b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"null", b"\xff", b"\x00")
                )
            case 4:
                damaged[at : at + 1] = bytes([rng.randrange(256)])
            case 5:
                damaged[at:at] = damaged[: rng.randint(0, 200)]
            case _:
                damaged[at:at] = rng.choice((b"[", b'{"a":', b'"')) * rng.randint(1, 5_000)
    return bytes(damaged) or b" "


def mutations(seed: int, count: int) -> Iterator[bytes]:
    """``count`` damaged AdmissionReviews."""
    rng = random.Random(seed)
    good = json.dumps(admission_review()).encode()
    for _ in range(count):
        yield mutate(rng, good)

"""Messages as rows of the history."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import NamedTuple

from fleetgate_proto.v1 import audit_pb2
from google.protobuf.timestamp_pb2 import Timestamp

_LONGEST_MESSAGE = 256
"""Bytes of a message in a Constraint's status, as in Gatekeeper; a longer one is cut to 253 and gets three dots."""


class ViolationRow(NamedTuple):
    """A row of ``audit_violations`` without its session and times. Text is as it is compared in the database."""

    id: bytes
    cluster: str
    scope: str
    constraint_kind: str
    constraint_name: str
    object_group: str
    object_version: str
    object_kind: str
    namespace: str
    name: str
    message: bytes
    action: str
    content: bytes


def row_of(key: bytes, found: audit_pb2.AuditViolation, content: bytes) -> ViolationRow:
    """The row of a violation, of which ``key`` is the identity and ``content`` the encoded message."""
    thing, violation = found.object, found.violation
    kind = thing.kind
    names = (
        thing.cluster,
        violation.scope,
        violation.constraint_kind,
        violation.constraint_name,
        kind.group,
        kind.version,
        kind.kind,
        thing.namespace,
        thing.name,
    )
    if any("\0" in name for name in names):
        names = tuple(map(text, names))  # type: ignore[assignment]  # as many as before
    return ViolationRow(key, *names, shortened(violation.message), text(violation.enforcement_action), content)


def identity(found: audit_pb2.AuditViolation) -> bytes:
    """What makes a violation the same as before: 16 bytes over the object, the Constraint and what it said.

    Neither the object's version and UID (made anew, it is violated still) nor the action (denied now, it was there
    before) are part of it.
    """
    thing, violation = found.object, found.violation
    parts = (
        thing.cluster,
        thing.kind.group,
        thing.kind.kind,
        thing.namespace,
        thing.name,
        violation.scope,
        violation.constraint_kind,
        violation.constraint_name,
        violation.message,
    )
    return hashlib.sha256(json.dumps(parts).encode() + violation.details).digest()[:16]


def shortened(message: str) -> bytes:
    """A message as Gatekeeper compares and shows it: bytes, which may end within a character."""
    encoded = message.encode()
    return encoded if len(encoded) <= _LONGEST_MESSAGE else encoded[: _LONGEST_MESSAGE - 3] + b"..."


def text(value: str) -> str:
    """Text that both databases take: PostgreSQL has no NUL."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}")


def micros(at: Timestamp) -> int:
    """A time as the database has it."""
    return at.ToMicroseconds()


def timestamp(at: int) -> Timestamp:
    """A time of the database as a message."""
    found = Timestamp()
    found.FromMicroseconds(at)
    return found


def now() -> int:
    """This moment."""
    return round(datetime.now(UTC).timestamp() * 1_000_000)


def resource_of(kind: str) -> str:
    """The plural of a kind in lower case, by the rule that the core reads ``pods`` with."""
    kind = kind.lower()
    if kind == "endpoints":
        return kind
    if kind.endswith("s"):
        return f"{kind}es"
    if kind.endswith("y") and kind[-2:-1] not in set("aeiou"):
        return f"{kind[:-1]}ies"
    return f"{kind}s"

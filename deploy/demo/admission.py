"""The API server's side of the demo: recorded AdmissionReviews in, decisions out."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from processes import DemoError

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_SECONDS = 10
_LINE = re.compile(r"\[(?P<constraint>[^\]]*)\] (?P<message>.*)", re.DOTALL)


class Decision(StrEnum):
    """What became of an object."""

    ALLOWED = "allowed"
    WARNED = "warned"
    DENIED = "denied"


@dataclass(frozen=True)
class Review:
    """A recorded AdmissionReview."""

    body: bytes
    uid: str
    subject: str


@dataclass(frozen=True)
class Answer:
    """A decision, with a (constraint, message) line for each violation that it tells."""

    subject: str
    decision: Decision
    lines: tuple[tuple[str, str], ...]
    seconds: float

    @property
    def time(self) -> str:
        """The time from sending to answer, for people."""
        return f"{self.seconds * 1000:.1f} ms"


class Webhook:
    """A connection to the webhook, kept open as an API server keeps it."""

    def __init__(self, host: str, port: int, authority: Path) -> None:
        # The development authority issues names, not addresses: the name is checked, the address is connected to.
        self._connection = _NamedConnection(
            host, port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context(cafile=str(authority))
        )

    def is_ready(self) -> bool:
        """Say whether it would decide."""
        try:
            status, _ = self._exchange("GET", "/readyz")
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return False
        return status == http.HTTPStatus.OK

    def admit(self, review: Review) -> Answer:
        """Send a review as an API server does. Raises DemoError for anything but a decision on it."""
        started = time.perf_counter()
        status, body = self._exchange("POST", f"/v1/admit?timeout={TIMEOUT_SECONDS}s", review.body)
        seconds = time.perf_counter() - started
        if status != http.HTTPStatus.OK:
            raise DemoError(f"{review.subject}: the webhook answered HTTP {status}: {body[:500]!r}")
        response = json.loads(body)["response"]
        if response["uid"] != review.uid:
            raise DemoError(f"{review.subject}: the answer is for {response['uid']}, not for {review.uid}")
        warnings = tuple(map(_line, response.get("warnings") or ()))
        if response["allowed"]:
            return Answer(review.subject, Decision.WARNED if warnings else Decision.ALLOWED, warnings, seconds)
        refusal = response["status"]
        if refusal["code"] != http.HTTPStatus.FORBIDDEN:
            raise DemoError(f"{review.subject}: refused with code {refusal['code']}: {refusal['message']}")
        return Answer(
            review.subject, Decision.DENIED, tuple(map(_line, refusal["message"].split("\n"))) + warnings, seconds
        )

    def _exchange(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"} if body else {}
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        return response.status, response.read()


class _NamedConnection(http.client.HTTPSConnection):
    """HTTPS to an address whose certificate is for ``localhost``."""

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        context: ssl.SSLContext = self._context  # type: ignore[attr-defined]
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost")


def recorded_reviews(directory: Path) -> list[Review]:
    """Read the recordings in the order in which they were made. Raises DemoError where there are none."""
    reviews = [_review(path.read_bytes()) for path in sorted(directory.glob("*.json"))]
    if not reviews:
        raise DemoError(f"there are no recorded reviews in {directory}")
    return reviews


def created_objects(directory: Path) -> list[str]:
    """Read the objects that the recordings would create, as JSON; not Namespaces, nor what has no name."""
    requests = [json.loads(review.body)["request"] for review in recorded_reviews(directory)]
    return [
        json.dumps(request["object"])
        for request in requests
        if request["operation"] == "CREATE"
        and not request.get("subResource")
        and request["kind"]["kind"] != "Namespace"
        and request["object"]["metadata"].get("name")
    ]


def _review(body: bytes) -> Review:
    request: dict[str, Any] = json.loads(body)["request"]
    subject = request.get("object") or request.get("oldObject") or {}
    metadata = subject.get("metadata") or {}
    name = request.get("name") or metadata.get("name") or f"{metadata.get('generateName', '')}*"
    if request.get("namespace") and request["resource"]["resource"] != "namespaces":
        name = f"{request['namespace']}/{name}"
    kind = request["kind"]["kind"] + (f" ({request['subResource']})" if request.get("subResource") else "")
    return Review(body, request["uid"], f"{request['operation'].lower()} {kind} {name}")


def _line(text: str) -> tuple[str, str]:
    match = _LINE.fullmatch(text)
    return (match["constraint"], match["message"]) if match else ("", text)

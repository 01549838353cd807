"""An endpoint that answers AdmissionReviews: what is the same whatever the answer is made of."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from aiohttp import ClientConnectionError, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from fleetgate_clients.logs import cut
from fleetgate_clients.telemetry import Instruments, RequestTrace, Tracing
from fleetgate_clients.webhook import answer, envelope
from fleetgate_clients.webhook.answer import Answer
from fleetgate_clients.webhook.body import MAX_BODY_BYTES, BodyBudget, NoRoom, Oversize, read_body
from fleetgate_clients.webhook.durations import parse_duration
from fleetgate_clients.webhook.options import AdmitOptions, OnOversize
from fleetgate_clients.webhook.prefix import PREFIX_BYTES, identify

logger = logging.getLogger(__name__)

MAX_TIMEOUT_SECONDS = 30.0
"""The longest timeoutSeconds that a webhook registration may have."""


class Refusal(Exception):  # noqa: N818 (not an error of ours)
    """An answer without an AdmissionReview: the API server applies the registration's failurePolicy."""

    def __init__(self, status: int, outcome: str, message: str, *, close: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.outcome = outcome
        self.close = close


@dataclass(slots=True)
class Record:
    """What is said about one request in logs, metrics and its trace."""

    outcome: str = "failed"
    fields: dict[str, str | int | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """What surrounds one review: until when it may be answered (by ``now``), what is said about it, its trace."""

    deadline: float
    record: Record
    trace: RequestTrace


class Endpoint(ABC):
    """Reads an AdmissionReview within limits, has it answered, and says what came of it."""

    path: str
    """Where it is served."""

    def __init__(
        self,
        options: AdmitOptions,
        *,
        budget: BodyBudget,
        instruments: Instruments,
        tracing: Tracing,
    ) -> None:
        self._options = options
        self._budget = budget
        self._instruments = instruments
        self._tracing = tracing

    async def __call__(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        with self._observed(request) as (record, trace):
            try:
                self._check_head(request)
                deadline = now() + self._timeout(request)
                async with self._body(request, deadline) as body:
                    encoded = await self._answer(body, deadline, record, trace)
                return web.Response(body=encoded, content_type="application/json")
            except Refusal as refusal:
                record.outcome = refusal.outcome
                record.fields["error"] = str(refusal)
                return _refuse(refusal)

    @abstractmethod
    async def decide(self, review: envelope.Review, call: Call) -> Answer:
        """Answer a review before the call's deadline, or raise Refusal."""

    def _check_head(self, request: web.BaseRequest) -> None:
        """Refuse what cannot be a review before its body is read."""
        if request.method != "POST":
            raise Refusal(405, "invalid", f"{request.method} is not allowed: POST an AdmissionReview")
        if self._options.authenticate:
            self._check_client(request)
        if request.content_type != "application/json":
            raise Refusal(415, "invalid", f"contentType={request.content_type}, expected application/json")
        encoding = request.headers.get("Content-Encoding", "identity").lower()
        if encoding != "identity":
            raise Refusal(415, "invalid", f"Content-Encoding {encoding} is not supported")

    def _check_client(self, request: web.BaseRequest) -> None:
        certificate = request.get_extra_info("peercert")
        if not certificate:
            raise Refusal(401, "unauthenticated", "a client certificate is required", close=True)
        names = {value for rdn in certificate.get("subject", ()) for key, value in rdn if key == "commonName"}
        if self._options.client_names and not names & self._options.client_names:
            raise Refusal(403, "unauthenticated", f"the client {sorted(names)} is not accepted", close=True)

    def _timeout(self, request: web.BaseRequest) -> float:
        """Seconds that the decision may take: the API server's, less what the way back may need."""
        try:
            seconds = parse_duration(request.query.get("timeout", ""))
        except ValueError:
            seconds = 0.0
        if seconds <= 0:
            seconds = self._options.default_timeout
        seconds = min(seconds, MAX_TIMEOUT_SECONDS)
        return seconds - min(0.1, seconds * 0.1)

    @asynccontextmanager
    async def _body(self, request: web.BaseRequest, deadline: float) -> AsyncIterator[bytearray | Oversize]:
        """Read the body; hold its share of the memory until the answer is made."""
        with self._budget.room(deadline) as room:
            if request.headers.get("Expect", "").lower() == "100-continue":
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            try:
                body = await read_body(request.content, request.content_length, room)
            except NoRoom:
                raise Refusal(503, "unavailable", "too many large requests at once", close=True) from None
            except TimeoutError:
                raise Refusal(408, "invalid", "the request body did not arrive in time", close=True) from None
            except (RequestPayloadError, HttpProcessingError) as error:
                raise Refusal(400, "invalid", f"the request body cannot be read: {error}", close=True) from error
            except (ClientConnectionError, ConnectionError) as error:
                raise Refusal(400, "invalid", "the client went away", close=True) from error
            if not body:
                raise Refusal(400, "invalid", "request body is empty")
            yield body

    async def _answer(self, body: bytearray | Oversize, deadline: float, record: Record, trace: RequestTrace) -> bytes:
        """Make the AdmissionReview to send, or raise Refusal."""
        if isinstance(body, Oversize):
            return self._oversize(body.prefix, f"the request is over {MAX_BODY_BYTES} bytes", 413, record)
        try:
            review = envelope.decode(body)
        except envelope.TooDeep as error:
            return self._oversize(bytes(body[:PREFIX_BYTES]), str(error), 400, record)
        except envelope.NotDecodable as error:
            raise Refusal(400, "invalid", str(error)) from error
        except envelope.InvalidRequest as error:
            record.outcome = "error"
            record.fields.update(uid=error.uid, error=str(error))
            return answer.error(str(error), 400).encode(error.api_version, error.uid)
        # What is needed of it goes on in `review`: a large body is not held twice while the service decides.
        body.clear()
        _describe(review.request, record)
        made = await self.decide(review, Call(deadline, record, trace))
        return made.encode(review.api_version, review.request.uid)

    def _oversize(self, prefix: bytes, why: str, anonymous_status: int, record: Record) -> bytes:
        """Deny what is beyond a limit; without an AdmissionReview where nobody can be answered by uid."""
        identity = identify(prefix)
        known = identity.uid and identity.kind == "AdmissionReview" and identity.api_version in envelope.API_VERSIONS
        if not known:
            raise Refusal(anonymous_status, "oversize", why)
        record.outcome = "oversize"
        record.fields.update(uid=identity.uid, kind=identity.object_kind, group=identity.group, error=why)
        if self._options.on_oversize is OnOversize.FAILURE_POLICY:
            raise Refusal(413, "oversize", why)
        message = f"{identity.object_kind}: {why}" if identity.object_kind else why
        return answer.error(message, 413).encode(identity.api_version, identity.uid)

    @contextmanager
    def _observed(self, request: web.BaseRequest) -> Iterator[tuple[Record, RequestTrace]]:
        """Measure, trace and log one request."""
        started = time.perf_counter()
        record = Record()
        trace = self._tracing.begin(request.headers, {"http.request.method": request.method, "http.route": self.path})
        try:
            yield record, trace
        finally:
            seconds = time.perf_counter() - started
            self._instruments.requests.record(seconds, {"outcome": record.outcome})
            facts = {key: cut(value) if isinstance(value, str) else value for key, value in record.fields.items()}
            trace.end({"fleetgate.outcome": record.outcome, **facts}, failed=record.outcome in _FAILED)
            level = _LEVELS.get(record.outcome, logging.WARNING)
            if logger.isEnabledFor(level):
                fields = {"outcome": record.outcome, **facts, "milliseconds": round(seconds * 1e3, 3)}
                logger.log(level, "reviewed", extra={"fields": fields})


_FAILED = frozenset({"failed", "unavailable", "error"})
_LEVELS = {"allow": logging.DEBUG, "deny": logging.INFO, "invalid": logging.INFO}


def now() -> float:
    """Read the event loop's clock, in seconds."""
    return asyncio.get_running_loop().time()


def _describe(request: envelope.Request, record: Record) -> None:
    """Name the object under review; never what is in it."""
    record.fields.update(
        uid=request.uid,
        operation=request.operation,
        group=request.kind.group,
        kind=request.kind.kind,
        namespace=request.namespace or "",
        name=request.name or "",
        dry_run=bool(request.dryRun),
    )


def _refuse(refusal: Refusal) -> web.Response:
    response = web.Response(status=refusal.status, text=f"{refusal}\n")
    if refusal.status == 405:
        response.headers["Allow"] = "POST"
    if refusal.close:
        response.force_close()
    return response

"""AdmissionReview out: Gatekeeper's answers, to the byte.

Shapes and their order are Gatekeeper's validation handler's and controller-runtime's encoder's: status always with
``metadata: {}``, Go's escapes of ``<``, ``>`` and ``&``, a newline at the end. ``[name] message`` lines are sorted by
(action as written in the constraint, message, name): ``scoped`` so stands between ``dryrun`` and ``warn``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec
from fleetgate_proto.v1 import review_pb2

TARGET = "admission.k8s.gatekeeper.sh"

DENY, WARN, SCOPED = "deny", "warn", "scoped"

FORBIDDEN, OK, OK_WITH_WARNINGS, ERROR = 403, 200, 299, 500


class _Status(msgspec.Struct, omit_defaults=True, kw_only=True):
    metadata: dict[str, str]
    message: str = ""
    reason: str = ""
    code: int


class _Response(msgspec.Struct, omit_defaults=True):
    uid: str
    allowed: bool
    status: _Status
    warnings: Sequence[str] = ()


class _AdmissionReview(msgspec.Struct):
    kind: str
    apiVersion: str  # noqa: N815 (Kubernetes' name)
    response: _Response


@dataclass(frozen=True, slots=True)
class Answer:
    """What an AdmissionReview's response says."""

    allowed: bool
    code: int
    message: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = ()

    def encode(self, api_version: str, uid: str) -> bytes:
        """Render the AdmissionReview."""
        status = _Status(metadata={}, message=self.message, reason=self.reason, code=self.code)
        response = _Response(uid, self.allowed, status, self.warnings)
        return _escape(msgspec.json.encode(_AdmissionReview("AdmissionReview", api_version, response))) + b"\n"


def error(message: str, code: int = ERROR) -> Answer:
    """Answer that there is no decision: the API server refuses the request, whatever its failurePolicy."""
    return Answer(allowed=False, code=code, message=message)


def allow(message: str) -> Answer:
    """Allow without a policy having been asked, and say why."""
    return Answer(allowed=True, code=OK, message=message)


def deny(message: str, code: int = FORBIDDEN) -> Answer:
    """Deny without a policy having been asked, and say why."""
    return Answer(allowed=False, code=code, message=message, reason="Forbidden")


def from_decision(decision: review_pb2.ReviewResponse, name: str = "") -> Answer:
    """Turn a decision about the object ``name`` into Gatekeeper's answer."""
    if decision.HasField("review_error"):
        failed = decision.review_error
        own = failed.reason == review_pb2.ERROR_REASON_RESOURCE_REFUSED
        if failed.code in (0, ERROR) and not own:
            # What Gatekeeper's handler and its framework's map of errors by target put around it, newline included.
            return error(f"error reviewing resource {name}: {TARGET}: {failed.message}\n")
        return error(failed.message, failed.code)
    results: list[_Result] = [*decision.violations, *decision.constraint_errors]
    results.sort(key=lambda result: (result.enforcement_action, result.message, result.constraint_name))
    denied = tuple(_lines(results, DENY))
    warnings = tuple(_lines(results, WARN))
    if denied:
        return Answer(False, FORBIDDEN, "\n".join(denied), "Forbidden", warnings)
    if not decision.allowed:
        # A newer service may deny for reasons that this version does not know.
        return Answer(False, FORBIDDEN, f"denied by decision {decision.decision_id}", "Forbidden", warnings)
    return Answer(True, OK_WITH_WARNINGS if warnings else OK, decision.status_message, warnings=warnings)


class _Result(Protocol):
    """What violations and constraint errors have in common."""

    @property
    def constraint_name(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def enforcement_action(self) -> str: ...
    @property
    def scoped_enforcement_actions(self) -> Sequence[str]: ...


def _lines(results: Iterable[_Result], action: str) -> Iterable[str]:
    for result in results:
        scoped = result.enforcement_action == SCOPED
        actions = result.scoped_enforcement_actions if scoped else (result.enforcement_action,)
        for taken in actions:
            if taken == action:
                yield f"[{result.constraint_name}] {result.message}"


# encoding/json escapes these in strings, and they occur nowhere else in JSON.
_ESCAPES = (
    (b"<", b"\\u003c"),
    (b">", b"\\u003e"),
    (b"&", b"\\u0026"),
    ("\u2028".encode(), b"\\u2028"),
    ("\u2029".encode(), b"\\u2029"),
)


def _escape(encoded: bytes) -> bytes:
    for plain, escaped in _ESCAPES:
        if plain in encoded:
            encoded = encoded.replace(plain, escaped)
    return encoded

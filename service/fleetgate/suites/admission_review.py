"""An AdmissionReview as the object of a case, decoded strictly, as gator does."""

from __future__ import annotations

from typing import Any

GROUP = "admission.k8s.io"
KIND = "AdmissionReview"

_ANY = object()
"""Any JSON value: objects and options, whose types nobody here knows."""

_KIND = {"group": str, "version": str, "kind": str}
_RESOURCE = {"group": str, "version": str, "resource": str}
_REQUEST: dict[str, Any] = {
    "uid": str,
    "kind": _KIND,
    "resource": _RESOURCE,
    "subResource": str,
    "requestKind": _KIND,
    "requestResource": _RESOURCE,
    "requestSubResource": str,
    "name": str,
    "namespace": str,
    "operation": str,
    "userInfo": {"username": str, "uid": str, "groups": list, "extra": dict},
    "object": _ANY,
    "oldObject": _ANY,
    "dryRun": bool,
    "options": _ANY,
}
_REVIEW = {"apiVersion": str, "kind": str, "request": _REQUEST, "response": dict}
"""The fields of admission.k8s.io/v1 AdmissionReview and their types (k8s.io/api/admission/v1)."""


class AdmissionReviewError(Exception):
    """An AdmissionReview that the API server would not have sent."""


def is_admission_review(document: dict[str, Any]) -> bool:
    """Say whether a document is an AdmissionReview of any version."""
    group, slash, _ = str(document.get("apiVersion", "")).partition("/")
    return document.get("kind") == KIND and group == GROUP and bool(slash)


def request_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the ``request`` of an AdmissionReview. Raises AdmissionReviewError for what is missing or unknown."""
    problems = _problems(document, _REVIEW, "")
    if problems:
        raise AdmissionReviewError(f"not a valid AdmissionReview object: {'; '.join(problems)}")
    request = document.get("request")
    if not request:
        raise AdmissionReviewError("missing an AdmissionRequest object: the AdmissionReview has no request")
    objects = {name: request[name] for name in ("object", "oldObject") if request.get(name) is not None}
    if not objects:
        raise AdmissionReviewError("no object or oldObject found to review")
    for name, value in objects.items():
        if not isinstance(value, dict) or not value.get("kind"):
            raise AdmissionReviewError(f"object or oldObject cannot be unmarshalled: request.{name} has no kind")
    if request.get("operation") == "DELETE" and "oldObject" not in objects:
        raise AdmissionReviewError("not a valid AdmissionReview object: oldObject cannot be nil for DELETE operations")
    return dict(request)


def _problems(value: Any, expected: Any, field: str) -> list[str]:
    if value is None or expected is _ANY:
        return []
    if not isinstance(expected, dict):
        return [] if isinstance(value, expected) else [f"{field} must be a {expected.__name__}"]
    if not isinstance(value, dict):
        return [f"{field} must be a mapping"]
    prefix = f"{field}." if field else ""
    unknown = [f'unknown field "{prefix}{key}"' for key in value if key not in expected]
    return unknown + [
        problem
        for key, item in value.items()
        if key in expected
        for problem in _problems(item, expected[key], prefix + key)
    ]

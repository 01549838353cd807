"""Where the product answers otherwise on purpose: rows of docs/support-matrix.md.

Gatekeeper's answers are brought into our form before they are compared, by no more than what is named here.
"""

from __future__ import annotations

import re

RAW_OBJECT = re.compile(
    r"^(unable to match constraints: invalid request object: failed to unmarshal gkReview \w+) .*$", re.S
)
"""Gatekeeper's text goes on with the object's JSON; an object's body stays out of our messages, which are logged."""

HANDLE_REVIEW = re.compile(
    r'^admission\.k8s\.gatekeeper\.sh: target\.HandleReview failed for target "[^"]*": (.*)\n$',
    re.S,
)
"""Its webhook finds the same fault before its client does, and says it without these words; so do we."""

UNRECOGNIZED = re.compile(r"^unrecognized enforcement(Action| points):")
"""Its client takes a Constraint of an unknown action or point and never enforces it, and so do we; only its webhook
refuses it, as ours does for Constraints that reach /v1/admit."""


def message(text: str) -> str:
    """Return a violation's message in our form."""
    return RAW_OBJECT.sub(r"\1", text)


def error(text: str) -> str:
    """Return a review's error in our form."""
    return HANDLE_REVIEW.sub(r"\1", text)


def is_refused_on_purpose(reason: str) -> bool:
    """Whether Gatekeeper's reason to refuse a Constraint is none of ours."""
    return UNRECOGNIZED.search(reason) is not None

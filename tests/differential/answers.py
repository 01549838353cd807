"""Answers in one form for both sides, and how two of them differ."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tests.differential import deviations
from tests.differential.world import Json

AUTO_REJECT = "unable to match constraints: "
"""How the message of a violation begins that Gatekeeper itself reports, of a Constraint that it could not match."""


MISSING = "missing ConstraintTemplate"
"""How the reason begins why a Constraint without a template is refused."""


class Violation(NamedTuple):
    """One result: everything that Gatekeeper says of it."""

    kind: str
    name: str
    action: str
    scoped: tuple[str, ...]
    """Sorted, because Gatekeeper gives them in random order."""
    message: str
    details: str
    """JSON by :func:`canonical`."""


@dataclass(frozen=True, slots=True)
class ReviewAnswer:
    """What became of one review. ``violations`` is a multiset: Gatekeeper's order among equals is luck."""

    violations: tuple[Violation, ...] = ()
    error: str = ""
    """Why the review failed as a whole."""
    undecodable: bool = False
    """The caller was at fault; the texts of the two sides are their own."""

    def to_json(self) -> dict[str, Json]:
        """Return the answer as case files and golden files hold it."""
        fields: dict[str, Json] = {}
        if self.violations:
            fields["violations"] = [
                {**violation._asdict(), "scoped": list(violation.scoped), "details": json.loads(violation.details)}
                for violation in self.violations
            ]
        if self.error:
            fields["error"] = self.error
        if self.undecodable:
            fields["undecodable"] = True
        return fields


@dataclass(frozen=True, slots=True)
class Answers:
    """What became of a world and of its reviews. The refused are named with the reason."""

    reviews: tuple[ReviewAnswer, ...] = ()
    refused_templates: dict[str, str] = field(default_factory=dict)
    refused_constraints: dict[str, str] = field(default_factory=dict)
    """By ``Kind/name``."""
    refused_objects: dict[str, str] = field(default_factory=dict)


class Difference(NamedTuple):
    """How the sides differ. ``about`` and ``what`` make its class; ``text`` shows it."""

    about: str
    """A kind of Constraint, ``auto-reject`` (of Constraints that could not be matched), ``review``, or a noun and why
    it was refused."""
    what: str
    text: str


def canonical(value: Json) -> str:
    """Return JSON by which equal values have equal text: Go writes a whole double without a fraction."""
    return json.dumps(_canonical(value), sort_keys=True, ensure_ascii=False)


def _canonical(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def answer_of(fields: dict[str, Json]) -> ReviewAnswer:
    """Read what :meth:`ReviewAnswer.to_json` wrote."""
    found = (
        Violation(**{**item, "scoped": tuple(item["scoped"]), "details": canonical(item["details"])})
        for item in fields.get("violations", ())
    )
    return ReviewAnswer(tuple(sorted(found)), fields.get("error", ""), fields.get("undecodable", False))


def differences_of_worlds(theirs: Answers, ours: Answers) -> list[Difference]:
    """Compare what was refused; a Constraint whose template is refused is of no interest any more."""
    missing = {
        name
        for side in (theirs, ours)
        for name, reason in side.refused_constraints.items()
        if reason.startswith(MISSING)
    }
    found = []
    for what in ("refused_templates", "refused_constraints", "refused_objects"):
        left: dict[str, str] = getattr(theirs, what)
        right: dict[str, str] = getattr(ours, what)
        noun = what.removeprefix("refused_").removesuffix("s")
        for side, name, reason in (
            *(("by Gatekeeper", name, left[name]) for name in sorted(left.keys() - right.keys())),
            *(("here", name, right[name]) for name in sorted(right.keys() - left.keys())),
        ):
            if noun == "constraint" and (name in missing or deviations.is_refused_on_purpose(reason)):
                continue
            found.append(Difference(f"{noun} ({_why(reason)})", f"refused {side} only", f"{name}: {reason}"))
    return found


def _why(reason: str) -> str:
    """Return what is the same in all reasons of a kind: OPA's code, or how the text begins."""
    code = re.search(r"rego_\w+_error", reason)
    return code[0] if code else reason.partition(":")[0][:60]


def differences(theirs: ReviewAnswer, ours: ReviewAnswer) -> list[Difference]:
    """Compare two answers to a review, what differs on purpose passed over."""
    theirs = _in_our_form(theirs)
    if theirs.undecodable or ours.undecodable:
        if theirs.undecodable and ours.undecodable:
            return []
        side = "by Gatekeeper" if theirs.undecodable else "here"
        return [Difference("review", f"undecodable {side} only", f"{theirs.error} | {ours.error}")]
    if theirs.error != ours.error:
        what = "error" if theirs.error and ours.error else f"error {'by Gatekeeper' if theirs.error else 'here'} only"
        return [Difference("review", what, f"Gatekeeper: {theirs.error!r}, here: {ours.error!r}")]
    missing = Counter(theirs.violations)
    missing.subtract(ours.violations)
    return _paired(sorted((+missing).elements()), sorted((-missing).elements()))


def _in_our_form(theirs: ReviewAnswer) -> ReviewAnswer:
    found = (one._replace(message=deviations.message(one.message)) for one in theirs.violations)
    return replace(theirs, violations=tuple(sorted(found)), error=deviations.error(theirs.error))


def _paired(missing: list[Violation], extra: list[Violation]) -> list[Difference]:
    """Name what differs between the violations of a Constraint that stand on one side only."""
    found = []
    for one in missing:
        other = next((e for e in extra if (e.kind, e.name) == (one.kind, one.name)), None)
        if other is None:
            found.append(Difference(one.kind, "violation missing here", repr(one)))
            continue
        extra.remove(other)
        what = next(
            name for name in ("message", "details", "action", "scoped") if getattr(one, name) != getattr(other, name)
        )
        text = f"Gatekeeper: {getattr(one, what)!r}, here: {getattr(other, what)!r} ({one.name})"
        rejects = all(violation.message.startswith(AUTO_REJECT) for violation in (one, other))
        found.append(Difference("auto-reject" if rejects else one.kind, f"{what} differs", text))
    return found + [Difference(one.kind, "violation here only", repr(one)) for one in extra]

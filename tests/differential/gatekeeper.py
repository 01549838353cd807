"""Gatekeeper's side: questions to its oracle, and the answers in our form."""

from __future__ import annotations

from collections.abc import Sequence

from tests.differential.answers import Answers, ReviewAnswer, Violation, canonical
from tests.differential.world import Json, Review, World


def question(world: World, reviews: Sequence[Review]) -> dict[str, Json]:
    """Return the oracle's request for reviews in a world."""
    told = {**world.to_json(), "constraints": [_stored(constraint) for constraint in world.constraints]}
    return {"op": "review", **told, "reviews": [review.to_json() for review in reviews]}


def _stored(value: Json) -> Json:
    """Return a manifest as files and API servers give it to Gatekeeper: Go writes 1000000.0 without its fraction."""
    if isinstance(value, dict):
        return {key: _stored(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_stored(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value


def answers(reply: dict[str, Json]) -> Answers:
    """Read the oracle's answer to a :func:`question`."""
    return Answers(
        reviews=tuple(_review(item) for item in reply["reviews"]),
        refused_templates=_problems(reply["template_errors"]),
        refused_constraints=_problems(reply["constraint_errors"]),
        refused_objects=_problems(reply["inventory_errors"]),
    )


def _problems(listed: list[Json] | None) -> dict[str, str]:
    """Return reasons by name; that of a template begins with Gatekeeper's status code."""
    return {item["name"]: ": ".join(filter(None, (item.get("code"), item["message"]))) for item in listed or ()}


def _review(item: dict[str, Json]) -> ReviewAnswer:
    if "undecodable" in item:
        return ReviewAnswer(error=item["undecodable"], undecodable=True)
    error = item.get("review_error", "")
    if error:
        # What other templates found is lost on the wire: the webhook answers 500 with the error alone.
        return ReviewAnswer(error=error)
    found = (
        Violation(
            kind=result["kind"],
            name=result["name"],
            action=result["action"],
            scoped=tuple(sorted(result.get("scoped", ()))),
            message=result["msg"],
            details=canonical(result["details"]),
        )
        for result in item.get("results", ())
    )
    return ReviewAnswer(tuple(sorted(found)))

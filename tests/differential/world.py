"""What both sides are asked: policies and an inventory, and reviews in that world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Json = Any
"""A JSON value: integers are exact, and a float is a number that was written with a fraction or an exponent."""

WEBHOOK = "validation.gatekeeper.sh"
AUDIT = "audit.gatekeeper.sh"
GATOR = "gator.gatekeeper.sh"


@dataclass(frozen=True, slots=True)
class Review:
    """One thing to review: an AdmissionRequest, as the webhook does, or an object, as audit and gator do."""

    request: Json = None
    object: Json = None
    """Exactly one of the two is given."""
    namespace: Json = None
    """The Namespace object that the caller knows, if any."""
    source: str = ""
    """``Original``, ``Generated``, or nothing where the caller does not say."""
    enforcement_point: str = WEBHOOK

    def to_json(self) -> dict[str, Json]:
        """Return the review as the oracle reads it and as case files hold it."""
        fields = {
            "request": self.request,
            "object": self.object,
            "namespace": self.namespace,
            "source": self.source,
            "enforcement_point": self.enforcement_point,
        }
        return {key: value for key, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class World:
    """ConstraintTemplates, Constraints and cached objects."""

    templates: tuple[Json, ...]
    constraints: tuple[Json, ...]
    inventory: tuple[Json, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return the world as the oracle reads it and as case files hold it."""
        return {
            "templates": list(self.templates),
            "constraints": list(self.constraints),
            "inventory": list(self.inventory),
        }


def world_of(fields: dict[str, Json]) -> World:
    """Read what :meth:`World.to_json` wrote."""
    return World(tuple(fields["templates"]), tuple(fields["constraints"]), tuple(fields.get("inventory", ())))


def review_of(fields: dict[str, Json]) -> Review:
    """Read what :meth:`Review.to_json` wrote."""
    return Review(**fields)


def name_of(item: Json) -> str:
    """Return ``metadata.name``; nothing where it is no string."""
    metadata = item.get("metadata") if isinstance(item, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def kind_defined_by(template: Json) -> str:
    """Return the kind of Constraint that a template defines; nothing where it names none."""
    at = template
    for key in ("spec", "crd", "spec", "names", "kind"):
        at = at.get(key) if isinstance(at, dict) else None
    return at if isinstance(at, str) else ""

"""Our side: the core, through the door that everything else uses."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from fleetgate.engine import Engine, EngineError, InvalidRequest, PolicyError
from fleetgate.suites.reviewing import GATOR_INVENTORY
from fleetgate_proto.v1 import review_pb2

from tests.differential.answers import MISSING, Answers, ReviewAnswer, Violation, canonical
from tests.differential.world import Json, Review, World, kind_defined_by, name_of

_UNHURRIED_SECONDS = 60.0
CLUSTER = "differential"
_SOURCES = {
    "": review_pb2.SOURCE_UNSPECIFIED,
    "Original": review_pb2.SOURCE_ORIGINAL,
    "Generated": review_pb2.SOURCE_GENERATED,
}


def answers(world: World, reviews: Sequence[Review]) -> Answers:
    """Decide reviews in a world."""
    engine = Engine(
        contexts=1,
        constraint_seconds=_UNHURRIED_SECONDS,
        review_seconds=_UNHURRIED_SECONDS,
        compatibility=GATOR_INVENTORY,
    )
    refused_templates: dict[str, str] = {}
    refused_constraints: dict[str, str] = {}
    kinds = set()
    for template in world.templates:
        kind = kind_defined_by(template)
        kinds.add(kind)
        _apply(engine, template, [item for item in world.constraints if item.get("kind") == kind],
               refused_templates, refused_constraints)  # fmt: skip
    refused_constraints |= {title(item): MISSING for item in world.constraints if item.get("kind") not in kinds}
    refused_objects = _store(engine, world.inventory)
    return Answers(
        tuple(_review(engine, review) for review in reviews), refused_templates, refused_constraints, refused_objects
    )


def _apply(
    engine: Engine,
    template: Json,
    constraints: list[Json],
    refused_templates: dict[str, str],
    refused_constraints: dict[str, str],
) -> None:
    """Publish a template with those of its Constraints that are not refused."""
    files = [("template", _manifest(template))]
    files += [(f"constraint {index}", _manifest(item)) for index, item in enumerate(constraints)]
    titles = {f"constraint {index}": title(item) for index, item in enumerate(constraints)}
    while files:
        try:
            engine.apply_bundle(name_of(template) or "nameless", files)
        except PolicyError as error:
            messages = {diagnostic.path: diagnostic.message for diagnostic in error.diagnostics}
            if "template" in messages:
                refused_templates[name_of(template)] = messages["template"]
                refused_constraints |= dict.fromkeys(titles.values(), MISSING)
                return
            bad = messages.keys() & titles.keys()
            if not bad:
                raise
            refused_constraints |= {titles[path]: messages[path] for path in bad}
            files = [file for file in files if file[0] not in bad]
        else:
            return


def _store(engine: Engine, objects: Sequence[Json]) -> dict[str, str]:
    """Cache what can be cached; name the rest."""
    refused: dict[str, str] = {}
    kept = list(objects)
    while kept:
        try:
            engine.replace_inventory(CLUSTER, [_bytes(item) for item in kept])
            break
        except InvalidRequest as error:
            index = int(error.field.removeprefix("objects[").removesuffix("]"))
            refused[name_of(kept.pop(index))] = str(error)
    return refused


def request_of(review: Review) -> review_pb2.ReviewRequest:
    """Return a review as it travels."""
    request = review_pb2.ReviewRequest(
        cluster=CLUSTER,
        enforcement_point=review.enforcement_point,
        source=_SOURCES[review.source],
        namespace=b"" if review.namespace is None else _bytes(review.namespace),
    )
    if review.request is not None:
        request.admission_request = _bytes(review.request)
    else:
        request.object = _bytes(review.object)
    return request


def _review(engine: Engine, review: Review) -> ReviewAnswer:
    request = request_of(review)
    try:
        response = review_pb2.ReviewResponse.FromString(engine.review(request.SerializeToString()).response)
    except InvalidRequest as error:
        return ReviewAnswer(error=str(error), undecodable=True)
    except EngineError as error:
        return ReviewAnswer(error=f"{type(error).__name__}: {error}")
    if response.HasField("review_error"):
        return ReviewAnswer(error=response.review_error.message)
    found = [
        Violation(
            kind=violation.constraint_kind,
            name=violation.constraint_name,
            action=violation.enforcement_action,
            scoped=tuple(sorted(violation.scoped_enforcement_actions)),
            message=violation.message,
            details=canonical(json.loads(violation.details)) if violation.details else "null",
        )
        for violation in response.violations
    ]
    # A Constraint that gave no answer is one violation too many, whatever its text: Gatekeeper knows no such thing.
    found += [
        Violation(
            kind=error.constraint_kind,
            name=error.constraint_name,
            action=error.enforcement_action,
            scoped=tuple(sorted(error.scoped_enforcement_actions)),
            message=f"constraint error: {error.message}",
            details="null",
        )
        for error in response.constraint_errors
    ]
    return ReviewAnswer(tuple(sorted(found)))


def title(constraint: Json) -> str:
    """Return how both sides name a Constraint."""
    return f"{constraint.get('kind')}/{name_of(constraint)}"


_PAIR = re.compile(r"\\ud[89ab]..\\ud[c-f]..")


def _manifest(value: Json) -> bytes:
    """Return a manifest's text. Files are YAML to Gatekeeper as to us, which knows no surrogates."""
    return _PAIR.sub(lambda pair: json.loads(f'"{pair[0]}"'), json.dumps(value)).encode()


def _bytes(value: Json) -> bytes:
    return json.dumps(value).encode()

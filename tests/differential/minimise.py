"""Make a difference small: drop from the world and from the review whatever it does not need."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import monotonic

from tests.differential.world import Json, Review, World, kind_defined_by

Case = tuple[World, Review]


def minimised(case: Case, differs: Callable[[Case], bool], *, seconds: float = 8.0) -> Case:
    """Return the smallest case found in the given time that still ``differs``."""
    ends = monotonic() + seconds

    def shows(candidate: Case) -> bool:
        return monotonic() < ends and differs(candidate)

    case = _fewer(case, shows)
    for part in ("review", "constraints", "inventory"):
        case = _smaller(case, part, shows)
    return case


def _fewer(case: Case, shows: Callable[[Case], bool]) -> Case:
    """Drop Constraints, templates without Constraints, and cached objects."""
    for name in ("constraints", "inventory", "templates"):
        index = 0
        while index < len(getattr(case[0], name)):
            world = replace(case[0], **{name: _except(getattr(case[0], name), index)})
            if name == "constraints":
                kinds = {item.get("kind") for item in world.constraints}
                world = replace(world, templates=tuple(t for t in world.templates if kind_defined_by(t) in kinds))
            if shows((world, case[1])):
                case = (world, case[1])
            else:
                index += 1
    return case


def _except(items: tuple[Json, ...], index: int) -> tuple[Json, ...]:
    return items[:index] + items[index + 1 :]


def _smaller(case: Case, part: str, shows: Callable[[Case], bool]) -> Case:
    """Drop keys and elements, the outermost first."""
    progress = True
    while progress:
        progress = False
        document = _part(case, part)
        for path in list(_paths(document)):
            candidate = _without(document, path)
            if candidate is None:
                continue
            changed = _with_part(case, part, candidate)
            # A default comes back as soon as it is dropped: that is no progress.
            if changed is not None and _part(changed, part) != document and shows(changed):
                case, document, progress = changed, _part(changed, part), True
    return case


def _part(case: Case, part: str) -> Json:
    world, review = case
    return review.to_json() if part == "review" else list(getattr(world, part))


def _with_part(case: Case, part: str, value: Json) -> Case | None:
    world, review = case
    if part != "review":
        return replace(world, **{part: tuple(value)}), review
    if ("request" in value) == ("object" in value):
        return None
    return world, Review(**value)


def _paths(value: Json, prefix: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    children: list[tuple[str | int, Json]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = [(index, value[index]) for index in range(len(value) - 1, -1, -1)]
    for key, _ in children:
        yield (*prefix, key)
    for key, item in children:
        yield from _paths(item, (*prefix, key))


def _without(document: Json, path: tuple[str | int, ...]) -> Json:
    """Return a copy without the value at a path; None where an earlier step took it."""
    copied = json.loads(json.dumps(document))
    at = copied
    try:
        for key in path[:-1]:
            at = at[key]
        del at[path[-1]]
    except (KeyError, IndexError, TypeError):
        return None
    return copied

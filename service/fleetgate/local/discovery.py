"""Which kinds of a plan a cluster serves: what has to be listed before an audit can say that nothing is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from fleetgate.engine import Feeds, WriteError
from fleetgate.engine.feeds import Pattern

_ASKED = b'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system"}}'
"""A request names an object; the path says what is really asked for."""


def served_kinds(feeds: Feeds, cluster: str, patterns: Iterable[Pattern]) -> set[tuple[str, str]]:
    """The (group, kind) pairs that match a pattern and can be listed and watched. Raises WriteError.

    A group whose API server is away is left out: the feed names it.
    """
    wanted = [(tuple(groups), tuple(kinds)) for groups, kinds in patterns]
    if not wanted:
        return set()
    versions = [("", "/api/v1")]
    for group in _get(feeds, cluster, "/apis").get("groups", ()):
        versions += [(group["name"], f"/apis/{version['groupVersion']}") for version in group.get("versions", ())]
    found: set[tuple[str, str]] = set()
    for group, path in versions:
        kinds = [names for groups, names in wanted if _any(groups, group)]
        if not kinds:
            continue
        try:
            resources = _get(feeds, cluster, path).get("resources", ())
        except WriteError:
            continue
        for resource in resources:
            is_listed = "/" not in resource["name"] and {"list", "watch"} <= set(resource.get("verbs", ()))
            if is_listed and any(_any(names, resource["kind"]) for names in kinds):
                found.add((group, resource["kind"]))
    return found


def _any(names: Sequence[str], name: str) -> bool:
    return "*" in names or name in names


def _get(feeds: Feeds, cluster: str, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(feeds.write(cluster, "get", _ASKED, path=path))
    return answer

"""Print the results of ``fleetgate test``: gator's JSON and lines, YAML, or a table."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fleetgate_clients.output.documents import json_text, yaml_text
from fleetgate_clients.output.tables import Cell, Column, render_table

from .quoting import go_quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .manifests import Result
    from .reviewing import Found

TARGET = "admission.k8s.gatekeeper.sh"
_GATOR_INDENT = 4
_GO_EXPONENT = 1e21
"""From here on Go writes a number with an exponent."""
_WIDEST = (1 << 53) - 1
"""Every integer up to here is a double."""
_UNMATCHED = "unable to match constraints: "
"""How Gatekeeper begins the message of a Constraint that it could not match."""
_STYLES = {"deny": "red", "warn": "yellow", "dryrun": "cyan"}


def as_json(results: Sequence[Result]) -> str:
    """Return what ``gator test -o json`` prints; where nothing is violated that is ``null``."""
    return json_text([_document(result) for result in results] or None, indent=_GATOR_INDENT, like_go=True)


def as_yaml(results: Sequence[Result]) -> str:
    """Return the same list as YAML; ``[]`` where nothing is violated."""
    return yaml_text([_document(result) for result in results])


def as_lines(results: Iterable[Result]) -> str:
    """Return gator's lines: ``v1/Pod ns/name: ["constraint"] Message: "text"``."""
    return "".join(
        f"{result.violating}: [{go_quoted(result.found.name)}] Message: {go_quoted(result.found.message)}\n"
        for result in results
    )


def as_table(results: Iterable[Result], *, width: int | None, color: bool) -> str:
    """Return a table for people."""
    columns = (Column("OBJECT"), Column("ACTION"), Column("CONSTRAINT"), Column("MESSAGE", wraps=True))
    rows = [
        (
            str(result.violating),
            Cell(_action(result), _STYLES.get(_action(result).partition(" ")[0], "")),
            f"{result.found.kind}/{result.found.name}",
            result.found.message,
        )
        for result in results
    ]
    return render_table(columns, rows, width=width, color=color)


def _action(result: Result) -> str:
    scoped = result.found.scoped_actions
    return ", ".join(scoped) if scoped else result.found.action


def _document(result: Result) -> dict[str, Any]:
    """Lay a result out as ``types.Result`` of Gatekeeper's frameworks does: what is empty is left out."""
    found = result.found
    optional: dict[str, Any] = {
        "msg": found.message,
        "metadata": _metadata(found),
        "constraint": _like_go(result.constraint),
        "enforcementAction": found.action,
        "scopedActions": list(found.scoped_actions),
    }
    return {
        "target": TARGET,
        **{key: value for key, value in optional.items() if value},
        "violatingObject": _like_go(_of_doubles(result.violating.fields)),
        "trace": None,
    }


def _metadata(found: Found) -> dict[str, Any]:
    """Return the details: null ones of a program that failed, none of a Constraint that could not be matched."""
    if found.details:
        return {"details": _like_go(json.loads(found.details))}
    return {} if found.message.startswith(_UNMATCHED) else {"details": None}


def _of_doubles(value: Any) -> Any:
    """Make doubles of the integers that are too wide for one: the object went through Go's JSON."""
    if isinstance(value, dict):
        return {key: _of_doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_of_doubles(item) for item in value]
    return float(value) if isinstance(value, int) and abs(value) > _WIDEST else value


def _like_go(value: Any) -> Any:
    """Sort the keys of all mappings and write whole numbers without a fraction, as Go's ``encoding/json`` does."""
    if isinstance(value, dict):
        return {key: _like_go(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_like_go(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _GO_EXPONENT:
        return int(Decimal(repr(value)))
    return value

"""Rows of a table of Gatekeeper's behaviour: small worlds of one template, written in shorthand.

A file below ``tests/data/golden/rows`` holds a list ``rows`` and, beside it, what its rows have in common. Of a row:

``rego``, ``rules``, ``msgs``
    The module; or its rules; or expressions, each of which is a row of its own whose message it is. ``head`` is put
    before the rules, ``libs`` and ``version`` are those of the template, ``others`` the rules of a second template.
``values``, ``at``
    A row of its own for each value, which stands as ``v`` in the review's object, the parameters or the inventory.
``matches``, ``subjects``, ``only``
    A row of its own for each match block and each of the subjects.
``parameters``, ``spec``, ``constraints``, ``schema``, ``legacy``, ``operations``, ``template``
    The Constraint's parameters and spec; or all Constraints; the schema of parameters; the template's other fields, or
    all of it.
``object`` or ``request``; ``namespace``, ``source``, ``point``, ``inventory``
    The review and what is cached.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.differential.world import WEBHOOK, Json, Review, World

DIRECTORY = Path(__file__).parents[1] / "data" / "golden" / "rows"
KIND = "Row"
_FREE_FORM = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_VALUE_OF = {
    "review": "input.review.object.spec.v",
    "parameters": "input.parameters.v",
    "inventory": "data.inventory.namespace.prod.v1.Pod.cached.spec.v",
}
_POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
_ENVELOPE = {
    "uid": "u",
    "kind": {"group": "", "version": "v1", "kind": "Pod"},
    "resource": {"group": "", "version": "v1", "resource": "pods"},
    "userInfo": {"username": "somebody"},
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its name, unique in the whole table, and what is asked."""

    name: str
    world: World
    review: Review


def rows() -> list[Row]:
    """Return every row of every file."""
    return [row for path in sorted(DIRECTORY.glob("*.yaml")) for row in _of_file(path)]


def _of_file(path: Path) -> Iterator[Row]:
    shared = yaml.safe_load(path.read_text())
    for written in shared.pop("rows"):
        fields = {**shared, **written}
        if "request" in written:
            fields.pop("object", None)
        # Of the three ways to write rules a row's own counts.
        if written.keys() & {"rego", "rules", "template"}:
            fields = {
                key: value for key, value in fields.items() if key in written or key not in {"rego", "rules", "msgs"}
            }
        for variant, expanded in _variants(fields):
            name = f"{path.stem}/{written['name']}{variant}"
            yield Row(name, _world(expanded), _review(expanded))


def _variants(fields: dict[str, Json]) -> Iterator[tuple[str, dict[str, Json]]]:
    if "matches" in fields:
        yield from _match_variants(fields)
        return
    for value, with_value in _value_variants(fields):
        if "msgs" not in with_value:
            yield value, with_value
            continue
        for message in with_value["msgs"]:
            rules = [f'violation[{{"msg": msg}}] {{ {with_value.get("let", "")} msg := {message} }}']
            label = "" if len(with_value["msgs"]) == 1 and not value else f": {message}"
            yield f"{value}{label}", {**with_value, "rules": rules}


def _value_variants(fields: dict[str, Json]) -> Iterator[tuple[str, dict[str, Json]]]:
    if "values" not in fields:
        yield "", fields
        return
    at = fields["at"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "prod"}}
    for value in fields["values"]:
        expanded = {**fields, "object": pod, "let": f"v := {_VALUE_OF[at]};"}
        if at == "review":
            expanded["object"] = {**pod, "spec": {"v": value}}
        elif at == "parameters":
            expanded["parameters"] = {"v": value}
        else:
            cached = {**pod, "metadata": {"name": "cached", "namespace": "prod"}, "spec": {"v": value}}
            expanded["inventory"] = [cached]
        yield f" {value!r}", expanded


def _match_variants(fields: dict[str, Json]) -> Iterator[tuple[str, dict[str, Json]]]:
    rules = [f'violation[{{"msg": msg}}] {{ msg := {fields["msgs"][0]} }}']
    for match in fields["matches"]:
        for subject, item in fields["subjects"].items():
            if subject not in fields.get("only", fields["subjects"]):
                continue
            expanded = {**fields, "rules": rules, "spec": {} if match is None else {"match": match}}
            if "request" not in fields:
                expanded["object"] = item
            yield f" {_flow(match)} on {subject}", expanded


def _flow(value: Json) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return text.removesuffix("...\n").strip()


def _world(fields: dict[str, Json]) -> World:
    templates = [fields["template"] if "template" in fields else _template(KIND, _module(fields), fields)]
    constraints = [_constraint(KIND, given, fields) for given in fields.get("constraints", [{"name": "row"}])]
    if "others" in fields:
        templates.append(_template("Other", "\n".join(["package other", *fields["others"]]), {}))
        constraints.append(_constraint("Other", {"name": "other"}, {}))
    return World(tuple(templates), tuple(constraints), tuple(fields.get("inventory", ())))


def _module(fields: dict[str, Json]) -> str:
    if "rego" in fields:
        text: str = fields["rego"]
        return text
    return "\n".join(["package row", fields.get("head", ""), *fields["rules"]])


def _template(kind: str, module: str, fields: dict[str, Json]) -> Json:
    names: Json = {"spec": {"names": {"kind": kind}}}
    schema = fields.get("schema", _FREE_FORM)
    validation = ({"openAPIV3Schema": schema} if schema else {}) | (
        {"legacySchema": True} if "legacy" in fields else {}
    )
    if validation:
        names["spec"]["validation"] = validation
    target: Json = {"target": "admission.k8s.gatekeeper.sh"}
    libs = fields.get("libs", [])
    if "version" in fields:
        source = {"rego": module, "version": fields["version"]} | ({"libs": libs} if libs else {})
        target["code"] = [{"engine": "Rego", "source": source}]
    else:
        target |= {"rego": module} | ({"libs": libs} if libs else {})
    if "operations" in fields:
        target["operations"] = fields["operations"]
    return {
        "apiVersion": "templates.gatekeeper.sh/v1",
        "kind": "ConstraintTemplate",
        "metadata": {"name": kind.lower()},
        "spec": {"crd": names, "targets": [target]},
    }


def _constraint(kind: str, given: dict[str, Json], fields: dict[str, Json]) -> Json:
    spec = given["spec"] if "spec" in given else dict(fields.get("spec", {}))
    if "parameters" in fields and isinstance(spec, dict) and "parameters" not in spec:
        spec = {**spec, "parameters": fields["parameters"]}
    return {
        "apiVersion": given.get("apiVersion", "constraints.gatekeeper.sh/v1beta1"),
        "kind": given.get("kind", kind),
        "metadata": {"name": given["name"]},
        "spec": spec,
    }


def _review(fields: dict[str, Json]) -> Review:
    request = fields.get("request")
    return Review(
        request=None if request is None else {**_ENVELOPE, **request},
        object=fields.get("object", _POD) if request is None else None,
        namespace=fields.get("namespace"),
        source=fields.get("source", ""),
        enforcement_point=fields.get("point", WEBHOOK),
    )

"""The compatibility switches, each at both values, through whole decisions."""

from __future__ import annotations

import json
import typing
from typing import Any

import pytest
from fleetgate.config.model import Compatibility
from fleetgate.engine import Engine, PolicyError
from fleetgate_proto.v1 import review_pb2

from tests.support.decisions import constraint, decide, engine_with, messages, template

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "a"}}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}, "spec": {}, "status": {}}


def value_of(expression: str, *, lib: str = "") -> dict[str, Any]:
    """A template whose message is a value."""
    return template("K", f'violation[{{"msg": m}}] {{ m := json.marshal({expression}) }}', lib=lib)


def test_the_core_knows_every_switch_of_the_configuration_and_its_default() -> None:
    defaults = Compatibility().model_dump()
    for name, field in Compatibility.model_fields.items():
        annotation = field.annotation
        for value in typing.get_args(annotation):
            Engine(contexts=1, compatibility={**defaults, name: value})
    with pytest.raises(ValueError, match='no compatibility switch is named "nmbers"'):
        Engine(contexts=1, compatibility={"nmbers": "exact"})
    with pytest.raises(ValueError, match=r'numbers: "none" is not one of gatekeeper-3\.23, exact'):
        Engine(contexts=1, compatibility={"numbers": "none"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "{}"), ("empty", "{}"), ("null", "null")],
)
def test_namespace_object_absent(value: str | None, expected: str) -> None:
    engine = engine_with(value_of("input.review.namespaceObject"), constraint("K"), namespace_object_absent=value)
    assert messages(decide(engine, POD)) == [expected]
    assert messages(decide(engine, POD, namespace=NAMESPACE)) == [
        json.dumps(NAMESPACE, sort_keys=True, separators=(",", ":"))
    ]


@pytest.mark.parametrize(("value", "there"), [(None, False), ("absent", False), ("present", True)])
def test_unstable_namespace(value: str | None, there: bool) -> None:
    engine = engine_with(
        value_of("input.review._unstable.namespace.metadata.name"), constraint("K"), unstable_namespace=value
    )
    assert messages(decide(engine, POD, namespace=NAMESPACE)) == (['"a"'] if there else [])


LIB = "package lib.helpers\ng = 5\nf(x) = x"


@pytest.mark.parametrize(("value", "expected"), [(None, []), ("shallow", []), ("deep", ["[5]"])])
def test_lib_rewrite_of_a_reference(value: str | None, expected: list[str]) -> None:
    engine = engine_with(value_of("[data.lib.helpers.g]", lib=LIB), constraint("K"), lib_rewrite=value)
    assert messages(decide(engine, POD)) == expected


def test_lib_rewrite_of_a_call() -> None:
    policies = (value_of("data.lib.helpers.f(7)", lib=LIB), constraint("K"))
    with pytest.raises(PolicyError, match=r"undefined function data\.lib\.helpers\.f"):
        engine_with(*policies, lib_rewrite="shallow")
    assert messages(decide(engine_with(*policies, lib_rewrite="deep"), POD)) == ["7"]


CONFLICT = 'x = input.parameters.a\nx = 2\nviolation[{"msg": m}] { m := sprintf("x is %d", [x]) }'


@pytest.mark.parametrize(
    ("value", "good"), [(None, "eval_conflict_error"), ("kind", "eval_conflict_error"), ("constraint", "x is 2")]
)
def test_error_spread(value: str | None, good: str) -> None:
    engine = engine_with(
        template("K", CONFLICT),
        constraint("K", "bad", parameters={"a": 3}),
        constraint("K", "good", parameters={"a": 2}),
        error_spread=value,
    )
    bad_message, good_message = messages(decide(engine, POD))
    assert "eval_conflict_error" in bad_message
    assert good in good_message


NUMBER_FOR_MESSAGE = 'violation[{"msg": input.review.object.spec}] { true }'


@pytest.mark.parametrize("value", [None, "fail-review"])
def test_nonstring_msg_fails_the_review(value: str | None) -> None:
    engine = engine_with(template("K", NUMBER_FOR_MESSAGE), constraint("K"), nonstring_msg=value)
    decision = decide(engine, {**POD, "spec": {"a": [5]}})
    assert (decision.allowed, decision.review_error.code, list(decision.violations)) == (False, 500, [])
    assert decision.review_error.message == (
        "admission.k8s.gatekeeper.sh: Rego: extracting message binding: .msg accessor error: "
        "map[a:[5]] is of the type map[string]interface {}, expected string\n\n"
    )


def test_nonstring_msg_is_a_violation() -> None:
    engine = engine_with(template("K", NUMBER_FOR_MESSAGE), constraint("K"), nonstring_msg="violation")
    decision = decide(engine, {**POD, "spec": {"a": [5]}})
    assert not decision.HasField("review_error")
    assert (decision.allowed, messages(decision)) == (False, ['{"a":[5]}'])
    assert messages(decide(engine, {**POD, "spec": "text"})) == ["text"]


@pytest.mark.parametrize(
    ("value", "action"),
    [(None, ""), ("ignore", ""), ("deny", "deny")],
)
def test_empty_enforcement_action(value: str | None, action: str) -> None:
    engine = engine_with(
        template("K", 'violation[{"msg": "m"}] { true }'),
        constraint("K", enforcementAction=""),
        empty_enforcement_action=value,
    )
    decision = decide(engine, POD)
    assert [violation.enforcement_action for violation in decision.violations] == [action]
    assert decision.allowed is (action != "deny")


@pytest.mark.parametrize("value", ["ignore", "deny"])
def test_empty_enforcement_action_concerns_no_other(value: str) -> None:
    engine = engine_with(
        template("K", 'violation[{"msg": "m"}] { true }'),
        constraint("K", "dryrun", enforcementAction="dryrun"),
        constraint("K", "unknown", enforcementAction="unknown"),
        empty_enforcement_action=value,
    )
    decision = decide(engine, POD)
    assert [violation.enforcement_action for violation in decision.violations] == ["dryrun", "unknown"]
    assert decision.allowed


@pytest.mark.parametrize(("value", "kept"), [(None, True), ("keep", True), ("prune", False)])
def test_inventory_empty_parents(value: str | None, kept: bool) -> None:
    engine = engine_with(value_of("data.inventory"), constraint("K"), inventory_empty_parents=value)
    engine.replace_inventory("c", [json.dumps(POD).encode()])
    engine.replace_inventory("c", [])
    assert messages(decide(engine, POD)) == ['{"namespace":{"a":{"v1":{"Pod":{}}}}}' if kept else "{}"]


@pytest.mark.parametrize(("value", "there"), [(None, False), ("absent", False), ("present", True)])
def test_terminating_objects(value: str | None, there: bool) -> None:
    engine = engine_with(value_of("data.inventory.cluster.v1.Namespace[_].metadata.name"), constraint("K"),
                         terminating_objects=value)  # fmt: skip
    terminating = {**NAMESPACE, "metadata": {"name": "a", "deletionTimestamp": "2024-01-01T00:00:00Z"}}
    engine.replace_inventory("c", [json.dumps(terminating).encode()])
    assert messages(decide(engine, POD)) == (['"a"'] if there else [])


@pytest.mark.parametrize(("value", "message"), [(None, "1e+06"), ("gatekeeper-3.23", "1e+06"), ("exact", "1000000")])
def test_numbers_of_the_inventory(value: str | None, message: str) -> None:
    shown = 'violation[{"msg": m}] { m := sprintf("%v", [data.inventory.namespace.a.v1.Pod.p.spec.n]) }'
    engine = engine_with(template("K", shown), constraint("K"), numbers=value)
    engine.replace_inventory("c", [json.dumps({**POD, "spec": {"n": 1_000_000}}).encode()])
    decision = decide(engine, POD)
    assert isinstance(decision, review_pb2.ReviewResponse)
    assert messages(decision) == [message]

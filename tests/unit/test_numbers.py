"""What numbers are in Gatekeeper 3.23: doubles in a review, exact in parameters; and what ``exact`` changes."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tests.support.decisions import constraint, decide, engine_with, messages, template

FORMATTED = 'violation[{"msg": m}] { m := concat("|", [sprintf(f, [VALUE]) | f := ["%v", "%d", "%s"][_]]) }'
BIG = 12345678901234567


@dataclass(frozen=True)
class Printed:
    """A number as it is written in JSON, and as ``%v``, ``%d`` and ``%s`` print it."""

    written: str
    v: str
    d: str
    s: str

    @property
    def message(self) -> str:
        return "|".join((self.v, self.d, self.s))


def _integer(written: str, text: str | None = None) -> Printed:
    text = text or written
    return Printed(written, text, text, f"%!s(int={text})")


def _double(written: str, text: str) -> Printed:
    return Printed(written, text, f"%!d(float64={text})", f"%!s(float64={text})")


REVIEW = [
    _integer("0"),
    _integer("-1"),
    _integer("999999"),
    _double("1000000", "1e+06"),
    _double("-1000000", "-1e+06"),
    _double("20971520", "2.097152e+07"),
    _double("12345678901234567", "1.2345678901234568e+16"),
    _double("1000000.5", "1.0000005e+06"),
    _double("0.5", "0.5"),
    _double("0.0001", "0.0001"),
    _double("0.00001", "1e-05"),
    _integer("1.0", "1"),
    _integer("1e2", "100"),
    _integer("-0.0", "0"),
]
EXACT = [
    _integer("999999"),
    _integer("1000000"),
    _integer("5000000000"),
    _integer("12345678901234567"),
]
PARAMETERS = [
    *EXACT,
    _integer("1.0", "1"),
    _double("1000000.5", "1.0000005e+06"),
]


def _pod(number: str) -> bytes:
    return b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"n":' + number.encode() + b"}}"


def _formatted(value: str) -> str:
    return FORMATTED.replace("VALUE", value)


@pytest.mark.parametrize("number", REVIEW, ids=lambda number: number.written)
def test_numbers_of_a_review(number: Printed) -> None:
    engine = engine_with(template("K", _formatted("input.review.object.spec.n")), constraint("K"))
    assert messages(decide(engine, _pod(number.written))) == [number.message]


@pytest.mark.parametrize("number", EXACT, ids=lambda number: number.written)
def test_exact_numbers_of_a_review(number: Printed) -> None:
    engine = engine_with(template("K", _formatted("input.review.object.spec.n")), constraint("K"), numbers="exact")
    assert messages(decide(engine, _pod(number.written))) == [number.message]


@pytest.mark.parametrize("switch", ["gatekeeper-3.23", "exact"])
@pytest.mark.parametrize("number", PARAMETERS, ids=lambda number: number.written)
def test_numbers_of_parameters(number: Printed, switch: str) -> None:
    policies = template("K", _formatted("input.parameters.n")), constraint("K", parameters={"n": "NUMBER"})
    engine = engine_with(*policies, numbers=switch)
    text = json.dumps(policies[1]).replace('"NUMBER"', number.written)
    engine.apply_bundle("b", [("t.json", json.dumps(policies[0]).encode()), ("c.json", text.encode())])
    assert messages(decide(engine, _pod("0"))) == [number.message]


@pytest.mark.parametrize(
    ("condition", "number", "gatekeeper", "exact"),
    [
        ("input.review.object.spec.n == 1000000", "1000000", True, True),
        (f"input.review.object.spec.n == {BIG}", str(BIG), False, True),
        (f"input.review.object.spec.n == {BIG + 1}", str(BIG), True, False),
        ("input.parameters.n < input.review.object.spec.n", str(BIG), True, False),
        ("input.parameters.n == input.review.object.spec.n", str(BIG), False, True),
        (f"input.parameters.n == {BIG}", "0", True, True),
        ("input.review.object.spec.n == data.inventory.cluster.v1.Node.n.spec.n", str(BIG), True, True),
    ],
)
def test_comparisons(condition: str, number: str, gatekeeper: bool, exact: bool) -> None:
    for switch, holds in (("gatekeeper-3.23", gatekeeper), ("exact", exact)):
        engine = engine_with(
            template("K", f'violation[{{"msg": "holds"}}] {{ {condition} }}'),
            constraint("K", parameters={"n": BIG}),
            numbers=switch,
        )
        engine.replace_inventory(
            "c", [b'{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"spec":{"n":12345678901234567}}']
        )
        assert messages(decide(engine, _pod(number))) == (["holds"] if holds else []), switch


@pytest.mark.parametrize(("switch", "shown"), [("gatekeeper-3.23", '{"n":1e+06}'), ("exact", '{"n":1000000}')])
def test_json_marshal_shows_what_a_number_is(switch: str, shown: str) -> None:
    rego = """
    violation[{"msg": m}] { m := concat("|", [json.marshal(x) | x := [input.review.object.spec, input.parameters][_]]) }
    """
    engine = engine_with(template("K", rego), constraint("K", parameters={"n": 1_000_000}), numbers=switch)
    assert messages(decide(engine, _pod("1000000"))) == [f'{shown}|{{"n":1000000}}']


def test_json_marshal_shows_numbers_of_the_inventory_as_go() -> None:
    """OPA hands what its store holds to Go's encoder as it is."""
    rego = 'violation[{"msg": m}] { m := json.marshal(data.inventory.cluster.v1.Node.n.spec) }'
    engine = engine_with(template("K", rego), constraint("K"))
    engine.replace_inventory("c", [b'{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"spec":{"n":1000000}}'])
    assert messages(decide(engine, _pod("0"))) == ['{"n":1000000}']


@pytest.mark.parametrize(("number", "shown"), [("-0.0", "[-0]"), ("1000000", "[1e+06]"), ("7", "[7]")])
def test_numbers_in_collections(number: str, shown: str) -> None:
    rego = 'violation[{"msg": m}] { m := sprintf("%v", [[input.review.object.spec.n]]) }'
    engine = engine_with(template("K", rego), constraint("K"))
    assert messages(decide(engine, _pod(number))) == [shown]

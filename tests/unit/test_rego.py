"""``fleetgate.rego.evaluate``: values in and out, errors, limits."""

from __future__ import annotations

from decimal import Decimal

import pytest
from fleetgate import rego
from fleetgate.rego import RegoLocation

MODULE = {
    "policy.rego": """\
package policy

deny contains message if {
    some name in input.names
    not name in data.allowed
    message := sprintf("%s is not allowed", [name])
}
"""
}


def test_bindings_are_plain_values() -> None:
    query = 'x := {3, 1, 2}; y = {"a": [true, null, "s"], 1: 2.5}; z := count(x)'
    assert rego.evaluate(query) == [{"x": [1, 2, 3], "y": {"a": [True, None, "s"], "1": 2.5}, "z": 3}]


def test_modules_data_and_input() -> None:
    answers = rego.evaluate("data.policy.deny[message]", MODULE, data={"allowed": ["a"]}, input={"names": ["a", "b"]})
    assert answers == [{"message": "b is not allowed"}]


def test_each_answer_has_its_bindings_and_undefined_has_none() -> None:
    assert rego.evaluate("x = [5, 6][i]") == [{"i": 0, "x": 5}, {"i": 1, "x": 6}]
    assert rego.evaluate("x = input.missing", input={}) == []
    assert rego.evaluate("true") == [{}]
    assert rego.evaluate("false") == []


def test_no_input_is_not_null() -> None:
    assert rego.evaluate("x = input") == []
    assert rego.evaluate("x = input", input=None) == [{"x": None}]


@pytest.mark.parametrize(
    "number",
    [0, -7, 2**63, 10**500, 12345678901234567890, 0.1, 1e22, -2.5, Decimal("0.10000000000000000001"), Decimal("1e400")],
)
def test_numbers_are_exact(number: float | Decimal) -> None:
    (answer,) = rego.evaluate("x = input.n", input={"n": number})
    assert answer["x"] == number
    assert isinstance(answer["x"], type(number)) or number == 10**500


def test_numbers_that_rego_writes_with_an_exponent_are_integers() -> None:
    (answer,) = rego.evaluate("x = 1e6; y = 2000000 * 3; z = 1.5")
    assert answer == {"x": 1_000_000, "y": 6_000_000, "z": 1.5}
    assert [type(value) for value in answer.values()] == [int, int, float]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_is_no_json_value_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"no number of JSON|surrogates not allowed"):
        rego.evaluate("true", input=value)


@pytest.mark.parametrize("value", [{1, 2}, {1: 2}, object()])
def test_what_is_no_json_type_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="JSON"):
        rego.evaluate("true", data={"x": value})


@pytest.mark.parametrize(
    ("query", "modules", "code", "location"),
    [
        ("x :=", {}, "rego_parse_error", RegoLocation("", 1, 5)),
        ("true", {"m.rego": "package m\n\np if"}, "rego_parse_error", RegoLocation("m.rego", 3, 5)),
        ("true", {"m.rego": "package m\np := nope(1)"}, "rego_type_error", RegoLocation("m.rego", 2, 6)),
        ("x > 1", {}, "rego_unsafe_var_error", RegoLocation("", 1, 1)),
        ("data.m.p", {"m.rego": "package m\np := 1\np := 2"}, "eval_conflict_error", RegoLocation("m.rego", 3, 1)),
        ("http.send({})", {}, "rego_unsupported_error", RegoLocation("", 1, 1)),
    ],
)
def test_errors_have_opas_code_and_location(
    query: str, modules: dict[str, str], code: str, location: RegoLocation
) -> None:
    with pytest.raises(rego.RegoError) as caught:
        rego.evaluate(query, modules)
    assert (caught.value.code, caught.value.location) == (code, location)
    assert caught.value.message
    assert caught.value.defects[0].code == code


def test_errors_read_as_opas_do() -> None:
    with pytest.raises(rego.RegoError) as caught:
        rego.evaluate("data.m.p", {"m.rego": "package m\np := 1\np := 2"})
    assert str(caught.value) == "m.rego:3: eval_conflict_error: rule data.m.p produced conflicting values"
    with pytest.raises(rego.RegoError, match=r"^1:1: rego_type_error: undefined function foo$"):
        rego.evaluate("foo(1)")


def test_errors_of_builtins_are_undefined_unless_strict() -> None:
    assert rego.evaluate('x = to_number("a")') == []
    with pytest.raises(rego.RegoError) as caught:
        rego.evaluate('x = to_number("a")', strict_builtin_errors=True)
    assert caught.value.code == "eval_builtin_error"


def test_versions_differ() -> None:
    old = {"m.rego": "package m\np[x] { x := 1 }"}
    assert rego.evaluate("x = data.m.p", old, rego_version="v0") == [{"x": [1]}]
    with pytest.raises(rego.RegoError, match="rego_parse_error"):
        rego.evaluate("x = data.m.p", old)
    with pytest.raises(ValueError, match="'v0' or 'v1'"):
        rego.evaluate("true", rego_version="v2")  # type: ignore[arg-type]


def test_time_is_limited() -> None:
    with pytest.raises(rego.RegoError) as caught:
        rego.evaluate("count([1 | numbers.range(1, 3000)[_]; numbers.range(1, 3000)[_]]) > 0", timeout=0.05)
    assert caught.value.code == "eval_cancel_error"
    assert caught.value.location is None


def test_what_policies_print_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    rego.evaluate('print("seen", input.x, input.y)', input={"x": [1]})
    assert capsys.readouterr().err == "seen [1] <undefined>\n"

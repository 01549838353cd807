"""What a case asserts, what ``--run`` selects, and the strict AdmissionReview."""

from __future__ import annotations

from typing import Any

import pytest
from fleetgate.suites.admission_review import AdmissionReviewError, is_admission_review, request_of
from fleetgate.suites.assertions import unmet
from fleetgate.suites.defaults import with_defaults
from fleetgate.suites.model import Assertion, Case, Test
from fleetgate.suites.patterns import Pattern, PatternError
from fleetgate.suites.quoting import go_quoted
from fleetgate.suites.selection import Selection, SelectionError


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("b", "abc", True),
        ("B", "abc", False),
        ("(?i)B", "abc", True),
        ("^a$", "a", True),
        ("^a$", "a\n", False),  # Python's re says True
        (r"\pL+\z", "größe", True),  # Python's re refuses it
        (r"^\d+$", "٣", False),  # Python's re says True
        ("(?s)a.b", "a\nb", True),
        ("a.b", "a\nb", False),
        ("", "", True),
    ],
)
def test_patterns_are_those_of_go(pattern: str, text: str, found: bool) -> None:
    assert Pattern(pattern).found_in(text) is found


@pytest.mark.parametrize("pattern", ["(", "a**", "(?=x)", r"\1", "a{1001}"])
def test_patterns_that_go_refuses(pattern: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PatternError) as refused:
        Pattern(pattern)
    assert str(refused.value)
    assert capfd.readouterr().err == ""


def test_patterns_take_linear_time() -> None:
    assert not Pattern("^(a+)+$").found_in("a" * 5_000 + "b")


MESSAGES = ["container app has no limit", "container init has no limit"]


@pytest.mark.parametrize(
    ("assertion", "messages"),
    [
        (Assertion(), MESSAGES),
        (Assertion("yes", "init"), MESSAGES),
        (Assertion("no"), []),
        (Assertion("no", "^init"), MESSAGES),
        (Assertion(2), MESSAGES),
        (Assertion(1, "init"), MESSAGES),
        (Assertion(0), []),
        (Assertion("yes", ""), [""]),
    ],
)
def test_assertions_that_hold(assertion: Assertion, messages: list[str]) -> None:
    assert unmet(assertion, messages) == ""


@pytest.mark.parametrize(
    ("assertion", "messages", "problem"),
    [
        (Assertion(), [], "got 0 violations but want at least 1: got messages []"),
        (Assertion("no"), ["a", "b"], "got 2 violations but want none: got messages [a b]"),
        (Assertion(1), ["a", "b"], "got 2 violations but want exactly 1: got messages [a b]"),
        (Assertion(0), ["a"], "got 1 violations but want exactly 0: got messages [a]"),
        (Assertion("yes", 'q"'), ["a"], 'got 0 violations containing "q\\"" but want at least 1: got messages [a]'),
    ],
)
def test_assertions_that_do_not(assertion: Assertion, messages: list[str], problem: str) -> None:
    assert unmet(assertion, messages) == f"unexpected number of violations: {problem}"


@pytest.mark.parametrize("count", [-1, "maybe", "3", ""])
def test_no_case_has_a_count_that_is_none(count: int | str) -> None:
    problem = 'invalid yaml: assertion.violation, if set, must be a nonnegative integer, "yes", or "no"'
    assert unmet(Assertion(count), ["a", "b"]) == f"{problem}: got messages [a b]"


def test_an_assertion_with_a_wrong_pattern_fails() -> None:
    assert unmet(Assertion("no", "("), []).startswith("message contains invalid regular expression: missing )")


TEST = Test("require-labels", "t", "c", cases=(Case("missing", "o"), Case("empty", "o")))


@pytest.mark.parametrize(
    ("run", "whole", "cases"),
    [
        ("", True, ["missing", "empty"]),
        ("labels", True, ["missing", "empty"]),
        ("^empty$", True, ["empty"]),
        ("nothing", False, []),
        ("labels//miss", True, ["missing"]),
        ("other//miss", False, []),
        ("//empty", True, ["empty"]),
        ("^require-labels$//", True, ["missing", "empty"]),
    ],
)
def test_run_selects_as_gators_filter(run: str, whole: bool, cases: list[str]) -> None:
    selection = Selection(run)
    assert selection.takes_test(TEST) is whole
    assert [case.name for case in TEST.cases if selection.takes_case(TEST, case)] == cases


@pytest.mark.parametrize(("run", "problem"), [("a//b//c", 'at most one "//"'), ("(", "missing )")])
def test_run_that_is_no_filter(run: str, problem: str) -> None:
    with pytest.raises(SelectionError, match=problem.replace(")", r"\)")):
        Selection(run)


POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}


def review(**request: Any) -> dict[str, Any]:
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def test_admission_reviews_of_both_versions_are_recognised() -> None:
    assert is_admission_review(review())
    assert is_admission_review({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview"})
    assert not is_admission_review({"apiVersion": "example.com/v1", "kind": "AdmissionReview"})
    assert not is_admission_review({"apiVersion": "admission.k8s.io/v1", "kind": "Other"})
    assert not is_admission_review({"kind": "AdmissionReview"})


def test_a_whole_request_is_taken_as_it_is() -> None:
    request = {
        "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "UPDATE", "dryRun": True,
        "userInfo": {"username": "jane", "groups": ["g"], "extra": {"k": ["v"]}}, "object": POD, "oldObject": POD,
        "options": {"anything": 1}, "namespace": "ns", "subResource": None,
    }  # fmt: skip
    assert request_of(review(**request)) == request


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}, "missing an AdmissionRequest"),
        (review(uid="u"), "no object or oldObject found to review"),
        (review(object=None, oldObject=None), "no object or oldObject found to review"),
        (review(object=POD, opperation="CREATE"), 'unknown field "request.opperation"'),
        (review(object=POD, kind={"grop": ""}), 'unknown field "request.kind.grop"'),
        (review(object=POD, dryRun="yes"), "request.dryRun must be a bool"),
        (review(object=POD, userInfo=[]), "request.userInfo must be a mapping"),
        (review(object={"apiVersion": "v1"}), "request.object has no kind"),
        (review(object=POD, operation="DELETE"), "oldObject cannot be nil for DELETE operations"),
    ],
)
def test_reviews_that_no_api_server_sends(document: dict[str, Any], problem: str) -> None:
    with pytest.raises(AdmissionReviewError, match=problem):
        request_of(document)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("plain", '"plain"'), ('a"b\\', '"a\\"b\\\\"'), ("\x00\x1b\x7f", '"\\x00\\x1b\\x7f"'), ("\n\té", '"\\n\\té"'),
     ("\u202e\u00a0", '"\\u202e\\u00a0"'), ("\U000e0041", '"\\U000e0041"')],
)  # fmt: skip
def test_quoting_is_gos(text: str, quoted: str) -> None:
    assert go_quoted(text) == quoted


SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "string", "default": "zzz"},
        "o": {"type": "object", "properties": {"b": {"type": "integer", "default": 3}}},
        "l": {"type": "array", "items": {"type": "object", "properties": {"c": {"default": True}}}},
        "m": {"type": "object", "additionalProperties": {"type": "object", "properties": {"d": {"default": []}}}},
    },
}
TEMPLATE = {"spec": {"crd": {"spec": {"validation": {"openAPIV3Schema": SCHEMA}}}}}


@pytest.mark.parametrize(
    ("spec", "stored"),
    [
        ({}, {"enforcementAction": "deny"}),
        ({"enforcementAction": "warn", "parameters": {}}, {"enforcementAction": "warn", "parameters": {"a": "zzz"}}),
        ({"parameters": {"a": "x", "o": {}}}, {"enforcementAction": "deny", "parameters": {"a": "x", "o": {"b": 3}}}),
        (
            {"parameters": {"a": None, "l": [{}, {"c": False}], "m": {"k": {}}}},
            {
                "enforcementAction": "deny",
                "parameters": {"a": "zzz", "l": [{"c": True}, {"c": False}], "m": {"k": {"d": []}}},
            },
        ),
    ],
)
def test_defaults_fill_what_is_there(spec: dict[str, Any], stored: dict[str, Any]) -> None:
    given = {"metadata": {"name": "x"}, "spec": spec}
    assert with_defaults(given, TEMPLATE) == {"metadata": {"name": "x"}, "spec": stored}
    assert given["spec"] is spec
    assert "enforcementAction" not in spec or spec["enforcementAction"] == "warn"


def test_a_constraint_without_a_spec_stays_without() -> None:
    assert with_defaults({"metadata": {"name": "x"}}, TEMPLATE) == {"metadata": {"name": "x"}}

"""OPA's own language cases, read from its Go module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fleetgate import rego

from tests.differential import language
from tests.differential.language import Case, Evaluate, OracleEvaluator, Verdict
from tests.differential.oracle import Oracle, programs

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

CASES = 4427
OUTSIDE_LATER = 3782
RIGHT_AT_LEAST = 3740
NOT_BY_EVAL = {
    "baseandvirtualdocs/base/virtual: conflicts",
    "regoparsemodule/error",
    "time/time caching",
}
"""Cases that the oracle cannot answer through OPA's door for programs: OPA's own test goes around its checks, or adds a
built-in."""

WITH_BUILTIN_OF_OPAS_TEST = "time/time caching"
"""Calls ``test.sleep``, which no OPA has: both refuse it as undefined."""


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    with Oracle(programs("opa") / "opa") as running:
        yield running


@pytest.fixture(scope="module")
def cases(oracle: Oracle) -> list[Case]:
    return language.cases(oracle, language.directory())


def test_all_cases_are_read(cases: list[Case]) -> None:
    assert len(cases) == CASES
    assert sum(not case.later for case in cases) == OUTSIDE_LATER


def test_opa_itself_is_right(oracle: Oracle, cases: list[Case]) -> None:
    report = language.judge(OracleEvaluator(oracle), cases)
    assert {one.case.fields["note"] for one in report.of(Verdict.WRONG)} == NOT_BY_EVAL
    assert not report.of(Verdict.REFUSED)


def test_a_wrong_evaluator_is_found(oracle: Oracle, cases: list[Case]) -> None:
    right = OracleEvaluator(oracle)

    def drops_a_binding(query: str, modules: dict[str, str], **options: object) -> list[dict[str, object]]:
        return right(query, modules, **options)[1:]  # type: ignore[arg-type]

    def is_never_strict(query: str, modules: dict[str, str], **options: object) -> list[dict[str, object]]:
        return right(query, modules, **{**options, "strict_builtin_errors": False})  # type: ignore[arg-type]

    def says_another_code(query: str, modules: dict[str, str], **options: object) -> list[dict[str, object]]:
        try:
            return right(query, modules, **options)  # type: ignore[arg-type]
        except language.EvaluationError as error:
            raise language.EvaluationError("eval_other_error", error.message) from error

    with_error = [case for case in cases if "want_error_code" in case.fields and case.fields.get("strict_error")]
    with_result = [case for case in cases if case.fields.get("want_result") and "want_error" not in case.fields]
    assert len(wrong(drops_a_binding, with_result)) == len(with_result)
    assert len(wrong(says_another_code, with_error)) == len(with_error)
    assert len(wrong(is_never_strict, with_error)) > len(with_error) * 0.9


def wrong(evaluate: Evaluate, cases: list[Case]) -> list[language.Judged]:
    """Return what an evaluator answers wrongly."""
    return language.judge(evaluate, cases).of(Verdict.WRONG)


def test_fleetgate(cases: list[Case]) -> None:
    report = language.judge(language.FleetgateEvaluator(rego), cases)
    print("\n".join(report.lines()))
    wrong = [one for one in report.of(Verdict.WRONG) if one.case.fields["note"] != WITH_BUILTIN_OF_OPAS_TEST]
    assert [f"{one.case.title}: {one.reason}" for one in wrong] == []
    assert all(one.reason for one in report.of(Verdict.REFUSED))
    assert len(report.of(Verdict.RIGHT, later=False)) >= RIGHT_AT_LEAST

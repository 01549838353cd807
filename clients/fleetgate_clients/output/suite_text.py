"""Suites the way ``gator verify`` prints them, which is the way ``go test`` does.

One thing differs: a suite of which nothing ran is SKIP, where gator calls it ok.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .reports import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .reports import CaseReport, SuiteReport, TestReport
    from .terminal import Paint


def suite_lines(suites: Iterable[SuiteReport], *, verbose: bool, paint: Paint) -> Iterator[str]:
    """Yield lines without newlines: failures (``verbose``: everything), a line per suite, and how all of it ended."""
    outcomes = set()
    for suite in suites:
        outcomes.add(suite.outcome)
        for test in suite.tests:
            yield from _test_lines(test, verbose=verbose, paint=paint)
        if suite.outcome is Outcome.FAILED:
            yield f"{paint('FAIL', 'red')}\t{paint(suite.path)}\t{_duration(suite.seconds)}"
            yield from _problem_lines(suite.problem, 2, paint)
        else:
            word = paint("ok", "green") if suite.outcome is Outcome.PASSED else paint("SKIP", "yellow")
            yield f"{word}\t{paint(suite.path)}\t{_duration(suite.seconds)}"
    if Outcome.FAILED in outcomes:
        yield paint("FAIL", "red", "bold")
    elif Outcome.PASSED in outcomes:
        yield paint("PASS", "green", "bold")
    elif outcomes:
        yield paint("SKIP", "yellow", "bold")


def _test_lines(test: TestReport, *, verbose: bool, paint: Paint) -> Iterator[str]:
    if verbose:
        if test.outcome is Outcome.SKIPPED and not test.cases:
            yield f"=== SKIP  {paint(test.name)}"
            return
        yield f"=== RUN   {paint(test.name)}"
    for case in test.cases:
        yield from _case_lines(case, verbose=verbose, paint=paint)
    if test.outcome is Outcome.FAILED:
        yield f"{paint('--- FAIL:', 'red')} {paint(test.name)}\t({_duration(test.seconds)})"
        yield from _problem_lines(test.problem, 2, paint)
    elif verbose:
        yield f"{paint('--- PASS:', 'green')} {paint(test.name)}\t({_duration(test.seconds)})"


def _case_lines(case: CaseReport, *, verbose: bool, paint: Paint) -> Iterator[str]:
    if verbose:
        if case.outcome is Outcome.SKIPPED:
            yield f"    === SKIP  {paint(case.name)}"
            return
        yield f"    === RUN   {paint(case.name)}"
    if case.outcome is Outcome.FAILED:
        yield f"    {paint('--- FAIL:', 'red')} {paint(case.name)}\t({_duration(case.seconds)})"
        yield from _problem_lines(case.problem, 8, paint)
    elif verbose:
        yield f"    {paint('--- PASS:', 'green')} {paint(case.name)}\t({_duration(case.seconds)})"


def _problem_lines(problem: str, indent: int, paint: Paint) -> Iterator[str]:
    for line in problem.splitlines():
        yield " " * indent + paint(line)


def _duration(seconds: float) -> str:
    return f"{seconds:.3f}s"

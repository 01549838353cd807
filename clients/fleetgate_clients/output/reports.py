"""What a run of test suites found. The writers beside this module print it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a case, a test or a suite ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CaseReport:
    """One object against one Constraint. ``problem`` says why it failed, or what kept it from running."""

    name: str
    outcome: Outcome
    seconds: float = 0.0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class TestReport:
    """One ConstraintTemplate and Constraint with its cases. ``problem`` is of the test itself: then no case ran."""

    __test__ = False  # for pytest: not a test class

    name: str
    outcome: Outcome
    seconds: float = 0.0
    problem: str = ""
    cases: tuple[CaseReport, ...] = ()


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """One Suite file. ``problem`` is of the file: then no test ran."""

    path: str
    outcome: Outcome
    seconds: float = 0.0
    problem: str = ""
    tests: tuple[TestReport, ...] = ()

"""Run Suites: each case on an inventory of its own, each test on policies of its own."""

from __future__ import annotations

import os
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from fleetgate_clients.manifests.policy_files import only
from fleetgate_clients.output.reports import CaseReport, Outcome, SuiteReport, TestReport

from fleetgate.engine import EngineError, PolicyError

from .admission_review import AdmissionReviewError, is_admission_review, request_of
from .assertions import unmet
from .objects import KubernetesObject, ObjectError, objects_in, objects_of, read_bytes
from .reading import SuiteError, read_suite
from .reviewing import CLUSTER, FleetCluster, Reviewer, ReviewFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import Case, Suite, Test
    from .selection import Selection

SCHEMA_VIOLATION = "invalid_field"
"""Diagnostic code of a Constraint that the schema refuses. An unknown field is another one, as in Gatekeeper."""


class _ProblemError(Exception):
    """Why a test or a case could not be run, or failed."""


def run_files(files: Iterable[tuple[Path, str]], selection: Selection) -> list[SuiteReport]:
    """Run the Suites among (path, shown path) files, others left out. A Suite that does not parse is a failed one."""
    reports = []
    for path, shown in files:
        try:
            suite = read_suite(path, shown)
        except SuiteError as error:
            reports.append(SuiteReport(shown, Outcome.FAILED, problem=str(error)))
        else:
            if suite is not None:
                reports.append(run_suite(suite, selection))
    return reports


def run_suite(suite: Suite, selection: Selection) -> SuiteReport:
    """Run what ``selection`` takes of a Suite."""
    if suite.skip:
        return SuiteReport(suite.shown, Outcome.SKIPPED)
    started = perf_counter()
    tests = tuple(
        TestReport(test.name, Outcome.SKIPPED)
        if test.skip or not selection.takes_test(test)
        else _run_test(test, suite.path.parent, selection)
        for test in suite.tests
    )
    if any(test.outcome is Outcome.FAILED for test in tests):
        outcome = Outcome.FAILED
    else:
        outcome = Outcome.PASSED if any(map(_ran, tests)) else Outcome.SKIPPED
    return SuiteReport(suite.shown, outcome, perf_counter() - started, tests=tests)


def _ran(test: TestReport) -> bool:
    """Whether a case of the test ran, or the test itself where it has none."""
    cases = test.cases or (test,)
    return any(case.outcome is not Outcome.SKIPPED for case in cases)


def _run_test(test: Test, directory: Path, selection: Selection) -> TestReport:
    started = perf_counter()
    cases: tuple[CaseReport, ...] = ()
    problem = ""
    try:
        if test.invalid:
            _expect_refused(test, directory)
        else:
            reviewer = _load(test, directory)
            cases = tuple(
                CaseReport(case.name, Outcome.SKIPPED)
                if case.skip or not selection.takes_case(test, case)
                else _run_case(case, directory, reviewer)
                for case in test.cases
            )
    except _ProblemError as error:
        problem = str(error)
    failed = problem or any(case.outcome is Outcome.FAILED for case in cases)
    return TestReport(test.name, Outcome.FAILED if failed else Outcome.PASSED, perf_counter() - started, problem, cases)


def _run_case(case: Case, directory: Path, reviewer: Reviewer) -> CaseReport:
    started = perf_counter()
    try:
        problem = _check(case, directory, reviewer)
    except (_ProblemError, ObjectError, AdmissionReviewError, ReviewFailed, EngineError) as error:
        problem = str(error)
    return CaseReport(case.name, Outcome.FAILED if problem else Outcome.PASSED, perf_counter() - started, problem)


def _check(case: Case, directory: Path, reviewer: Reviewer) -> str:
    """Decide a case; return the first assertion that does not hold."""
    if not case.object:
        raise _ProblemError("invalid Case: must define object")
    if not case.assertions:
        raise _ProblemError("invalid Case: assertions must be non-empty")
    path = _within(directory, case.object)
    objects = objects_in(path)
    if len(objects) != 1:
        raise _ProblemError(
            f"object file must contain exactly one object: {str(path)!r} defines {len(objects)} objects"
        )
    reviewer.replace_fleet(_fleet(case, directory))
    if is_admission_review(objects[0].fields):
        found = reviewer.review_request(request_of(objects[0].fields))
    else:
        found = reviewer.review_object(objects[0].json)
    messages = [violation.message for violation in found]
    return next(filter(None, (unmet(assertion, messages) for assertion in case.assertions)), "")


def _fleet(case: Case, directory: Path) -> list[FleetCluster]:
    """The clusters of a case, that of the review first. Raises as :func:`objects_in`."""

    def objects(names: Iterable[str]) -> list[bytes]:
        return [item.json for name in names for item in objects_in(_within(directory, name))]

    if not case.clusters:
        return [FleetCluster(CLUSTER, objects=objects(case.inventory))]
    return [
        FleetCluster(
            cluster.name,
            cluster.labels,
            cluster.cluster_set,
            objects((*(case.inventory if cluster is case.clusters[0] else ()), *cluster.inventory)),
        )
        for cluster in case.clusters
    ]


def _load(test: Test, directory: Path) -> Reviewer:
    """Load a test's policies. Raises _ProblemError."""
    files = _policies(test, directory)
    try:
        return Reviewer(files)
    except PolicyError as error:
        template = [diagnostic for diagnostic in error.diagnostics if diagnostic.path == files[0][0]]
        doing = "adding template" if template else "adding constraint"
        raise _ProblemError("\n".join([f"{doing}:", *map(str, template or error.diagnostics)])) from error
    except EngineError as error:
        raise _ProblemError(str(error)) from error


def _expect_refused(test: Test, directory: Path) -> None:
    """Check that the template's schema refuses the Constraint. Raises _ProblemError where it does not."""
    files = _policies(test, directory)
    refused = "constraint should have failed schema validation"
    try:
        Reviewer(files)
    except PolicyError as error:
        of_constraint = files[1][0]
        if any((found.code, found.path) != (SCHEMA_VIOLATION, of_constraint) for found in error.diagnostics):
            raise _ProblemError(f"{refused}, but:\n{error}") from error
        return
    except EngineError as error:
        raise _ProblemError(str(error)) from error
    raise _ProblemError(f"{refused}, but it is valid")


def _policies(test: Test, directory: Path) -> list[tuple[str, bytes]]:
    """Read a test's template and Constraint, the first document of either file, as gator. Raises _ProblemError."""
    if test.expansion:
        raise _ProblemError(
            f"expansion is not supported yet: {test.expansion!r} would be ignored and the verdict be wrong; "
            "set skip: true on this test"
        )
    if not test.template:
        raise _ProblemError("invalid Suite: missing template")
    if not test.constraint:
        raise _ProblemError("invalid Suite: missing constraint")
    template = _first(_within(directory, test.template))
    constraint = _first(_within(directory, test.constraint))
    if not template[0].is_template:
        raise _ProblemError(f"{template[0].place}: not a ConstraintTemplate")
    if not constraint[0].is_constraint:
        raise _ProblemError(f"{constraint[0].place}: not a Constraint")
    return [template[1], constraint[1]]


def _first(path: Path) -> tuple[KubernetesObject, tuple[str, bytes]]:
    try:
        data = read_bytes(path)
        objects = objects_of(str(path), data)
    except (ObjectError, EngineError) as error:
        raise _ProblemError(str(error)) from error
    if not objects:
        raise _ProblemError(f"missing objects: path {str(path)!r} defines no YAML objects")
    return objects[0], only(data, objects, lambda item: item is objects[0])[0]


def _within(directory: Path, name: str) -> Path:
    # Like Go's path.Join: `..` is resolved by name, and an absolute path stays below the Suite's directory.
    return Path(os.path.normpath(f"{directory}/{name}"))

"""The writers of test reports."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from fleetgate_clients.output.junit import junit_text
from fleetgate_clients.output.reports import CaseReport, Outcome, SuiteReport, TestReport
from fleetgate_clients.output.suite_text import suite_lines
from fleetgate_clients.output.tap import tap_text
from fleetgate_clients.output.terminal import Paint

SUITES = [
    SuiteReport(
        "policies/a/suite.yaml",
        Outcome.FAILED,
        0.0521,
        tests=(
            TestReport(
                "labels",
                Outcome.FAILED,
                0.05,
                cases=(
                    CaseReport("allowed", Outcome.PASSED, 0.011),
                    CaseReport("denied #1", Outcome.FAILED, 0.02, "got 0 violations <none>\nbut \x1b[31m want 1"),
                    CaseReport("later", Outcome.SKIPPED),
                ),
            ),
            TestReport("broken", Outcome.FAILED, 0.001, "adding template: a.yaml:3:1: no"),
            TestReport("not now", Outcome.SKIPPED),
        ),
    ),
    SuiteReport("policies/b/suite.yaml", Outcome.SKIPPED),
    SuiteReport("policies/c/suite.yaml", Outcome.FAILED, problem="policies/c/suite.yaml:2:1: tests: must be a list"),
]


def test_text_is_gators() -> None:
    lines = list(suite_lines(SUITES, verbose=False, paint=Paint(enabled=False)))
    assert lines == [
        "    --- FAIL: denied #1\t(0.020s)",
        "        got 0 violations <none>",
        "        but \\x1b[31m want 1",
        "--- FAIL: labels\t(0.050s)",
        "--- FAIL: broken\t(0.001s)",
        "  adding template: a.yaml:3:1: no",
        "FAIL\tpolicies/a/suite.yaml\t0.052s",
        "SKIP\tpolicies/b/suite.yaml\t0.000s",
        "FAIL\tpolicies/c/suite.yaml\t0.000s",
        "  policies/c/suite.yaml:2:1: tests: must be a list",
        "FAIL",
    ]


def test_verbose_text_names_what_ran_and_what_did_not() -> None:
    lines = list(suite_lines(SUITES[:1], verbose=True, paint=Paint(enabled=False)))
    assert lines[:3] == ["=== RUN   labels", "    === RUN   allowed", "    --- PASS: allowed\t(0.011s)"]
    assert "    === SKIP  later" in lines
    assert "=== SKIP  not now" in lines


def test_passing_text_ends_with_pass() -> None:
    passing = SuiteReport("s.yaml", Outcome.PASSED, 0.5)
    assert list(suite_lines([passing], verbose=False, paint=Paint(enabled=False))) == ["ok\ts.yaml\t0.500s", "PASS"]


def test_text_calls_nothing_passed_where_nothing_ran() -> None:
    skipped = SuiteReport("s.yaml", Outcome.SKIPPED)
    assert list(suite_lines([skipped], verbose=False, paint=Paint(enabled=False))) == ["SKIP\ts.yaml\t0.000s", "SKIP"]
    assert list(suite_lines([], verbose=False, paint=Paint(enabled=False))) == []


def test_junit_counts_and_keeps_every_message() -> None:
    root = ET.fromstring(junit_text(SUITES))  # noqa: S314 (our own output)
    assert root.tag == "testsuites"
    assert {key: root.get(key) for key in ("tests", "failures", "skipped")} == {
        "tests": "7",
        "failures": "3",
        "skipped": "3",
    }
    failure = root.find(".//testcase[@name='denied #1']/failure")
    assert failure is not None
    assert failure.get("message") == "got 0 violations <none>"
    assert failure.text == "got 0 violations <none>\nbut \\x1b[31m want 1"
    case = root.find(".//testcase[@name='allowed']")
    assert case is not None
    assert case.get("classname") == "policies/a/suite.yaml/labels"
    assert case.get("time") == "0.011"


def test_tap_numbers_every_point_and_escapes_directives() -> None:
    lines = tap_text(SUITES).splitlines()
    assert lines[:2] == ["TAP version 14", "1..7"]
    points = [line for line in lines if line.startswith(("ok", "not ok"))]
    assert points == [
        "ok 1 - policies/a/suite.yaml: labels: allowed",
        "not ok 2 - policies/a/suite.yaml: labels: denied \\#1",
        "ok 3 - policies/a/suite.yaml: labels: later # SKIP",
        "not ok 4 - policies/a/suite.yaml: broken",
        "ok 5 - policies/a/suite.yaml: not now # SKIP",
        "ok 6 - policies/b/suite.yaml # SKIP",
        "not ok 7 - policies/c/suite.yaml",
    ]
    assert "    but \\x1b[31m want 1" in lines

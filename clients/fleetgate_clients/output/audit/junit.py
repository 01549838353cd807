"""The report as JUnit XML: a ``testsuite`` per cluster; a ``testcase`` per violation, and per Constraint without any.

A violation that denies is a failure; one that only warns, or that the baseline knows, is skipped; what was not looked
at or not judged is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from fleetgate_clients.audit.report import Effect
from fleetgate_clients.output.xml_text import xml_lines, xml_text

from .summary import rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleetgate_clients.audit.report import Cluster, Problem, Report, Violation

    from .summary import Row


def junit_text(report: Report) -> str:
    """Return the XML document."""
    root = ET.Element("testsuites", name="fleetgate audit")
    found = rows(report)
    names = dict.fromkeys(
        [
            *(cluster.name for cluster in report.clusters),
            *(row.cluster for row in found),
            *(problem.object.cluster for problem in report.errors),
        ]
    )
    clusters = {cluster.name: cluster for cluster in report.clusters}
    for name in names:
        suite = ET.SubElement(root, "testsuite", name=xml_text(name))
        if report.run.started_at:
            # The schema's timestamps have whole seconds and no zone.
            suite.set("timestamp", report.run.started_at[:19])
        _completeness(suite, clusters.get(name), report)
        _passed(suite, [row for row in found if row.cluster == name and not row.violations])
        for violation in report.violations:
            if violation.object.cluster == name:
                _violation(suite, violation)
        for problem in report.errors:
            if problem.object.cluster == name:
                _problem(suite, problem)
        _count(suite)
    if not names and report.reason:
        suite = ET.SubElement(root, "testsuite", name="audit")
        _completeness(suite, None, report)
        _count(suite)
    for attribute in ("tests", "failures", "errors"):
        root.set(attribute, str(sum(int(suite.get(attribute, "0")) for suite in root)))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, class_name: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=xml_text(class_name), name=xml_text(name))


def _completeness(suite: ET.Element, cluster: Cluster | None, report: Report) -> None:
    """One case: that everything was looked at."""
    reasons = [report.reason] if report.reason else []
    if cluster is not None:
        reasons += [] if cluster.complete else [cluster.reason or "not all was looked at"]
        reasons += [f"not reviewed: {kind}: {kind.reason}" for kind in cluster.not_audited]
    case = _case(suite, "audit", "everything was looked at")
    if reasons and not (cluster is not None and cluster.complete and not report.reason):
        ET.SubElement(case, "error", type="incomplete", message=xml_text(reasons[0])).text = xml_lines(
            "\n".join(reasons)
        )


def _passed(suite: ET.Element, those: Iterable[Row]) -> None:
    for row in those:
        if row.result is None or not row.result.errors:
            _case(suite, str(row.constraint), "no violations")


def _violation(suite: ET.Element, violation: Violation) -> None:
    case = _case(suite, str(violation.constraint), str(violation.object))
    message, effect = xml_text(violation.message), violation.effect
    if violation.known:
        ET.SubElement(case, "skipped", type="known", message=message)
    elif effect is Effect.DENY:
        ET.SubElement(case, "failure", type="deny", message=message).text = xml_lines(violation.message)
    else:
        ET.SubElement(case, "skipped", type=effect.value, message=message)


def _problem(suite: ET.Element, problem: Problem) -> None:
    by = str(problem.constraint) if problem.constraint else "review"
    case = _case(suite, by, str(problem.object))
    ET.SubElement(case, "error", type=xml_text(problem.reason), message=xml_text(problem.message))


def _count(suite: ET.Element) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))

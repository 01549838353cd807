"""JUnit XML, in the form that CI systems read: one ``testsuite`` per Suite file, one ``testcase`` per case."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from .reports import Outcome
from .xml_text import xml_lines, xml_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .reports import SuiteReport


def junit_text(suites: Sequence[SuiteReport]) -> str:
    """Return the XML document. A suite or test that did not get as far as its cases is one failed ``testcase``."""
    root = ET.Element("testsuites", name="fleetgate verify")
    for suite in suites:
        element = ET.SubElement(root, "testsuite", name=xml_text(suite.path), time=f"{suite.seconds:.3f}")
        counts = dict.fromkeys(Outcome, 0)
        for test, name, outcome, seconds, problem in flat_cases(suite):
            counts[outcome] += 1
            case = ET.SubElement(
                element,
                "testcase",
                classname=xml_text(f"{suite.path}/{test}" if test else suite.path),
                name=xml_text(name),
                time=f"{seconds:.3f}",
            )
            if outcome is Outcome.FAILED:
                failure = ET.SubElement(case, "failure", message=xml_text(problem.partition("\n")[0]))
                failure.text = xml_lines(problem)
            elif outcome is Outcome.SKIPPED:
                ET.SubElement(case, "skipped")
        element.set("tests", str(sum(counts.values())))
        element.set("failures", str(counts[Outcome.FAILED]))
        element.set("skipped", str(counts[Outcome.SKIPPED]))
    for attribute in ("tests", "failures", "skipped"):
        root.set(attribute, str(sum(int(element.get(attribute, "0")) for element in root)))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def flat_cases(suite: SuiteReport) -> Iterator[tuple[str, str, Outcome, float, str]]:
    """Yield (test, case, outcome, seconds, problem); what has no cases stands for itself."""
    if suite.problem or (suite.outcome is Outcome.SKIPPED and not suite.tests):
        yield "", suite.path, suite.outcome, suite.seconds, suite.problem
    for test in suite.tests:
        if not test.cases:
            yield "", test.name, test.outcome, test.seconds, test.problem
        for case in test.cases:
            yield test.name, case.name, case.outcome, case.seconds, case.problem

"""Each output of an audit: what it says, what it validates against, and that nothing hostile gets through it.

The tables are compared with files in ``tests/data/audit``; ``UPDATE_GOLDEN=1`` writes them anew, to be read before they
are committed.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import xmlschema
import yaml
from fleetgate_clients.audit.document import from_json
from fleetgate_clients.audit.report import Place, Report
from fleetgate_clients.cli import build_app
from fleetgate_clients.output.audit import Format, Look, write
from fleetgate_clients.output.audit.policy_reports import _name
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.support import audit_runs as runs
from tests.support.audit_reports import REPORTS

DATA = Path(__file__).parents[1] / "data"
JUNIT = xmlschema.XMLSchema(str(DATA / "schemas/junit.xsd"))
PIPE = Look()
STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}

EVERYTHING = runs.report(
    before=1,
    errors=tuple(runs.unanswered("stage", "default", "deep")),
    incomplete={"stage": "unreachable: no answer within 5s"},
)


def text_of(report: Report, wanted: Format, look: Look = PIPE) -> str:
    return "".join(write(report, wanted, look))


# --- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", Format)
@pytest.mark.parametrize("name", REPORTS)
def test_no_output_can_steer_a_terminal(wanted: Format, name: str) -> None:
    text = text_of(REPORTS[name], wanted)
    assert text.endswith("\n")
    steering = {char for char in text if unicodedata.category(char) in STEERING}
    assert steering <= {"\n"}


@pytest.mark.parametrize("wanted", Format)
@pytest.mark.parametrize("name", REPORTS)
def test_convert_writes_the_same_bytes(wanted: Format, name: str, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(text_of(REPORTS[name], Format.JSON))
    done = CliRunner().invoke(build_app(), ["convert", str(file), "-o", wanted.value, "--color=never"])
    assert done.exit_code == 0, done.output
    assert done.stdout == text_of(REPORTS[name], wanted)


def test_convert_refuses_what_is_no_report(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text('{"kind": "\\u001b[2J"}')
    done = CliRunner().invoke(build_app(), ["convert", str(file)])
    assert (done.exit_code, "AuditReport" in done.stderr, "\x1b" in done.stderr) == (2, True, False)
    gone = CliRunner().invoke(build_app(), ["convert", str(tmp_path / "gone.json")])
    assert (gone.exit_code, "No such file" in gone.stderr) == (2, True)


@pytest.mark.parametrize("wanted", sorted(set(Format) - {Format.JSON, Format.JSONL, Format.YAML}))
def test_what_was_not_seen_is_in_every_output(wanted: Format) -> None:
    text = text_of(REPORTS["incomplete"], wanted)
    assert "unreachable: no answer within 5s" in text
    assert "Secrets are never read" in text
    assert "time budget of 100 ms is spent" in text_of(REPORTS["not judged"], wanted)


# --- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("wanted", [Format.TABLE, Format.WIDE])
def test_tables_at_each_width(wanted: Format, width: int) -> None:
    text = text_of(EVERYTHING, wanted, Look(width))
    golden = DATA / f"audit/{wanted}-{width}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()
    assert max(map(len, text.splitlines())) <= width
    for name in ("AllowedRegistries/ours-only", "v1/Pod team-a/web-7d9c6f5b8-x2x4v"):
        assert name in text


def test_colour_adds_nothing_but_colour() -> None:
    plain, colored = (text_of(EVERYTHING, Format.TABLE, Look(120, color)) for color in (False, True))
    assert "\x1b[31;1mdeny\x1b[0m" in colored
    bare = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert [line.rstrip() for line in bare.splitlines()] == plain.splitlines()


def test_a_table_in_a_pipe_is_not_wrapped() -> None:
    lines = text_of(EVERYTHING, Format.TABLE).splitlines()
    assert f"  deny  AllowedRegistries/ours-only  {runs.MESSAGE}" in lines


def test_the_trend_says_more_less_or_the_same() -> None:
    rows = [line.split() for line in text_of(REPORTS["trend"], Format.WIDE).splitlines() if "/" in line]
    trends = {(row[0], row[1]): row[4] for row in rows if len(row) > 7 and row[0] in ("prod-eu1", "stage")}
    assert trends["prod-eu1", "AllowedRegistries/ours-only"] == "="
    assert trends["stage", "RequiredLimits/memory"] == "-1"


def test_a_table_with_a_baseline_shows_what_is_new() -> None:
    text = text_of(REPORTS["baseline"], Format.TABLE)
    assert "host web.example is taken" in text
    assert "docker.io" not in text
    assert "1 new, 5 known by the baseline, 0 fixed since" in text
    assert "docker.io" in text_of(REPORTS["baseline"], Format.WIDE)


# --- documents -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REPORTS)
def test_yaml_holds_what_json_holds(name: str) -> None:
    assert yaml.safe_load(text_of(REPORTS[name], Format.YAML)) == json.loads(text_of(REPORTS[name], Format.JSON))


def test_csv_has_a_row_for_everything_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(text_of(EVERYTHING, Format.CSV))))
    assert [row["type"] for row in rows] == [*["violation"] * 6, "error", "error", "incomplete"]
    assert rows[0]["message"] == "host web.example is taken by team-b/web"
    assert rows[5]["name"] == "'=cmd"
    assert json.loads(rows[1]["details"])["count"] == 12345678901234567890


@given(st.text())
def test_no_cell_of_csv_is_a_formula(text: str) -> None:
    found = runs.violation("c", runs.POD, "n", "x", runs.LABELS, text)
    (row,) = csv.DictReader(io.StringIO(text_of(runs.report(violations=(found,)), Format.CSV)))
    assert not row["message"].lstrip().startswith(("=", "+", "-", "@", "\t", "\r"))


# --- JUnit -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REPORTS)
def test_junit_is_valid_and_counts_itself(name: str) -> None:
    text = text_of(REPORTS[name], Format.JUNIT)
    JUNIT.validate(text)
    root = ET.fromstring(text)  # noqa: S314 (our own)
    for attribute, tag in (("tests", "testcase"), ("failures", "testcase/failure"), ("errors", "testcase/error")):
        assert [int(suite.get(attribute, "")) for suite in root] == [len(suite.findall(tag)) for suite in root]
        assert int(root.get(attribute, "")) == len(root.findall(f"testsuite/{tag}"))


def test_junit_fails_what_denies_and_skips_what_does_not() -> None:
    root = ET.fromstring(text_of(REPORTS["ordinary"], Format.JUNIT))  # noqa: S314
    assert [case.get("classname") for case in root.iter("testcase") if case.find("failure") is not None] == [
        "K8sUniqueIngressHost/unique",
        "AllowedRegistries/ours-only",
        "ScopedPolicy/odd",
    ]
    known = ET.fromstring(text_of(REPORTS["baseline"], Format.JUNIT))  # noqa: S314
    assert [skipped.get("type") for skipped in known.iter("skipped")] == ["known"] * 5


@given(st.text())
def test_junit_can_hold_any_message(text: str) -> None:
    found = runs.violation("c", runs.POD, "n", text or "x", runs.HOSTS, text)
    JUNIT.validate(text_of(runs.report(violations=(found,)), Format.JUNIT))


# --- SARIF -----------------------------------------------------------------------------------------------------------


def sarif_run(report: Report) -> dict[str, Any]:
    (run,) = json.loads(text_of(report, Format.SARIF))["runs"]
    return run


def test_sarif_names_rules_levels_and_objects() -> None:
    run = sarif_run(REPORTS["ordinary"])
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == sorted(rules)
    result = run["results"][1]
    assert (rules[result["ruleIndex"]], result["level"]) == ("AllowedRegistries/ours-only", "error")
    location = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location == {"uri": "prod-eu1/Pod/team-a/web-7d9c6f5b8-x2x4v", "uriBaseId": "FLEET"}
    assert [result["level"] for result in run["results"]] == ["error", "error", "warning", "note", "warning", "error"]
    assert run["invocations"][0]["executionSuccessful"]
    assert not sarif_run(REPORTS["incomplete"])["invocations"][0]["executionSuccessful"]


def test_sarif_says_where_an_object_of_a_file_stands() -> None:
    physical = sarif_run(REPORTS["files"])["results"][3]["locations"][0]["physicalLocation"]
    assert physical == {"artifactLocation": {"uri": "manifests/batch.yaml"}, "region": {"startLine": 12}}


def test_the_worst_of_an_object_comes_first() -> None:
    found = tuple(
        runs.violation("stage", runs.POD, "n", "a", one, "no") for one in (runs.LIMITS, runs.LABELS, runs.HOSTS)
    )
    lines = text_of(runs.report(violations=found), Format.TABLE).splitlines()
    head = lines.index("stage  v1/Pod n/a")
    assert [line.split()[0] for line in lines[head + 1 : head + 4]] == ["deny", "warn", "dryrun"]


BATCH = ("", "Pod", "team-b", "batch")


def test_an_object_of_terraform_stands_in_the_plan() -> None:
    report = runs.report(places={BATCH: Place("plan.json", 1, 'kubernetes_manifest.batch["a"]')})
    result = sarif_run(report)["results"][3]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "plan.json"}
    sentence = 'v1/Pod team-b/batch (kubernetes_manifest.batch["a"]): container <job> has no memory limit'
    assert sentence in result["message"]["text"]
    (line,) = [line for line in text_of(report, Format.GITHUB).splitlines() if "team-b/batch" in line]
    assert "file=plan.json,line=1," in line
    assert sentence in line
    assert 'plan.json[kubernetes_manifest.batch["a"]]:1' in text_of(report, Format.TABLE)
    assert from_json(text_of(report, Format.JSON)) == report


def test_an_object_of_standard_input_stands_in_no_file() -> None:
    report = runs.report(places={BATCH: Place("<stdin>", 7)})
    location = sarif_run(report)["results"][3]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": "prod-eu1/Pod/team-b/batch", "uriBaseId": "FLEET"}
    assert "file=" not in text_of(report, Format.GITHUB)


def test_sarif_knows_what_is_new_and_fingerprints_stay() -> None:
    before, after = sarif_run(REPORTS["ordinary"])["results"], sarif_run(REPORTS["baseline"])["results"]
    assert [result["baselineState"] for result in after] == ["new", *["unchanged"] * 5]
    fingerprints = [result["partialFingerprints"] for result in before]
    assert fingerprints == [result["partialFingerprints"] for result in after]
    assert len({json.dumps(fingerprint) for fingerprint in fingerprints}) == len(fingerprints)


# --- objects of Kubernetes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "api_version", "kinds"),
    [
        (Format.POLICYREPORT, "wgpolicyk8s.io/v1alpha2", {"PolicyReport", "ClusterPolicyReport"}),
        (Format.OPENREPORTS, "openreports.io/v1alpha1", {"Report", "ClusterReport"}),
    ],
)
def test_policy_reports_are_one_per_cluster_and_namespace(wanted: Format, api_version: str, kinds: set[str]) -> None:
    text = text_of(REPORTS["ordinary"], wanted)
    objects = list(yaml.safe_load_all(text))
    assert {(found["apiVersion"]) for found in objects} == {api_version}
    assert {found["kind"] for found in objects} == kinds
    keys = [(found["metadata"].get("namespace"), found["metadata"]["name"]) for found in objects]
    assert len(set(keys)) == len(keys)
    assert sum(found["summary"]["fail"] for found in objects) == 3
    assert sum(len(found["results"]) for found in objects) == 6
    assert "&id" not in text  # kubectl reads anchors, people do not


def test_a_long_policy_report_is_split() -> None:
    many = tuple(runs.violation("a", runs.POD, "n", f"p{index}", runs.HOSTS, "no") for index in range(1_001))
    objects = [
        found
        for found in yaml.load_all(text_of(runs.report(violations=many), Format.POLICYREPORT), yaml.CSafeLoader)
        if found["metadata"].get("namespace") == "n"
    ]
    assert [len(found["results"]) for found in objects] == [500, 500, 1]
    assert [found["metadata"]["name"] for found in objects] == [
        "fleetgate-audit-a",
        "fleetgate-audit-a-2",
        "fleetgate-audit-a-3",
    ]


@given(st.text(min_size=1))
def test_the_name_of_a_policy_report_is_one_that_kubernetes_takes(cluster: str) -> None:
    name = _name(cluster, 12)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", name)
    assert len(name) <= 253


# --- workflow commands -----------------------------------------------------------------------------------------------


def test_annotations_come_worst_first_and_leave_out_what_is_known() -> None:
    lines = text_of(REPORTS["files"], Format.GITHUB).splitlines()
    assert [line.partition(" ")[0] for line in lines] == [
        *["::error"] * 3,
        *["::warning"] * 2,
        *["::notice"] * 2,
    ]
    assert "file=manifests/batch.yaml,line=12,title=RequiredLimits/memory" in lines[5]
    assert len(text_of(REPORTS["baseline"], Format.GITHUB).splitlines()) == 2


# --- HTML ------------------------------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """Which elements and attributes a page has, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("name", REPORTS)
def test_html_needs_nothing_from_elsewhere(name: str) -> None:
    page = _Page(text_of(REPORTS[name], Format.HTML))
    links = [value or "" for key, value in page.attributes if key in {"src", "href", "action"}]
    assert all(link.startswith("#") or link == "data:," for link in links)
    assert not [key for key, _ in page.attributes if key.startswith("on") or key == "style"]
    assert page.tags.count("script") == page.tags.count("style") == 1


def test_html_shows_hostile_text_as_text() -> None:
    page = _Page(text_of(REPORTS["ordinary"], Format.HTML))
    assert "b" not in page.tags
    assert any("<b>\\x1b[31mred\\x07</b>" in words for words in page.words)


@given(st.text())
def test_html_makes_no_element_of_any_text(text: str) -> None:
    found = runs.violation(text or "c", runs.POD, text, text, runs.HOSTS, text, details={text: text}, owner=text)
    plain = runs.violation("c", runs.POD, "n", "x", runs.HOSTS, "m", details={"a": "b"}, owner="o")
    pages = [_Page(text_of(runs.report(violations=(item,)), Format.HTML)) for item in (found, plain)]
    inert = {"th", "td", "option", "tr", "a", "span", "small", "br"}
    assert {tag for tag in pages[0].tags if tag not in inert} == {tag for tag in pages[1].tags if tag not in inert}


def test_a_report_that_was_read_gives_the_same_page() -> None:
    report = REPORTS["trend"]
    assert text_of(from_json(text_of(report, Format.JSON)), Format.HTML) == text_of(report, Format.HTML)

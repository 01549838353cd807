"""Findings as text, workflow commands and SARIF."""

from __future__ import annotations

import json

from fleetgate_clients.output.findings import Finding, Findings, Rule, Severity
from fleetgate_clients.output.findings_text import findings_lines
from fleetgate_clients.output.sarif import sarif_text
from fleetgate_clients.output.terminal import Paint
from fleetgate_clients.output.workflow_commands import workflow_command_lines

UNSCOPED = Rule("FG101", "unscoped-match", Severity.WARNING, "matches everything", "# FG101 unscoped-match\n")
SYNTAX = Rule("FG001", "syntax-error", Severity.ERROR, "no YAML")
DENIES = Rule("FG113", "deny-on-first-use", Severity.INFO, "denies")

SOURCE = "kind: A\nspec:\n  match: {}\n"
FOUND = Findings(
    (
        Finding(SYNTAX, "bad\x1b[31m", "b c.yaml"),
        Finding(UNSCOPED, "every kind", "a.yaml", 3, 10, "spec.match", "list the kinds"),
        Finding(DENIES, "denies, 100% of it", "a.yaml", 9, 0),
    ),
    templates=1,
    constraints=2,
    hidden=4,
    sources={"a.yaml": SOURCE},
)


def lines(findings: Findings, *, color: bool = False) -> list[str]:
    return list(findings_lines(findings, Paint(color)))


def test_text_shows_place_line_caret_and_hint() -> None:
    assert lines(FOUND) == [
        "b c.yaml: error[FG001] bad\\x1b[31m",
        "a.yaml:3:10: warning[FG101] every kind",
        "  3 |   match: {}",
        "    |          ^",
        "    = hint: list the kinds",
        "a.yaml:9: info[FG113] denies, 100% of it",
        "1 error, 1 warning, 1 info in 1 template, 2 constraints (4 less severe)",
    ]


def test_text_is_coloured_on_request_and_says_the_same() -> None:
    colored = "\n".join(lines(FOUND, color=True))
    assert "\x1b[33;1mwarning[FG101]\x1b[0m" in colored
    for code in ("1", "2", "31;1", "33;1", "36;1", "31", "33", "0"):
        colored = colored.replace(f"\x1b[{code}m", "")
    assert colored.splitlines() == lines(FOUND)


def test_text_cuts_long_lines_around_the_caret() -> None:
    long = Finding(UNSCOPED, "here", "a.yaml", 1, 501)
    shown = lines(Findings((long,), 1, 1, sources={"a.yaml": "x" * 500 + "Y" + "x" * 500}))
    assert len(shown[1]) < 170
    assert shown[1][shown[2].index("^")] == "Y"


def test_text_of_nothing() -> None:
    assert lines(Findings((), 3, 1)) == ["ok: 3 templates, 1 constraint, nothing found"]


def test_workflow_commands_escape_what_has_a_meaning() -> None:
    assert list(workflow_command_lines(FOUND)) == [
        "::error file=b c.yaml,title=FG001 syntax-error::bad\\x1b[31m",
        "::warning file=a.yaml,line=3,col=10,title=FG101 unscoped-match::every kind%0Alist the kinds",
        "::notice file=a.yaml,line=9,title=FG113 deny-on-first-use::denies, 100%25 of it",
    ]
    odd = Finding(UNSCOPED, "a\n::error::b", "x:y,z.yaml", 1, 1)
    (line,) = workflow_command_lines(Findings((odd,), 1, 1))
    assert line == "::warning file=x%3Ay%2Cz.yaml,line=1,col=1,title=FG101 unscoped-match::a%0A::error::b"


def test_sarif_names_rules_places_and_levels() -> None:
    log = json.loads(sarif_text(FOUND, [SYNTAX, UNSCOPED, DENIES], "0.1.0"))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [(rule["id"], rule["name"]) for rule in rules] == [
        ("FG001", "SyntaxError"),
        ("FG101", "UnscopedMatch"),
        ("FG113", "DenyOnFirstUse"),
    ]
    assert rules[1]["help"]["markdown"] == UNSCOPED.page
    results = run["results"]
    assert [(result["ruleId"], result["ruleIndex"], result["level"]) for result in results] == [
        ("FG001", 0, "error"),
        ("FG101", 1, "warning"),
        ("FG113", 2, "note"),
    ]
    places = [result["locations"][0]["physicalLocation"] for result in results]
    assert places == [
        {"artifactLocation": {"uri": "b%20c.yaml"}},
        {"artifactLocation": {"uri": "a.yaml"}, "region": {"startLine": 3, "startColumn": 10}},
        {"artifactLocation": {"uri": "a.yaml"}, "region": {"startLine": 9}},
    ]
    assert results[1]["message"]["text"] == "every kind. list the kinds"


def test_sarif_uris_are_uris() -> None:
    paths = ["/abs/a b.yaml", "a:b.yaml", "dir/x#y.yaml"]
    findings = Findings(tuple(Finding(UNSCOPED, "m", path) for path in paths), 1, 1)
    results = json.loads(sarif_text(findings, [UNSCOPED], "1"))["runs"][0]["results"]
    uris = [result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in results]
    assert uris == ["file:///abs/a%20b.yaml", "a%3Ab.yaml", "dir/x%23y.yaml"]

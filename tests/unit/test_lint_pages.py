"""Every code has a page, every page a code, and the index lists them all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fleetgate.linting.rules import all_rules, find_rule

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "service" / "fleetgate" / "linting" / "pages"


def test_every_page_has_a_code() -> None:
    assert sorted(page.stem for page in PAGES.iterdir()) == list(all_rules())
    assert (ROOT / "docs" / "lint").resolve() == PAGES


@pytest.mark.parametrize("code", list(all_rules()))
def test_a_page_says_what_the_code_is(code: str) -> None:
    rule = all_rules()[code]
    heading, _, severity, _, *text = rule.page.splitlines()
    assert heading == f"# {code} {rule.name}"
    assert severity == f"Severity: {rule.severity}"
    assert len(" ".join(text)) > 150
    assert rule.page.count("```") % 2 == 0
    for link in re.findall(r"\]\((FG\d+)\.md\)", rule.page):
        assert link in all_rules()


def test_the_index_is_the_list_of_codes() -> None:
    index = (ROOT / "docs" / "lint.md").read_text()
    rows = re.findall(r"^\| \[(FG\d+)\]\((\S+)\) \| (\S+) \| (\S+) \| (.+) \|$", index, re.MULTILINE)
    expected = [
        (rule.code, f"../service/fleetgate/linting/pages/{rule.code}.md", rule.name, str(rule.severity), rule.summary)
        for rule in all_rules().values()
    ]
    assert rows == expected


def test_rules_are_found_by_code_and_name() -> None:
    assert find_rule("fg101") is find_rule("unscoped-match") is all_rules()["FG101"]
    assert find_rule("FG999") is None

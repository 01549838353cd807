"""The codes of the linter and the pages that explain them."""

from __future__ import annotations

from functools import cache
from importlib import resources

from fleetgate_clients.output.findings import Rule, Severity

from fleetgate.engine import lint_rules

_PAGES = "pages"
"""The directory of pages in this package; ``docs/lint`` of the source tree is a link to it."""


@cache
def all_rules() -> dict[str, Rule]:
    """Every rule by its code, sorted by it."""
    return {
        rule.code: Rule(rule.code, rule.name, Severity[rule.severity.upper()], rule.summary, _page(rule.code))
        for rule in lint_rules()
    }


def find_rule(text: str) -> Rule | None:
    """The rule of a code or name, in any case."""
    wanted = text.strip().lower()
    return next((rule for rule in all_rules().values() if wanted in (rule.code.lower(), rule.name)), None)


def _page(code: str) -> str:
    return resources.files(__package__).joinpath(_PAGES, f"{code}.md").read_text(encoding="utf-8")

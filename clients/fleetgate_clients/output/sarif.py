"""Findings as SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/), which code scanning reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .documents import json_text
from .findings import Finding, Findings, Rule, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
"""Where the published schema is."""
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def sarif_text(findings: Findings, rules: Sequence[Rule], version: str) -> str:
    """Return the log, newline-terminated. ``rules`` are all that the tool has, ``version`` is the tool's."""
    positions = {rule.code: position for position, rule in enumerate(rules)}
    driver = {
        "name": "fleetgate",
        "semanticVersion": version,
        "rules": [_descriptor(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, positions[finding.rule.code]) for finding in findings.shown],
    }
    return json_text({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _descriptor(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": "".join(part.capitalize() for part in rule.name.split("-")),
        "shortDescription": {"text": rule.summary},
        "help": {"text": rule.page or rule.summary, "markdown": rule.page or rule.summary},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Finding, position: int) -> dict[str, Any]:
    text = f"{finding.message}. {finding.hint}" if finding.hint else finding.message
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri(finding.path)}}
    if finding.line:
        physical["region"] = {"startLine": finding.line, **({"startColumn": finding.column} if finding.column else {})}
    return {
        "ruleId": finding.rule.code,
        "ruleIndex": position,
        "level": _LEVELS[finding.rule.severity],
        "message": {"text": text},
        "locations": [{"physicalLocation": physical}],
    }


def uri(path: str) -> str:
    """Return an absolute path as a file URI, another one as a relative reference."""
    if Path(path).is_absolute():
        return Path(path).as_uri()
    # A colon is quoted too: what stands before it would read as a scheme.
    return quote(Path(path).as_posix())

"""Findings as JSON, for programs. Fields are added to and never renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetgate_clients.output.documents import json_text
from fleetgate_clients.output.findings import Finding, Findings, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping


def json_report(findings: Findings) -> str:
    """Return ``{"findings": […], "summary": {…}}``, newline-terminated."""
    summary: Mapping[str, int] = {
        "templates": findings.templates,
        "constraints": findings.constraints,
        "errors": findings.count(Severity.ERROR),
        "warnings": findings.count(Severity.WARNING),
        "infos": findings.count(Severity.INFO),
        "hidden": findings.hidden,
    }
    return json_text({"findings": [_entry(finding) for finding in findings.shown], "summary": summary})


def _entry(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.rule.code,
        "name": finding.rule.name,
        "severity": str(finding.rule.severity),
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "field": finding.field,
        "message": finding.message,
        "hint": finding.hint,
    }

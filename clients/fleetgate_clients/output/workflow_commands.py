"""Findings as workflow commands, which GitHub shows as annotations of the lines.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .findings import Findings, Severity
from .terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def workflow_command_lines(findings: Findings) -> Iterator[str]:
    """Yield one command per finding, without newlines."""
    for finding in findings.shown:
        yield command(
            _COMMANDS[finding.rule.severity],
            f"{finding.message}\n{finding.hint}" if finding.hint else finding.message,
            file=finding.path,
            line=finding.line,
            col=finding.column,
            title=f"{finding.rule.code} {finding.rule.name}",
        )


def command(name: str, text: str, **properties: str | int) -> str:
    """Return one command (``error``, ``warning``, ``notice``) without a newline; empty properties are left out."""
    written = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items() if value)
    return f"::{name} {written}::{_data(text)}"


def _data(text: str) -> str:
    return "%0A".join(printable(line).replace("%", "%25") for line in text.splitlines())


def _property(text: str) -> str:
    return printable(text).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")

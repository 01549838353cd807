"""The outputs of an audit.

All are made of a :class:`~fleetgate_clients.audit.report.Report`, so that ``convert`` and a run agree. JSON, JSONL and
CSV are written while a run goes on; the others need the whole report.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetgate_clients.audit.report import Report, Run, Violation


class Format(StrEnum):
    """``--output`` of ``audit`` and ``convert``."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    JSONL = "jsonl"
    YAML = "yaml"
    CSV = "csv"
    JUNIT = "junit"
    SARIF = "sarif"
    HTML = "html"
    POLICYREPORT = "policyreport"
    OPENREPORTS = "openreports"
    GITHUB = "github"


@dataclass(frozen=True, slots=True)
class Look:
    """What the terminal is like: its columns (None: a pipe, nothing is wrapped), and whether it is coloured."""

    width: int | None = None
    color: bool = False


class LineWriter(Protocol):
    """Writes a report while it is made."""

    def begin(self, run: Run) -> str:
        """Return what comes before the first violation."""

    def violation(self, violation: Violation) -> str:
        """Return one violation."""

    def end(self, report: Report) -> str:
        """Return what comes after the last one."""


def line_writer(wanted: Format) -> LineWriter | None:
    """Return the writer of a format that can be written while the run goes on; None for the others."""
    if wanted is Format.JSON:
        from .json_report import JsonReport  # noqa: PLC0415 (only what is asked for is loaded)

        return JsonReport()
    if wanted is Format.JSONL:
        from .jsonl import JsonLines  # noqa: PLC0415

        return JsonLines()
    if wanted is Format.CSV:
        from .csv_rows import CsvRows  # noqa: PLC0415

        return CsvRows()
    return None


def write(report: Report, wanted: Format, look: Look) -> Iterator[str]:
    """Yield the parts of the output."""
    writer = line_writer(wanted)
    if writer is not None:
        yield writer.begin(report.run)
        yield from map(writer.violation, report.violations)
        yield writer.end(report)
    elif wanted in {Format.TABLE, Format.WIDE}:
        from .table import table_parts  # noqa: PLC0415

        yield from table_parts(report, look, wide=wanted is Format.WIDE)
    else:
        yield _document(report, wanted)


def _document(report: Report, wanted: Format) -> str:  # noqa: PLR0911 (one per format)
    # Each output is loaded when it is asked for: help must stay quick, and a table needs no XML.
    match wanted:
        case Format.JUNIT:
            from .junit import junit_text  # noqa: PLC0415

            return junit_text(report)
        case Format.SARIF:
            from .sarif import sarif_text  # noqa: PLC0415

            return sarif_text(report)
        case Format.HTML:
            from .html_page import html_text  # noqa: PLC0415

            return html_text(report)
        case Format.POLICYREPORT:
            from .policy_reports import policy_report_text  # noqa: PLC0415

            return policy_report_text(report)
        case Format.OPENREPORTS:
            from .policy_reports import open_report_text  # noqa: PLC0415

            return open_report_text(report)
        case Format.GITHUB:
            from .github import workflow_command_text  # noqa: PLC0415

            return workflow_command_text(report)
    from fleetgate_clients.audit.document import parsed  # noqa: PLC0415
    from fleetgate_clients.output.documents import yaml_text  # noqa: PLC0415

    return yaml_text(parsed("".join(write(report, Format.JSON, Look()))))

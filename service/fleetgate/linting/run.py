"""Read files, look at them, choose what is shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgate_clients.output.findings import Finding, Findings, Severity

from fleetgate.engine import lint_files
from fleetgate.policy import directory

from .rules import all_rules

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

STANDARD_INPUT = "-"
_SHOWN_STANDARD_INPUT = "<stdin>"
_TREE = "/..."


def lint_paths(paths: Sequence[str], *, least: Severity, ignored: Collection[str]) -> Findings:
    """Look at files, directories and ``-`` as one bundle. Codes in ``ignored`` are left out.

    Directories are read as ``serve`` reads them: hidden names and ``samples`` are skipped. Raises
    :class:`~fleetgate.policy.errors.SourceFailed` for what cannot be read.
    """
    files = _files(paths)
    report = lint_files(files)
    rules = all_rules()
    found = [
        Finding(rules[one.code], one.message, one.path, one.line, one.column, one.field, one.hint)
        for one in report.findings
        if one.code not in ignored
    ]
    shown = tuple(finding for finding in found if finding.rule.severity >= least)
    return Findings(
        shown,
        templates=report.templates,
        constraints=report.constraints,
        hidden=len(found) - len(shown),
        sources={path: content.decode("utf-8", errors="replace") for path, content in files},
    )


def _files(paths: Sequence[str]) -> list[tuple[str, bytes]]:
    named = [Path(path.removesuffix(_TREE) or "/") for path in paths if path != STANDARD_INPUT]
    files = list(directory.read(named).files) if named else []
    if STANDARD_INPUT in paths:
        files.append((_SHOWN_STANDARD_INPUT, sys.stdin.buffer.read()))
    return files

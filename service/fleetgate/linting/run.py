"""Read files, look at them, choose what is shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fleetgate_clients.output.findings import Finding, Findings, Severity

from fleetgate.engine import Engine, PolicyError, lint_files
from fleetgate.policy import directory

from .rules import all_rules

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fleetgate.engine import Diagnostic

STANDARD_INPUT = "-"
_SHOWN_STANDARD_INPUT = "<stdin>"
_TREE = "/..."
_NO_POLICY = ("FG002", "unsupported_kind")
"""The linter's code of a document that is no policy, and the loader's."""


def lint_paths(paths: Sequence[str], *, least: Severity, ignored: Collection[str]) -> Findings:
    """Look at files, directories and ``-`` as one bundle. Codes in ``ignored`` are left out.

    Directories are read as ``serve`` reads them: hidden names and ``samples`` are skipped, and what is no policy is
    refused, where files that are named themselves may hold other things. Raises
    :class:`~fleetgate.policy.errors.SourceFailed` for what cannot be read.
    """
    files = _files(paths)
    report = lint_files(files)
    rules = all_rules()
    found = [
        Finding(rules[one.code], one.message, one.path, one.line, one.column, one.field, one.hint)
        for one in report.findings
    ]
    if report.others:
        code, _ = _NO_POLICY
        known = {(one.path, one.line) for one in report.findings if one.code == code}
        found += [
            Finding(rules[code], one.message, one.path, one.line, one.column, one.field, one.hint)
            for one in _no_policies(_of_directories(paths, files))
            if (one.path, one.line) not in known
        ]
        found.sort(key=lambda one: (one.path, one.line, one.column, one.rule.code))
    found = [one for one in found if one.rule.code not in ignored]
    shown = tuple(finding for finding in found if finding.rule.severity >= least)
    return Findings(
        shown,
        templates=report.templates,
        constraints=report.constraints,
        hidden=len(found) - len(shown),
        sources={path: content.decode("utf-8", errors="replace") for path, content in files},
    )


def _no_policies(files: Sequence[tuple[str, bytes]]) -> list[Diagnostic]:
    """What the loader says of documents that are no policies, which the linter passes over."""
    try:
        Engine(contexts=1).apply_bundle("lint", files, dry_run=True)
    except PolicyError as error:
        _, code = _NO_POLICY
        return [one for one in error.diagnostics if one.code == code]
    return []


def _of_directories(paths: Sequence[str], files: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    roots = [root for root in map(_named, paths) if root.is_dir()]
    return [file for file in files if any(Path(file[0]).is_relative_to(root) for root in roots)]


def _named(path: str) -> Path:
    return Path(path.removesuffix(_TREE) or "/")


def _files(paths: Sequence[str]) -> list[tuple[str, bytes]]:
    named = [_named(path) for path in paths if path != STANDARD_INPUT]
    files = list(directory.read(named).files) if named else []
    if STANDARD_INPUT in paths:
        files.append((_SHOWN_STANDARD_INPUT, sys.stdin.buffer.read()))
    return files

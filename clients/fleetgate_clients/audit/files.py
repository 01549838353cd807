"""Files that a command is given: reports, and manifests. What cannot be used ends the command, exit code 2."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fleetgate_clients.audit.document import ReportError, from_json
from fleetgate_clients.audit.local import LocalEngineError
from fleetgate_clients.audit.report import Report
from fleetgate_clients.inventory.service import fail
from fleetgate_clients.manifests.objects import ManifestError
from fleetgate_clients.manifests.reading import read
from fleetgate_clients.output.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetgate_clients.manifests.reading import Manifests, YamlReader

STANDARD_INPUT = "-"
_SHOWN_PASSED_OVER = 3


def read_report(name: str) -> Report:
    """Read a report from a file, or from standard input."""
    try:
        text = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
    except OSError as error:
        fail(f"{name}: {error.strerror}")
    try:
        return from_json(text)
    except ReportError as error:
        fail(f"{'standard input' if name == STANDARD_INPUT else name}: {error}")


def read_manifests(names: Sequence[str], yaml: YamlReader) -> Manifests:
    """Read policies and objects from files, directories and standard input."""
    try:
        found = read(names, yaml)
    except (ManifestError, LocalEngineError) as error:
        fail(str(error))
    if found.passed_over:
        _warn_of_passed_over(found.passed_over)
    return found


def _warn_of_passed_over(places: Sequence[str]) -> None:
    count, shown = len(places), ", ".join(places[:_SHOWN_PASSED_OVER])
    what = "1 document is no Kubernetes object" if count == 1 else f"{count:,} documents are no Kubernetes objects"
    more = f" and {count - _SHOWN_PASSED_OVER:,} more" if count > _SHOWN_PASSED_OVER else ""
    typer.echo(f"warning: {what} and passed over: {printable(shown)}{more}", err=True)


def need_constraints(manifests: Manifests, names: Sequence[str], hint: str = "") -> None:
    """End the command where there is no Constraint: with none, nothing is against one. Templates alone ask nothing."""
    if not manifests.constraints:
        fail(f"there are no Constraints among the files: {_shown(names)}{hint and f'; {hint}'}")


def need_objects(manifests: Manifests, names: Sequence[str]) -> None:
    """End the command where there is nothing to look at. Resources of Terraform are something: not reviewed."""
    if not manifests.not_reviewed and all(item.is_policy for item in manifests.objects):
        fail(f"there are no objects among the files: {_shown(names)}")


def need_some(manifests: Manifests, names: Sequence[str]) -> None:
    """End the command where there is neither a policy nor an object."""
    if not manifests.objects:
        fail(f"there are neither policies nor objects among the files: {_shown(names)}")


def _shown(names: Sequence[str]) -> str:
    return ", ".join("standard input" if name == STANDARD_INPUT else name for name in names)

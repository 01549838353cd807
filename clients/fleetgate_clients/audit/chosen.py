"""Whether the options chose anything: what looked at nothing must not pass for clean."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import typer

from fleetgate_clients.inventory.service import fail, no_cluster_words
from fleetgate_clients.output.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from fleetgate_proto.v1 import audit_pb2

    from fleetgate_clients.audit.report import Report


def check_chosen(report: Report, scope: audit_pb2.AuditScope, names: Callable[[], Collection[str] | None]) -> None:
    """End the command, exit code 2, where no cluster was chosen, or a Constraint that is in none of them.

    ``names`` gives the Constraints that there are, as ``KIND/NAME``, to propose another one; it is asked only then.
    """
    if report.reason:
        return  # Partial anyhow: which Constraints there are is only said at the end.
    if not report.clusters:
        fail(no_cluster_words(scope.cluster_selector))
    missing = unmatched(scope.constraints, {str(result.constraint) for result in report.constraints})
    if missing and any(cluster.complete for cluster in report.clusters):
        fail("\n".join([*_missing_words(missing, names() or ()), *report.shortfalls()]))
    for words in missing:
        _warn(f"no Constraint matches --constraint {words}, as far as is known")
    if report.objects == 0 and report.complete:
        warn_of_no_objects(scope)


def check_constraints(wanted: Sequence[str], names: Collection[str]) -> None:
    """End the command, exit code 2, where a Constraint that is asked for is not among the names."""
    if missing := unmatched(wanted, names):
        fail("\n".join(_missing_words(missing, names)))


def warn_of_no_objects(scope: audit_pb2.AuditScope) -> None:
    """Say that the kinds and namespaces that were asked for are of no object that was looked at."""
    asked = [f"--kind {name}" for name in scope.kinds] + [f"--namespace {name}" for name in scope.namespaces]
    if asked:
        _warn(f"no object that a Constraint could match is chosen by {' '.join(asked)}")


def unmatched(wanted: Iterable[str], names: Collection[str]) -> list[str]:
    """Those of ``KIND`` and ``KIND/NAME`` that mean none of the names."""
    known = {*names, *(name.partition("/")[0] for name in names)}
    return [text for text in wanted if text not in known]


def _missing_words(missing: Iterable[str], names: Collection[str]) -> Iterable[str]:
    for text in missing:
        known = names if "/" in text else {name.partition("/")[0] for name in names}
        similar = difflib.get_close_matches(text, sorted(known), n=1) or difflib.get_close_matches(
            text, sorted(names), n=1
        )
        hint = f"; did you mean {similar[0]}?" if similar else ""
        yield f"no Constraint matches --constraint {text}{hint}"


def _warn(words: str) -> None:
    typer.echo(f"warning: {printable(words)}", err=True)

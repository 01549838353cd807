"""The report as workflow commands, which GitHub shows as annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleetgate_clients.audit.report import Effect
from fleetgate_clients.output.workflow_commands import command

from .summary import number, totals

if TYPE_CHECKING:
    from fleetgate_clients.audit.report import Report, Violation

_COMMANDS = {Effect.DENY: "error", Effect.WARN: "warning", Effect.DRYRUN: "notice", Effect.OTHER: "notice"}


def workflow_command_text(report: Report) -> str:
    """Return a command for each violation, worst first, as GitHub shows the first few only; known ones are left out."""
    new = [violation for violation in report.violations if not violation.known]
    lines = [command("warning", sentence, title="incomplete audit") for sentence in report.shortfalls()]
    lines += [command("notice", sentence, title="not reviewed") for sentence in report.not_reviewed()]
    lines += [_annotation(violation) for effect in Effect for violation in new if violation.effect is effect]
    looked = f"{number(report.objects, 'object')} in {number(len(report.clusters), 'cluster')}"
    lines.append(command("notice", f"{totals(report)}: {looked}", title="fleetgate audit"))
    return "".join(f"{line}\n" for line in lines)


def _annotation(violation: Violation) -> str:
    place = violation.place if violation.place is not None and violation.place.is_file else None
    return command(
        _COMMANDS[violation.effect],
        violation.sentence,
        file=place.path if place else "",
        line=place.line if place else 0,
        title=str(violation.constraint),
    )

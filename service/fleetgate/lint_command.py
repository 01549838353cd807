"""The verb ``lint``. What it needs is imported when it runs: help must stay quick."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from fleetgate_clients.output.terminal import Color, ColorOption, Paint, printable, wants_color

if TYPE_CHECKING:
    from fleetgate_clients.output.findings import Findings, Rule

FOUND = 1
UNUSABLE = 2

LINT_EXAMPLES = """Examples:
fleetgate lint policies/                           # templates and constraints below a directory
fleetgate lint template.yaml constraint.yaml       # single files, looked at together
kustomize build . | fleetgate lint -               # what a tool renders
fleetgate lint policies/ --fail-on error           # show warnings, fail on errors
fleetgate lint policies/ -o sarif > lint.sarif     # for code scanning; github: annotations of a workflow
fleetgate lint --explain FG101                     # what a code means and how to mend it
"""


class LintFormat(StrEnum):
    """What ``lint`` prints."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


class Level(StrEnum):
    """Severities as an option takes them."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class FailOn(StrEnum):
    """Least severity that fails the command."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    NEVER = "never"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("lint", epilog=LINT_EXAMPLES, short_help="Find what is refused or suspicious in policies.")(lint)


def lint(  # noqa: PLR0917 (each is an option of the command)
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH...", help="Files, directories, or - (standard input).", show_default=False),
    ] = None,
    output: Annotated[LintFormat, typer.Option("--output", "-o", help="Format.")] = LintFormat.TEXT,
    fail_on: Annotated[FailOn, typer.Option("--fail-on", help="Least severity to exit with 1 for.")] = FailOn.WARNING,
    severity: Annotated[Level, typer.Option("--severity", help="Least severity to print.")] = Level.WARNING,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", metavar="CODE", help="Leave a code out. Repeatable.")
    ] = None,
    explain: Annotated[
        str | None, typer.Option("--explain", metavar="CODE", help="Explain a code and exit.", show_default=False)
    ] = None,
    list_codes: Annotated[bool, typer.Option("--list", help="List every code and exit.")] = False,
    color: ColorOption = Color.AUTO,
) -> None:
    """Find what would be refused in ConstraintTemplates and Constraints, and what is hardly meant so.

    A comment "# fleetgate:ignore FG101" silences a line, the annotation fleetgate.dev/lint-ignore an object.

    Exits with 0 where nothing is found, 1 where something is (see --fail-on), 2 where a path or an option is wrong.
    """
    if explain is not None:
        sys.stdout.write(_known(explain).page)
        return
    if list_codes:
        sys.stdout.write(_listed(color))
        return
    from fleetgate_clients.output.findings import Severity  # noqa: PLC0415

    from fleetgate.linting.run import lint_paths  # noqa: PLC0415
    from fleetgate.policy.errors import SourceFailed  # noqa: PLC0415

    if not paths:
        _fail("nothing to look at: name files or directories, or - for standard input")
    ignored = {_known(code).code for code in ignore or ()}
    fails = None if fail_on is FailOn.NEVER else Severity[fail_on.name]
    least = min(Severity[severity.name], fails or Severity.ERROR)
    try:
        findings = lint_paths(paths, least=least, ignored=ignored)
    except SourceFailed as error:
        _fail(str(error))
    if not findings.templates and not findings.constraints and not findings.shown:
        typer.echo(f"warning: no policies in {printable(', '.join(paths))}", err=True)
    sys.stdout.write(_written(findings, output, color))
    if fails is not None and any(finding.rule.severity >= fails for finding in findings.shown):
        raise typer.Exit(FOUND)


def _written(findings: Findings, output: LintFormat, color: Color) -> str:
    if output is LintFormat.JSON:
        from fleetgate.linting.json_report import json_report  # noqa: PLC0415

        return json_report(findings)
    if output is LintFormat.SARIF:
        from importlib.metadata import version  # noqa: PLC0415

        from fleetgate_clients.output.sarif import sarif_text  # noqa: PLC0415

        from fleetgate.linting.rules import all_rules  # noqa: PLC0415

        return sarif_text(findings, list(all_rules().values()), version("fleetgate"))
    if output is LintFormat.GITHUB:
        from fleetgate_clients.output.workflow_commands import workflow_command_lines  # noqa: PLC0415

        return "".join(f"{line}\n" for line in workflow_command_lines(findings))
    from fleetgate_clients.output.findings_text import findings_lines  # noqa: PLC0415

    paint = Paint(wants_color(color, sys.stdout))
    return "".join(f"{line}\n" for line in findings_lines(findings, paint))


def _listed(color: Color) -> str:
    from fleetgate_clients.output.tables import Column, render_table  # noqa: PLC0415
    from fleetgate_clients.output.terminal import width_of  # noqa: PLC0415

    from fleetgate.linting.rules import all_rules  # noqa: PLC0415

    columns = [Column("CODE"), Column("SEVERITY"), Column("NAME"), Column("MEANING", wraps=True)]
    rows = [[rule.code, str(rule.severity), rule.name, rule.summary] for rule in all_rules().values()]
    return render_table(columns, rows, width=width_of(sys.stdout), color=wants_color(color, sys.stdout))


def _known(code: str) -> Rule:
    from difflib import get_close_matches  # noqa: PLC0415

    from fleetgate.linting.rules import all_rules, find_rule  # noqa: PLC0415

    rule = find_rule(code)
    if rule is None:
        names = [name for rule in all_rules().values() for name in (rule.code, rule.name)]
        near = get_close_matches(code.upper(), names) or get_close_matches(code.lower(), names)
        hint = f"did you mean {near[0]}?" if near else "fleetgate lint --list shows them all"
        _fail(f"there is no code {code!r}: {hint}")
    return rule


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {printable(message)}", err=True)
    raise typer.Exit(UNUSABLE)

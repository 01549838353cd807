"""The verbs ``verify`` and ``test``. What they need is imported when they run: help must stay quick."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from fleetgate_clients.output.terminal import Color, ColorOption, Paint, printable, wants_color, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetgate_clients.output.reports import SuiteReport

    from fleetgate.suites.manifests import Result

VIOLATED = 1
UNUSABLE = 2

VERIFY_EXAMPLES = """Examples:
fleetgate verify policies/...                      # every suite below a directory
fleetgate verify policies/required-labels          # the suites in one directory
fleetgate verify suite.yaml -v                     # one file, every case named
fleetgate verify policies/... --run '^owner//^no' # tests matching ^owner, of these the cases matching ^no
fleetgate verify policies/... -o junit > suites.xml
"""

TEST_EXAMPLES = """Examples:
fleetgate test -f policies.yaml -f deployment.yaml # manifests against policies, before anything is applied
helm template chart | fleetgate test -f policies.yaml -f -
fleetgate test -f everything/ -o json --deny-only
"""


class VerifyFormat(StrEnum):
    """What ``verify`` prints."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    TAP = "tap"


class TestFormat(StrEnum):
    """What ``test`` prints. ``auto`` is a table on a terminal and gator's lines elsewhere."""

    __test__ = False  # for pytest: not a test class

    AUTO = "auto"
    TABLE = "table"
    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


def register(app: typer.Typer) -> None:
    """Add both verbs."""
    app.command("verify", epilog=VERIFY_EXAMPLES, short_help="Run the gator suites of policies.")(run_suites)
    app.command("test", epilog=TEST_EXAMPLES, short_help="Review manifests against policies.")(review_files)


def run_suites(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Suite files, directories, or DIRECTORY/... for trees.")
    ],
    run: Annotated[
        str, typer.Option("--run", "-r", metavar="RE2", help="Run what matches: TEST//CASE, or one for either.")
    ] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name every test and case.")] = False,
    output: Annotated[VerifyFormat, typer.Option("--output", "-o", help="Format.")] = VerifyFormat.TEXT,
    color: ColorOption = Color.AUTO,
) -> None:
    """Run gator Suite files: templates and Constraints against objects with known verdicts.

    Exits with 0 when every suite passes, 1 when one fails, 2 when a path or an option is wrong.
    """
    from fleetgate.suites.discovery import PathError, candidate_files  # noqa: PLC0415
    from fleetgate.suites.runner import run_files  # noqa: PLC0415
    from fleetgate.suites.selection import Selection, SelectionError  # noqa: PLC0415

    try:
        selection = Selection(run)
        files = [file for path in paths for file in candidate_files(path)]
    except (PathError, SelectionError) as error:
        _fail(str(error))
    reports = run_files(files, selection)
    if not reports:
        typer.echo(f"warning: no Suite in {printable(', '.join(paths))}", err=True)
    elif run and all(report.outcome.value == "skipped" for report in reports):
        typer.echo(f"warning: no case to run matches --run {printable(run)}", err=True)
    sys.stdout.write(_verified(reports, output, verbose=verbose, color=color))
    if any(report.outcome.value == "failed" for report in reports):
        raise typer.Exit(VIOLATED)


def review_files(
    filenames: Annotated[
        list[str] | None,
        typer.Option(
            "--filename", "-f", help="File, directory, or - (standard input). Repeatable.", show_default=False
        ),
    ] = None,
    output: Annotated[TestFormat, typer.Option("--output", "-o", help="Format.")] = TestFormat.AUTO,
    deny_only: Annotated[bool, typer.Option("--deny-only", help="Print only what denies.")] = False,
    color: ColorOption = Color.AUTO,
) -> None:
    """Review every object in the files against the ConstraintTemplates and Constraints in them.

    All objects are each other's inventory too. Exits with 0 where nothing denies, 1 where something does, 2 where a
    file or a policy cannot be used.
    """
    from fleetgate.engine import EngineError  # noqa: PLC0415
    from fleetgate.suites.manifests import read_manifests, review_manifests  # noqa: PLC0415
    from fleetgate.suites.objects import ObjectError  # noqa: PLC0415

    names = filenames or ([] if sys.stdin.isatty() else ["-"])
    if not names:
        _fail("nothing to review: name files with -f, or pipe them in")
    try:
        manifests = read_manifests(names)
        if not manifests.objects:
            if not filenames:
                _fail("nothing to review: standard input is empty; name files with -f")
            _fail("no input data identified: the files hold no objects")
        for warning in manifests.warnings():
            typer.echo(f"warning: {printable(warning)}", err=True)
        results = review_manifests(manifests)
    except (ObjectError, EngineError) as error:
        _fail(str(error))
    shown = [result for result in results if result.found.denies or not deny_only]
    sys.stdout.write(_tested(shown, output, color=color))
    if output is TestFormat.TABLE or (output is TestFormat.AUTO and sys.stdout.isatty()):
        denied = sum(1 for result in results if result.found.denies)
        typer.echo(f"{len(manifests.objects)} objects, {len(results)} violations, {denied} of them deny", err=True)
    if any(result.found.denies for result in results):
        raise typer.Exit(VIOLATED)


def _verified(reports: Sequence[SuiteReport], output: VerifyFormat, *, verbose: bool, color: Color) -> str:
    if output is VerifyFormat.JUNIT:
        from fleetgate_clients.output.junit import junit_text  # noqa: PLC0415

        return junit_text(reports)
    if output is VerifyFormat.TAP:
        from fleetgate_clients.output.tap import tap_text  # noqa: PLC0415

        return tap_text(reports)
    if output is VerifyFormat.JSON:
        from dataclasses import asdict  # noqa: PLC0415

        from fleetgate_clients.output.documents import json_text  # noqa: PLC0415

        return json_text([asdict(report) for report in reports])
    from fleetgate_clients.output.suite_text import suite_lines  # noqa: PLC0415

    paint = Paint(wants_color(color, sys.stdout))
    return "".join(f"{line}\n" for line in suite_lines(reports, verbose=verbose, paint=paint))


def _tested(results: Sequence[Result], output: TestFormat, *, color: Color) -> str:
    from fleetgate.suites.results import as_json, as_lines, as_table, as_yaml  # noqa: PLC0415

    if output is TestFormat.JSON:
        return as_json(results)
    if output is TestFormat.YAML:
        return as_yaml(results)
    if output is TestFormat.TEXT or (output is TestFormat.AUTO and not sys.stdout.isatty()):
        return as_lines(results)
    return as_table(results, width=width_of(sys.stdout), color=wants_color(color, sys.stdout)) if results else ""


def _fail(message: str) -> NoReturn:
    for line in message.splitlines():
        # Indented lines (hints, Rego) belong to the error above them.
        typer.echo(printable(line) if line.startswith(" ") else f"error: {printable(line)}", err=True)
    raise typer.Exit(UNUSABLE)

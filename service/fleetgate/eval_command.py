"""The verb ``eval``. What it needs is imported when it runs: help must stay quick."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from fleetgate_clients.output.terminal import printable

if TYPE_CHECKING:
    from fleetgate.engine import RegoDefect

FAILED = 1
UNUSABLE = 2

EVAL_EXAMPLES = """Examples:
fleetgate eval '1 + 2'
fleetgate eval -d policy.rego -i input.json 'data.policy.allow'   # a rule, with input
fleetgate eval -d policies/ -d inventory:objects.json data        # directories; data below data.inventory
kubectl get pod web -o json | fleetgate eval -I -d policy.rego --package policy 'deny[message]'
fleetgate eval --fail-defined -f pretty -d policy.rego 'data.policy.deny[_]'   # for scripts and people
fleetgate eval --v0-compatible -d template.rego 'data.template.violation'
"""


class EvalFormat(StrEnum):
    """What ``eval`` prints."""

    JSON = "json"
    VALUES = "values"
    BINDINGS = "bindings"
    PRETTY = "pretty"
    RAW = "raw"
    DISCARD = "discard"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("eval", epilog=EVAL_EXAMPLES, short_help="Evaluate a Rego query, as opa eval does.")(evaluate)


def evaluate(  # noqa: PLR0917 (each is an option of the command)
    query: Annotated[str | None, typer.Argument(metavar="QUERY", help="What to ask.", show_default=False)] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", "-d", metavar="[PLACE:]PATH", help="Modules and data: a file or directory. Repeatable."),
    ] = None,
    input_path: Annotated[
        str | None, typer.Option("--input", "-i", metavar="FILE", help="The input, JSON or YAML.", show_default=False)
    ] = None,
    stdin_input: Annotated[
        bool, typer.Option("--stdin-input", "-I", help="Read the input from standard input.")
    ] = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read the query from standard input.")] = False,
    output: Annotated[EvalFormat, typer.Option("--format", "-f", help="Format.")] = EvalFormat.JSON,
    package: Annotated[str, typer.Option("--package", help="Package that the query is in.", show_default=False)] = "",
    imports: Annotated[
        list[str] | None, typer.Option("--import", metavar="PATH", help="What the query imports. Repeatable.")
    ] = None,
    fail: Annotated[bool, typer.Option("--fail", help="Exit with 1 where there is no answer.")] = False,
    fail_defined: Annotated[bool, typer.Option("--fail-defined", help="Exit with 1 where there is an answer.")] = False,
    strict_builtin_errors: Annotated[
        bool, typer.Option("--strict-builtin-errors", help="Errors of built-in functions are errors.")
    ] = False,
    v0_compatible: Annotated[bool, typer.Option("--v0-compatible", help="Read Rego as before OPA 1.0.")] = False,
    v1_compatible: Annotated[
        bool, typer.Option("--v1-compatible", help="Read Rego as since OPA 1.0: the default.")
    ] = False,
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION", help="Such as 500ms or 2m.")] = "60s",
) -> None:
    """Evaluate a Rego query and print its answers, as opa eval does.

    What policies print goes to standard error. Where PLACE is given, data is put below it.

    Exits with 0 where there is an answer or none, 1 where --fail or --fail-defined says so, 2 where something is wrong.
    """
    if (query is None) != stdin:
        _fail("name a query, or --stdin, but not both")
    if stdin + stdin_input + (input_path is not None) > 1 and stdin_input:
        _fail("--stdin-input takes what --stdin or --input would")
    if fail and fail_defined:
        _fail("--fail or --fail-defined, but not both")
    if v0_compatible and v1_compatible:
        _fail("--v0-compatible or --v1-compatible, but not both")
    seconds = _seconds(timeout)

    from fleetgate.engine import RegoDefect, RegoError, evaluate_rego  # noqa: PLC0415

    from .rego import exact_json  # noqa: PLC0415
    from .rego.files import NotLoadedError, load  # noqa: PLC0415
    from .rego.output import Format, answers_text  # noqa: PLC0415

    given = _input(input_path, from_stdin=stdin_input)
    try:
        files = load(data or [])
        answers = evaluate_rego(
            query if query is not None else sys.stdin.read(),
            list(files.modules.items()),
            data=files.data,
            input=given,
            v0=v0_compatible,
            package=package.removeprefix("data."),
            imports=imports or [],
            expressions=True,
            strict=strict_builtin_errors,
            timeout_seconds=seconds,
        )
    except NotLoadedError as error:
        _refuse(tuple(RegoDefect("", problem) for problem in error.problems), (), output)
    except RegoError as error:
        _refuse(error.defects, error.prints, output)
    sys.stderr.write(_lines(answers.prints))
    shown = exact_json.read_as_written(answers.json)
    sys.stdout.write(answers_text(shown, Format(output)))
    if fail_defined if shown else fail:
        raise typer.Exit(FAILED)


def _input(path: str | None, *, from_stdin: bool) -> tuple[str, bytes] | None:
    if from_stdin:
        # Nothing on standard input is no input.
        text = sys.stdin.buffer.read()
        return ("<stdin>", text) if text else None
    if path is None:
        return None
    from pathlib import Path  # noqa: PLC0415

    try:
        # The name without its suffix: of what is no JSON, OPA tries whether it is YAML.
        return (f"input {path!r}", Path(path).read_bytes())
    except OSError as error:
        _fail(f"{path}: {(error.strerror or str(error)).lower()}")


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def _seconds(text: str) -> float:
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        _fail(f"--timeout {text!r} is no duration such as 500ms, 10s or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _lines(prints: list[str] | tuple[str, ...]) -> str:
    return "".join(f"{line}\n" for line in prints)


def _refuse(defects: tuple[RegoDefect, ...], prints: tuple[str, ...], output: EvalFormat) -> NoReturn:
    from .rego.output import errors_json, errors_text  # noqa: PLC0415

    sys.stderr.write(_lines(prints))
    if output in {EvalFormat.JSON, EvalFormat.DISCARD}:
        sys.stdout.write(errors_json(defects))
    else:
        sys.stderr.write(errors_text(defects))
    raise typer.Exit(UNUSABLE)


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {printable(message)}", err=True)
    raise typer.Exit(UNUSABLE)

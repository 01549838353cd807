"""The command ``fleetgate``.

The verbs come from the installed distributions: each names, in the entry point group ``fleetgate.commands``, a callable
``register(app: typer.Typer) -> None``. The thin distribution brings the thin verbs; with the server installed beside it
the same command has all of them. A ``register`` must import nothing heavy: help and completion call every one of them.
"""

from __future__ import annotations

import errno
import inspect
import os
import select
import sys
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from typer._click import Command, Context, HelpFormatter, Parameter

ENTRY_POINT_GROUP = "fleetgate.commands"
SERVER_DISTRIBUTION = "fleetgate"
SERVER_VERBS = ("serve", "config", "verify", "test", "lint", "eval")
"""Verbs that only the server distribution has: the thin command names it instead of denying that they exist."""

UNUSABLE = 2
"""Exit code where nothing was decided."""

READER_GONE = 141
"""Exit code where the reader of the output went away (``fleetgate audit | head``): what a shell says of SIGPIPE."""

SUMMARY = "Decide Kubernetes admission by Gatekeeper policies, for a fleet of clusters."

EXAMPLES = {
    "verify": "fleetgate verify policies/...                  # run the suites of a policy library",
    "test": "fleetgate test -f policies.yaml -f pod.yaml    # review manifests against policies, no cluster needed",
    "lint": "fleetgate lint policies/                       # what is refused, and what is suspicious",
    "eval": "fleetgate eval -d policy.rego data.policy.deny # ask Rego, as opa eval does",
    "serve": "fleetgate serve --policies policies --insecure # answer reviews over gRPC",
    "webhook": "fleetgate webhook --cluster NAME --help        # the admission webhook of one cluster",
    "audit": "fleetgate audit -f policies/ -f manifests/     # what of that which exists is against the policies",
    "whatif": "fleetgate whatif -f new/ --server HOST:PORT    # what would other policies deny?",
    "explain": "fleetgate explain pod.yaml -f policies/        # why is an object denied, or not?",
    "convert": "fleetgate convert report.json -o html          # an audit's report in any other form",
    "get": "fleetgate get ingresses --server HOST:PORT      # cached objects of all clusters",
    "clusters": "fleetgate clusters doctor --server HOST:PORT   # why is a cluster not up to date?",
    "loadtest": "fleetgate loadtest --help                      # how many reviews per second, and how late",
    "config": "fleetgate config show                          # every setting and where its value comes from",
}

EXIT_CODES = (
    ("0", "done; nothing is violated, every suite passes"),
    ("1", "a (new) violation with the action deny, a suite that fails, or a finding of lint"),
    ("2", "wrong usage or configuration, or a policy is refused"),
    ("3", "the answer is partial: a cluster could not be asked, or is not up to date"),
    ("4", "audit --fail-on-warn: a violation with the action warn"),
    ("141", "whoever read the output went away"),
)


class Verb(TyperCommand):
    """A verb whose help starts with its examples: the epilog, where it begins with ``Examples:``."""

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write examples, usage, text, options."""
        epilog = inspect.cleandoc(self.epilog or "")
        heading, _, examples = epilog.partition("\n")
        if heading.strip() == "Examples:":
            write_lines(formatter, "Examples", inspect.cleandoc(examples).splitlines())
            formatter.write_paragraph()
            epilog = ""
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)
        if epilog:
            self.format_epilog(ctx, formatter)


class Root(TyperGroup):
    """The command itself: help that shows what is installed, and errors that say what to do."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        """Return the options. Typer's own flags are false unless given: to convert None it would import pydantic."""
        parameters = super().get_params(ctx)
        for parameter in parameters:
            if parameter.name in ("help", "install_completion", "show_completion") and parameter.default is None:
                parameter.default = False
        return parameters

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write examples, usage, verbs per distribution, options, exit codes."""
        write_lines(formatter, "Examples", [line for verb, line in EXAMPLES.items() if verb in self.commands])
        formatter.write_paragraph()
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl(EXIT_CODES)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:  # noqa: ARG002 (the base's signature)
        """List the verbs under the distribution that brings them, then those that are missing."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            if not command.hidden:
                panel = getattr(command, "rich_help_panel", None)
                label = panel if isinstance(panel, str) else "Verbs"
                limit = formatter.width - 6 - max(map(len, self.commands))
                panels.setdefault(label, []).append((name, command.get_short_help_str(limit)))
        for label, rows in panels.items():
            with formatter.section(label):
                formatter.write_dl(rows)
        missing = [verb for verb in SERVER_VERBS if verb not in self.commands]
        if missing:
            write_lines(
                formatter, f"Not installed (pip install {SERVER_DISTRIBUTION})", [", ".join(missing)], before=True
            )

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Find the verb, or fail with the nearest ones and what to install."""
        name = args[0]
        if name not in self.commands and not name.startswith("-") and not ctx.resilient_parsing:
            ctx.fail(unknown_verb(name, self.commands))
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Context) -> Any:
        """Run the verb, and write what it has to say to the end."""
        try:
            result = super().invoke(ctx)
        except OSError as error:
            end_output(error)
        finally:
            finish_output()
        return result


def finish_output() -> None:
    """Write what is left of the output."""
    try:
        sys.stdout.flush()
    except OSError as error:
        end_output(error)


def end_output(error: OSError) -> NoReturn:
    """End the command whose output cannot be written; raises ``error`` again where it is another.

    A reader that went away is no violation, and nothing to write more about.
    """
    is_reader_gone = isinstance(error, BrokenPipeError) and _is_broken(sys.stdout.fileno())
    if not is_reader_gone and error.errno != errno.ENOSPC:
        raise error
    # Or the interpreter would try once more when it ends.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    if is_reader_gone:
        raise typer.Exit(READER_GONE)
    typer.echo(f"error: the output cannot be written: {error.strerror}", err=True)
    raise typer.Exit(UNUSABLE)


def _is_broken(pipe: int) -> bool:
    """Whether nobody reads from a pipe any more."""
    reader = select.poll()
    reader.register(pipe, 0)
    return any(event & select.POLLERR for _, event in reader.poll(0))


def unknown_verb(name: str, installed: Iterable[str]) -> str:
    """Explain a verb that is not there."""
    if name in SERVER_VERBS:
        problem = _load_problems.get(SERVER_DISTRIBUTION)
        remedy = f"It does not load: {problem}" if problem else f"Install it: pip install {SERVER_DISTRIBUTION}"
        return f"the verb {name!r} belongs to the distribution {SERVER_DISTRIBUTION!r}. {remedy}"
    near = get_close_matches(name, dict.fromkeys([*installed, *SERVER_VERBS]))
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"there is no verb {name!r}.{hint}"


def write_lines(formatter: HelpFormatter, title: str, lines: Iterable[str], *, before: bool = False) -> None:
    """Write a section of lines as they are, neither wrapped nor joined."""
    if before:
        formatter.write_paragraph()
    formatter.write(f"{title}:\n")
    for line in lines:
        formatter.write(f"  {line}\n" if line else "\n")


class _App(typer.Typer):
    """A Typer whose commands are of :class:`Verb` unless they say otherwise."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        settings.setdefault("cls", Verb)
        return super().command(name, **settings)


_load_problems: dict[str, str] = {}
"""Distribution → why its verbs do not load."""


def build_app() -> typer.Typer:
    """Make the command with the verbs of every installed distribution."""
    app = _App(
        name="fleetgate",
        cls=Root,
        help=SUMMARY,
        rich_markup_mode=None,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    )
    app.callback()(_options)
    for entry_point in sorted(metadata.entry_points(group=ENTRY_POINT_GROUP), key=_thin_first):
        _register(app, entry_point)
    return app


def _thin_first(entry_point: metadata.EntryPoint) -> tuple[bool, str]:
    return (entry_point.name != "clients", entry_point.name)


def _register(app: typer.Typer, entry_point: metadata.EntryPoint) -> None:
    distribution = entry_point.dist
    name = distribution.name if distribution is not None else entry_point.value
    commands, groups = len(app.registered_commands), len(app.registered_groups)
    try:
        entry_point.load()(app)
    except (ImportError, AttributeError) as error:
        # A broken distribution must not take the verbs of the others away.
        _load_problems[name] = f"{type(error).__name__}: {error}"
        return
    label = f"Verbs of {name} {distribution.version}" if distribution is not None else f"Verbs of {name}"
    for command in app.registered_commands[commands:]:
        command.rich_help_panel = label
    for group in app.registered_groups[groups:]:
        group.rich_help_panel = label


def _show_version(value: bool) -> None:
    if not value:
        return
    for name in ("fleetgate", "fleetgate-clients", "fleetgate-proto"):
        try:
            typer.echo(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            typer.echo(f"{name} is not installed")
    raise typer.Exit


def _options(
    version: Annotated[  # noqa: ARG001 (its callback does the work)
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the installed versions and exit."),
    ] = False,
) -> None:
    for name, problem in _load_problems.items():
        typer.echo(f"warning: the verbs of {name} do not load: {problem}", err=True)


def main() -> None:
    """Run the command."""
    if sys.stdout is None:
        # Whoever closed it wants to read nothing.
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (as long as the process lives)
    try:
        sys.exit(build_app()(prog_name="fleetgate"))
    except ImportError as error:
        # A verb needs something that is missing, or a core that was built from other sources: told, not traced.
        typer.echo(f"error: {error}", err=True)
        sys.exit(UNUSABLE)

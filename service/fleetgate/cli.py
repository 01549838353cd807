"""The server's verbs: ``serve`` and ``config``; the others have modules. What they need is imported when they run."""

from __future__ import annotations

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from fleetgate_clients.cli import Verb

from .agent_command import register as register_agent
from .eval_command import register as register_eval
from .lint_command import register as register_lint
from .suite_commands import register as register_suite_verbs

if TYPE_CHECKING:
    from fleetgate.config import Loaded

EXIT_USAGE = 2

SERVE_EXAMPLES = """Examples:
fleetgate serve --insecure --policies policies/
fleetgate serve --listen 0.0.0.0:9443 --policies /etc/fleetgate/policies \\
    --tls-certificate tls.crt --tls-key tls.key --tls-client-ca ca.crt
fleetgate serve --config fleetgate.yaml
"""

SHOW_EXAMPLES = """Examples:
fleetgate config show
fleetgate config show --config fleetgate.yaml -o yaml
"""

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="YAML file with settings (environment: FLEETGATE_CONFIG).", show_default=False),
]


class Output(StrEnum):
    """Formats of ``config show``."""

    TABLE = "table"
    YAML = "yaml"
    JSON = "json"


class _WithSettings(Verb):
    """A command whose flags are the settings, which are imported when it is parsed."""

    def get_params(self, ctx: Any) -> list[Any]:
        from fleetgate.config.flags import setting_options  # noqa: PLC0415 (keeps `--help` of others fast)

        declared = super().get_params(ctx)
        return [*declared[:-1], *setting_options(), *declared[-1:]]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command ``fleetgate`` (entry point group ``fleetgate.commands``)."""
    app.command("serve", cls=_WithSettings, epilog=SERVE_EXAMPLES, short_help="Serve decisions over gRPC.")(serve)
    config = typer.Typer(help="Show what the server would be configured with.", no_args_is_help=True)
    config.command(
        "show",
        cls=_WithSettings,
        epilog=SHOW_EXAMPLES,
        short_help="Print every setting and where its value comes from.",
    )(show)
    config.command("schema", short_help="Print the JSON schema of the configuration file.")(schema)
    config.command("docs", short_help="Print the reference of all settings (Markdown).", hidden=True)(docs)
    app.add_typer(config, name="config")
    register_agent(app)
    register_suite_verbs(app)
    register_lint(app)
    register_eval(app)


def serve(ctx: typer.Context, config: ConfigFile = None) -> None:
    """Serve decisions over gRPC."""
    from fleetgate.app import StartupError, run  # noqa: PLC0415

    loaded = _load(ctx, config)
    try:
        code = run(loaded.settings)
    except StartupError as error:
        _fail(str(error))
    raise typer.Exit(code)


def show(
    ctx: typer.Context,
    config: ConfigFile = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="Format.")] = Output.TABLE,
) -> None:
    """Print every setting and where its value comes from; secrets are redacted."""
    from fleetgate.config import render  # noqa: PLC0415

    loaded = _load(ctx, config)
    if output is Output.JSON:
        typer.echo(render.as_json(loaded))
    elif output is Output.YAML:
        typer.echo(render.as_yaml(loaded), nl=False)
    else:
        _table(render.rows(loaded))


def schema() -> None:
    """Print the JSON schema of the configuration file."""
    from fleetgate.config import render  # noqa: PLC0415

    typer.echo(render.schema())


def docs() -> None:
    """Print the reference of all settings (Markdown)."""
    from fleetgate.config import render  # noqa: PLC0415

    typer.echo(render.documentation(), nl=False)


def _load(ctx: typer.Context, config: Path | None) -> Loaded:
    from fleetgate.config import ConfigurationError, load  # noqa: PLC0415
    from fleetgate.config.flags import given  # noqa: PLC0415

    try:
        return load(given(ctx), os.environ, config)
    except ConfigurationError as error:
        _fail("\n".join(f"error: {problem}" for problem in error.problems))


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(EXIT_USAGE)


def _table(rows: list[tuple[str, Any, str]]) -> None:
    """Aligned columns, tab-free and uncut in a pipe; bold values that are not defaults on a terminal."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("SETTING", "VALUE", "ORIGIN"):
        table.add_column(heading, overflow="fold")
    for key, value, origin in rows:
        text = ",".join(value) if isinstance(value, list) else value if isinstance(value, str) else json.dumps(value)
        style = "" if origin == "default" else "bold"
        table.add_row(Text(key, style), Text(text, style), Text(origin, style))
    console = Console(width=None if sys.stdout.isatty() else 200, soft_wrap=not sys.stdout.isatty())
    console.print(table)

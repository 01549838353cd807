"""The settings as flags of a command."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from fleetgate.config.catalog import Setting, default_text, settings

_GIVEN = "fleetgate.config.given"
"""Key of ``Context.meta`` that holds what the command line gave."""


def setting_options() -> list[Any]:
    """One option per setting, as Typer makes them of a function with such parameters.

    Values stay text: the settings' own validation judges them as it judges those of files and variables.
    """

    def declare() -> None: ...

    annotations = {"_".join(("setting", *setting.path)): _annotation(setting) for setting in settings()}
    declare.__annotations__ = annotations
    declare.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
            for name, annotation in annotations.items()
        ]
    )
    scratch = typer.Typer(add_completion=False)
    scratch.command()(declare)
    return list(typer.main.get_command(scratch).params)


def given(context: typer.Context) -> Mapping[Setting, Any]:
    """What the command line of this context gave."""
    found: Mapping[Setting, Any] = context.meta.get(_GIVEN, {})
    return found


def _annotation(setting: Setting) -> Any:
    def remember(context: typer.Context, value: Any) -> None:
        if value is not None and value not in ((), []):
            context.meta.setdefault(_GIVEN, {})[setting] = value

    boolean = setting.kind == "BOOL"
    default = default_text(setting)
    option = typer.Option(
        f"{setting.flag}/--no-{setting.flag[2:]}" if boolean else setting.flag,
        metavar=None if boolean else setting.kind,
        expose_value=False,
        callback=remember,
        help=f"{setting.help} (default: {default})" if default else setting.help,
        show_default=False,
        rich_help_panel=f"Settings: {setting.section or 'general'}",
    )
    written: Any = bool if boolean else list[str] if setting.repeatable else str
    return Annotated[written | None, option]

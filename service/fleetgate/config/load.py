"""Defaults < file < environment < flags, into one frozen :class:`Settings`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from fleetgate.config import sources
from fleetgate.config.catalog import Setting, settings
from fleetgate.config.model import Settings


class ConfigurationError(Exception):
    """The configuration is refused; ``problems`` has one line per defect, each with its place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each key (``tls.key``) where its value comes from: ``default``, ``path:line``, ``env NAME``
    or ``flag --name``."""

    settings: Settings
    origins: Mapping[str, str]


def load(flags: Mapping[Setting, Any], environment: Mapping[str, str], file: Path | None = None) -> Loaded:
    """Read all sources. ``file`` (from ``--config``) beats ``FLEETGATE_CONFIG``. Raises ConfigurationError."""
    named = environment.get(sources.CONFIG_VARIABLE)
    path = file or (Path(named) if named else None)
    layers = [
        sources.from_file(path) if path else sources.Layer(),
        sources.from_environment(environment),
        sources.from_flags(flags),
    ]
    problems = [problem for layer in layers for problem in layer.problems]
    if problems:
        raise ConfigurationError(problems)
    origins = {setting.key: "default" for setting in settings()}
    for layer in layers:
        origins.update(layer.origins)
    try:
        return Loaded(_merged(layers), origins)
    except ValidationError as error:
        raise ConfigurationError([_describe(detail, origins) for detail in error.errors()]) from error


def _merged(layers: list[sources.Layer]) -> Settings:
    """Let pydantic-settings merge: its first source wins, so flags come first."""
    ordered = [layer.values for layer in reversed(layers)]

    class Merged(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: PydanticBaseSettingsSource, **__: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(_Given(settings_cls, values) for values in ordered)

    return Merged()


class _Given(PydanticBaseSettingsSource):
    """A tree of values that was read already."""

    def __init__(self, settings_cls: type[BaseSettings], values: dict[str, Any]) -> None:
        super().__init__(settings_cls)
        self._values = values

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 (an override)
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self._values


def _describe(detail: Any, origins: Mapping[str, str]) -> str:
    """One line for one defect: where it was given, its key, what is wrong."""
    key = ".".join(str(part) for part in detail["loc"] if not isinstance(part, int))
    reason = str(detail["msg"]).removeprefix("Value error, ")
    origin = origins.get(key)
    place = f"{origin}: " if origin and origin != "default" else ""
    secret = any(setting.secret for setting in settings() if setting.key == key)
    given = detail["input"]
    # Of a switch the message says which value is wrong, and nobody writes it as Python does.
    is_shown = isinstance(given, str | int | float) and not isinstance(given, bool) and not secret
    shown = f" (got {given!r})" if is_shown else ""
    return f"{place}{key + ': ' if key else ''}{reason}{shown}"

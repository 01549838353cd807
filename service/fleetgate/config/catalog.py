"""The settings as a flat list: what flags, suggestions, ``config show`` and the documentation are made of."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from fleetgate.config.model import Settings

ENV_PREFIX = "FLEETGATE_"


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """One leaf of the settings.

    ``path`` is its way through the sections, ``("tls", "key")``; ``kind`` what a user writes, for instance ``PATH``.
    """

    path: tuple[str, ...]
    help: str
    kind: str
    default: Any
    section: str
    repeatable: bool = False
    secret: bool = False

    @property
    def key(self) -> str:
        """Name in files and in ``config show``: ``tls.key``."""
        return ".".join(self.path)

    @property
    def env(self) -> str:
        """Environment variable: ``FLEETGATE_TLS__KEY``."""
        return ENV_PREFIX + "__".join(self.path).upper()

    @property
    def flag(self) -> str:
        """Flag of ``fleetgate serve``: ``--tls-key``."""
        return "--" + "-".join(self.path).replace("_", "-")


@cache
def settings() -> tuple[Setting, ...]:
    """All settings in the order of their declaration."""
    return tuple(_walk(Settings, ()))


@cache
def sections() -> dict[str, str]:
    """Section name → what it is about; the settings outside any section are ``""``."""
    found = {"": ""}
    for name, field in Settings.model_fields.items():
        model = _section(field)
        if model is not None:
            found[name] = inspect.cleandoc(model.__doc__ or "")
    return found


def default_text(setting: Setting) -> str:
    """The default as a user would write it; empty where there is none."""
    value = setting.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "" if value is None else str(value)


def _walk(model: type[BaseModel], prefix: tuple[str, ...]) -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        path = (*prefix, name)
        section = _section(field)
        if section is not None:
            yield from _walk(section, path)
            continue
        kind, repeatable = _kind(field.annotation)
        yield Setting(
            path=path,
            help=field.description or "",
            kind=kind,
            default=field.get_default(call_default_factory=True, validated_data={}),
            section=prefix[0] if prefix else "",
            repeatable=repeatable,
            secret=field.annotation is SecretStr,
        )


def _section(field: FieldInfo) -> type[BaseModel] | None:
    annotation = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _kind(annotation: Any) -> tuple[str, bool]:
    """What a user writes for a type, and whether it can be given several times."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is list:
        return _kind(arguments[0])[0], True
    if origin is Literal:
        return "|".join(map(str, arguments)), False
    concrete = [argument for argument in arguments if argument is not type(None)] or [annotation]
    names = {bool: "BOOL", int: "INTEGER", float: "NUMBER", Path: "PATH", str: "TEXT", SecretStr: "TEXT"}
    return names[concrete[0]], False

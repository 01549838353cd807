"""Settings as a user reads them: table, YAML, JSON, JSON schema, and the page ``docs/configuration.md``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from fleetgate.config.catalog import Setting, default_text, sections, settings
from fleetgate.config.load import Loaded
from fleetgate.config.model import Settings

REDACTED = "**********"


def rows(loaded: Loaded) -> list[tuple[str, Any, str]]:
    """``(key, value, origin)`` of every setting; values are plain JSON values, secrets redacted."""
    return [(setting.key, _plain(_value(loaded, setting)), loaded.origins[setting.key]) for setting in settings()]


def as_json(loaded: Loaded) -> str:
    """An array of ``{key, value, origin}``."""
    return json.dumps([{"key": key, "value": value, "origin": origin} for key, value, origin in rows(loaded)], indent=2)


def as_yaml(loaded: Loaded) -> str:
    """A configuration file with the effective values, each with its origin as a comment.

    Redacted secrets and what is not set are left out, so that the file can be used as it is.
    """
    lines: list[str] = []
    section = ""
    for setting, (_, value, origin) in zip(settings(), rows(loaded), strict=True):
        if value is None or value == REDACTED:
            continue
        if setting.section != section:
            section = setting.section
            lines.append(f"{section}:")
        text = yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n").removesuffix("\n...")
        lines.append(f"{'  ' if section else ''}{setting.path[-1]}: {text}  # {origin}")
    return "\n".join(lines) + "\n"


def schema() -> str:
    """The JSON schema of the configuration file."""
    document = Settings.model_json_schema()
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    document["title"] = "fleetgate configuration"
    return json.dumps(document, indent=2)


def documentation() -> str:
    """The page ``docs/configuration.md``."""
    parts = [_INTRODUCTION]
    for name, about in sections().items():
        parts.append(f"\n## {name}\n\n{about}\n" if name else "\n## General\n")
        parts.append("\n| setting | flag | environment | default | meaning |\n|---|---|---|---|---|\n")
        for setting in settings():
            if setting.section == name:
                default = f"`{default_text(setting)}`" if default_text(setting) else ""
                flag = f"`{setting.flag}`" + (" (repeatable)" if setting.repeatable else "")
                meaning = setting.help.replace("|", "\\|")
                parts.append(f"| `{setting.key}` | {flag} | `{setting.env}` | {default} | {meaning} |\n")
    return "".join(parts)


def _value(loaded: Loaded, setting: Setting) -> Any:
    value: Any = loaded.settings
    for name in setting.path:
        value = getattr(value, name)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return REDACTED if value.get_secret_value() else ""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


_INTRODUCTION = """# Configuration of `fleetgate serve`

<!-- Generated from service/fleetgate/config/model.py by `fleetgate config docs`; a test keeps them equal. -->

A value comes from, in rising order: its default, the configuration file (YAML; `--config` or `FLEETGATE_CONFIG`), an
environment variable, a flag. Lists in environment variables are separated by commas. Unknown settings are refused, in
the file and in variables that begin with `FLEETGATE_` alike; the variables that Kubernetes makes for Services
(`FLEETGATE_SERVICE_HOST` and the like) are left alone.

`fleetgate config show` prints every value with its origin, `fleetgate config schema` the JSON schema of the file.
"""

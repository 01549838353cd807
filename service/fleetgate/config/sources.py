"""Where values come from: a YAML file, ``FLEETGATE_*`` and flags, each with the origin of every value.

Kubernetes puts variables such as ``FLEETGATE_SERVICE_HOST`` and ``FLEETGATE_PORT_9443_TCP`` into every Pod beside a
Service named ``fleetgate…``: those are not ours and are left alone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic_settings import BaseSettings, EnvSettingsSource

from fleetgate.config.catalog import ENV_PREFIX, Setting, sections, settings
from fleetgate.config.model import Settings

CONFIG_VARIABLE = "FLEETGATE_CONFIG"
_OTHERS = frozenset({CONFIG_VARIABLE, "FLEETGATE_CONFORMANCE", "FLEETGATE_CONFORMANCE_REQUIRED", "FLEETGATE_WORKLOADS"})
"""Variables of the command itself and of the project's tests."""

_WEBHOOK_PREFIX = "FLEETGATE_WEBHOOK_"
"""Settings of `fleetgate webhook`, which may share an environment with the server. No section of ours has this name."""

_SERVICE_LINK = re.compile(r"FLEETGATE_(\w+_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")


@dataclass(slots=True)
class Layer:
    """Values of one source as a tree, the origin of each leaf by its key, and what is wrong with the source."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def from_file(path: Path) -> Layer:
    """Read a YAML file; origins are ``path:line``."""
    layer = Layer()
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        layer.problems.append(f"{path}: {error.strerror}")
        return layer
    except UnicodeDecodeError as error:
        layer.problems.append(f"{path}: {error}")
        return layer
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        layer.problems.append(f"{path}:{line}: {error.problem or 'not YAML'}")
        return layer
    if root is None:
        return layer
    if not isinstance(root, yaml.MappingNode):
        layer.problems.append(f"{path}:{root.start_mark.line + 1}: must be a mapping of settings")
        return layer
    _read_mapping(layer, path, root, ())
    return layer


def _read_mapping(layer: Layer, path: Path, node: yaml.MappingNode, prefix: tuple[str, ...]) -> None:
    leaves = {setting.path: setting for setting in settings()}
    seen: set[str] = set()
    for key_node, value_node in node.value:
        name, place = str(key_node.value), f"{path}:{key_node.start_mark.line + 1}"
        if name in seen:
            layer.problems.append(f"{place}: `{name}` is given twice")
        seen.add(name)
        inner = (*prefix, name)
        if inner in leaves:
            _insert(layer.values, inner, _construct(value_node))
            layer.origins[leaves[inner].key] = place
        elif not prefix and name in sections():
            if isinstance(value_node, yaml.MappingNode):
                _read_mapping(layer, path, value_node, inner)
            elif _construct(value_node) is not None:
                layer.problems.append(f"{place}: `{name}` must be a mapping")
        else:
            layer.problems.append(f"{place}: unknown setting `{'.'.join(inner)}`{_suggest_key(inner)}")


def _construct(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def from_environment(environment: Mapping[str, str]) -> Layer:
    """Read ``FLEETGATE_*`` by pydantic-settings; ``__`` separates sections."""
    layer = Layer()
    names = {setting.env: setting for setting in settings()}
    known: dict[str, str] = {}
    for name in sorted(environment):
        if not name.startswith(ENV_PREFIX) or _is_of_others(name):
            continue
        if name in names:
            known[name] = environment[name]
            layer.origins[names[name].key] = f"env {name}"
        else:
            layer.problems.append(f"{name}: unknown setting{_suggest(name, names)}")
    layer.values = _Environment(Settings, known)()
    return layer


def _is_of_others(name: str) -> bool:
    return name in _OTHERS or name.startswith(_WEBHOOK_PREFIX) or _SERVICE_LINK.fullmatch(name) is not None


class _Environment(EnvSettingsSource):
    """pydantic-settings' reading of variables, of the mapping that it is given."""

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str]) -> None:
        self._variables = variables
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._variables.items()}


def from_flags(given: Mapping[Setting, Any]) -> Layer:
    """Take what the command line gave."""
    layer = Layer()
    for setting, value in given.items():
        _insert(layer.values, setting.path, value)
        layer.origins[setting.key] = f"flag {setting.flag}"
    return layer


def _insert(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value


def _suggest_key(path: tuple[str, ...]) -> str:
    known = [setting.key for setting in settings()] + [name for name in sections() if name]
    by_leaf = [setting.key for setting in settings() if setting.path[-1] == path[-1]]
    return f"; did you mean `{by_leaf[0]}`?" if len(by_leaf) == 1 else _suggest(".".join(path), known)


def _suggest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""

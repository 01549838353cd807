"""YAML documents as JSON, read as Kubernetes reads them (YAML 1.1 scalars), where the core is not there to do it."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from .objects import ManifestError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _KubernetesLoader(_Loader):  # type: ignore[misc]
    """Dates stay text, as in JSON; ``y`` and ``n`` are booleans."""


_KubernetesLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_KubernetesLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^[yYnN]$"), list("yYnN"))
_KubernetesLoader.bool_values = {**_Loader.bool_values, "y": True, "n": False}


def yaml_documents(path: str, data: bytes) -> list[tuple[int, bytes]]:
    """The documents of a file: 1-based line, JSON. Empty ones are left out. Raises ManifestError."""
    loader = _KubernetesLoader(data)
    found: list[tuple[int, bytes]] = []
    try:
        while loader.check_node():
            node = loader.get_node()
            value = loader.construct_document(node)
            if value is not None:
                text = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
                found.append((node.start_mark.line + 1, text))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ManifestError(f"{path}: it is no YAML that Kubernetes takes: {error}") from error
    finally:
        loader.dispose()
    return found

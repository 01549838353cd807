"""JSON and YAML, safe to show on a terminal."""

from __future__ import annotations

import json
import re
from typing import Any

from .terminal import printable

_STEERING = re.compile(r"[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
"""What JSON may carry unescaped although a terminal obeys it. C0 controls are always escaped in JSON."""

_OF_LIBYAML = re.compile(r"\\[NU]|^[ -]*(?:''|\?)[: ]", re.MULTILINE)
"""Where libyaml differs from PyYAML: next lines, characters beyond the first plane, keys that are empty or long."""

_GO_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def json_text(value: Any, *, indent: int = 2, like_go: bool = False) -> str:
    """Return ``value`` as indented JSON, newline-terminated.

    ``like_go`` also escapes what Go's ``encoding/json`` escapes (``<``, ``>``, ``&``), for outputs to be compared with
    a Go program's. All these characters occur inside strings only, so that escaping them keeps the document's meaning.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    if like_go:
        text = text.translate(_GO_ESCAPES)
    return safe_json(text) + "\n"


def large_json_text(value: Any) -> str:
    """The same as :func:`json_text` for a large document, in a fraction of the time."""
    import msgspec  # noqa: PLC0415 (only where documents are large)

    text: str = msgspec.json.format(json.dumps(value, ensure_ascii=False), indent=2)
    return safe_json(text) + "\n"


def safe_json(text: str) -> str:
    """Escape, in a JSON text, what a terminal would obey."""
    return _STEERING.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def yaml_text(value: Any) -> str:
    """Return ``value`` as YAML, keys in the order given, that every YAML 1.1 and 1.2 reader takes the same way."""
    text = _yaml(value, allow_unicode=True)
    if all(line == printable(line) for line in text.split("\n")):
        return text
    return _yaml(value, allow_unicode=False)


def _yaml(value: Any, *, allow_unicode: bool) -> str:
    """libyaml is ten times as fast; where it would write something in its own way, the slow one writes it."""
    import yaml  # noqa: PLC0415 (only where YAML is asked for)

    options: dict[str, Any] = {"sort_keys": False, "allow_unicode": allow_unicode, "width": 1_000_000}
    if fast := getattr(yaml, "CSafeDumper", None):
        text: str = yaml.dump(value, Dumper=fast, **options)
        if not _OF_LIBYAML.search(text):
            return text
    slow: str = yaml.dump(value, Dumper=yaml.SafeDumper, **options)
    return slow

"""Logs: the standard library's logging with one formatter, JSON or text, on standard error.

Whoever logs puts facts into ``extra={"fields": {...}}``; never an object's body. Both forms escape control characters:
names come from outside.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

FIELDS = "fields"
"""Attribute of a record that holds the facts of an event."""


def configure(level: str, style: str) -> None:
    """Replace the root logger's handlers. ``style`` is auto, json or text."""
    handler = logging.StreamHandler(sys.stderr)
    text = style == "text" or (style == "auto" and sys.stderr.isatty())
    handler.setFormatter(TextFormatter() if text else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Both report at info or debug what they do themselves, many times a second.
    for chatty in ("watchfiles", "grpc._cython"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


class JsonFormatter(logging.Formatter):
    """One JSON object per line; keys in ``names.LOG_KEYS``, then the event's own."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        line: dict[str, Any] = {
            "time": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, FIELDS, {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=True, default=str)


class TextFormatter(logging.Formatter):
    """Time, level, message and ``key=value`` pairs, for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Render a record."""
        facts = "".join(f" {key}={_plain(value)}" for key, value in getattr(record, FIELDS, {}).items())
        message = "\n".join(map(_visible, record.getMessage().splitlines()))
        text = f"{_timestamp(record)} {record.levelname.lower():7} {message}{facts}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def _plain(value: object) -> str:
    text = _visible(str(value))
    if text and not any(char in text for char in ' "='):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _visible(text: str) -> str:
    """Escape control characters: a name must not be able to rewrite the terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _timestamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

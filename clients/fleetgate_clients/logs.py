"""Logs: one JSON object per line on standard error (or plain text for a terminal).

Fields go through ``extra={"fields": {...}}``. Whoever logs says which fields; objects under review never are one. JSON
escapes control characters, so a name cannot forge a line or move a terminal's cursor; the text form does the same.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

_MAX_TEXT = 300


def cut(text: str) -> str:
    """Shorten what a caller chose: nobody has checked how long it is."""
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, dict) else {}


def _printable(text: str) -> str:
    return text if text.isprintable() else json.dumps(text, ensure_ascii=False)[1:-1]


class JsonFormatter(logging.Formatter):
    """``{"time", "level", "logger", "message", ...fields, "exception"}``; time is RFC 3339 in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one line."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class TextFormatter(logging.Formatter):
    """``time level message key=value ...`` for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one line (more with an exception)."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        fields = "".join(f" {key}={_printable(str(value))}" for key, value in _fields(record).items())
        line = f"{time} {record.levelname:<7} {_printable(record.getMessage())}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(level: str, form: str) -> None:
    """Send the logs of this process to standard error. ``form`` is ``json`` or ``text``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Below warnings these speak of their own machinery, once per request.
    for noisy in ("aiohttp", "asyncio", "grpc", "opentelemetry"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

"""Go's time.ParseDuration, in which an API server writes ``?timeout=10s``."""

from __future__ import annotations

import re

_MAX_LENGTH = 64
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_WHOLE = re.compile(r"[+-]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)


def parse_duration(text: str) -> float:
    """Return seconds. Raises ValueError for what Go refuses (``10``, ``1d``, empty)."""
    # Longer than any API server writes; matching takes quadratic time.
    if len(text) > _MAX_LENGTH or not _WHOLE.fullmatch(text):
        raise ValueError(f"invalid duration {text[:_MAX_LENGTH]!r}: write it as in 300ms, 3s, 1m30s")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return -seconds if text.startswith("-") else seconds

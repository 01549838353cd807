"""Takes out of recorded text what differs from run to run and no policy reads: ids, times and resource versions."""

from __future__ import annotations

import re

UUID = re.compile(rb"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
TIME = re.compile(rb"\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z")
RESOURCE_VERSION = re.compile(rb"""(?P<key>["']?resourceVersion["']?: ?["'])(?P<value>\d+)(?=["'])""")
FIXED_TIME = b"2026-01-01T00:00:00Z"


class Stabiliser:
    """One per recording run: the same id becomes the same text in every file, numbered by first appearance."""

    def __init__(self) -> None:
        self._uuids: dict[bytes, bytes] = {}
        self._versions: dict[bytes, bytes] = {}

    def __call__(self, text: bytes) -> bytes:
        """Return `text` with every id, time and resource version replaced, and every other byte as it was."""
        text = UUID.sub(self._uuid, text)
        text = TIME.sub(FIXED_TIME, text)
        return RESOURCE_VERSION.sub(self._version, text)

    def _uuid(self, match: re.Match[bytes]) -> bytes:
        number = len(self._uuids) + 1
        return self._uuids.setdefault(match[0], b"00000000-0000-4000-8000-%012x" % number)

    def _version(self, match: re.Match[bytes]) -> bytes:
        number = len(self._versions) + 1
        return match["key"] + self._versions.setdefault(match["value"], b"%d" % number)

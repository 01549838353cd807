"""What a real API server sends today is what was recorded: the tests that have none stand on true ground."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.record import TARGET, record

pytestmark = pytest.mark.e2e

# Differs between recordings: generated names, order by the second of writing, how often a vanishing Pod is asked about.
VARIABLE = frozenset({"managedFields"})
REPEATED = "delete-pod-"


def test_recording_again_gives_the_same_reviews(tmp_path: Path) -> None:
    record(tmp_path)

    assert reviews(tmp_path) == reviews(TARGET)


def reviews(directory: Path) -> dict[str, Any]:
    """Return the reviews of a recording by file name, without what differs."""
    return {
        path.name: comparable(path.read_text())
        for path in sorted(directory.glob("[0-9]*.json"))
        if REPEATED not in path.name or "dry-run" in path.name
    }


def comparable(text: str) -> Any:
    """Return the review without variable fields, and with a generated name cut to its prefix."""
    metadata = (json.loads(text)["request"]["object"] or {}).get("metadata", {})
    if "generateName" in metadata:
        text = text.replace(metadata["name"], metadata["generateName"])
    return json.loads(text, object_pairs_hook=lambda pairs: {k: v for k, v in pairs if k not in VARIABLE})

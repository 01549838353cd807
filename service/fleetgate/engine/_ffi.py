"""Loads the native extension; nothing else imports :mod:`fleetgate._native`."""

from __future__ import annotations

from fleetgate._native import (
    REGORUS_VERSION,
    SOURCE_DIGEST,
    BatchDecision,
    Decision,
    Document,
    Engine,
    Generation,
    read_documents,
)

__all__ = [
    "REGORUS_VERSION",
    "SOURCE_DIGEST",
    "BatchDecision",
    "Decision",
    "Document",
    "Engine",
    "Generation",
    "read_documents",
]

"""Rego as OPA means it, for programs: :func:`evaluate`."""

from __future__ import annotations

from fleetgate.engine import RegoDefect, RegoError, RegoLocation

from .evaluation import evaluate

__all__ = ["RegoDefect", "RegoError", "RegoLocation", "evaluate"]

"""The Namespaces of the webhook's cluster, as JSON bytes that go along with each review."""

from __future__ import annotations

from typing import Protocol


class NamespaceError(Exception):
    """A look-up failed; the text is what Gatekeeper would say."""


class NamespaceNotFound(NamespaceError):  # noqa: N818
    """There is no such Namespace."""

    def __init__(self, name: str) -> None:
        super().__init__(f'namespaces "{name}" not found')


class Namespaces(Protocol):
    """A source of Namespaces."""

    async def start(self) -> None:
        """Begin to load. Returns at once where loading takes time; ``ready`` tells when it is done."""

    @property
    def ready(self) -> bool:
        """Whether every Namespace has been read once."""

    @property
    def count(self) -> int:
        """Number of Namespaces known."""

    async def get(self, name: str, *, timeout: float) -> bytes:
        """Return the JSON of a v1 Namespace within ``timeout`` seconds. Raises NamespaceError."""

    async def close(self) -> None:
        """Stop."""

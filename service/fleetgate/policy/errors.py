"""What can go wrong with policies apart from their content (that is the engine's PolicyError)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleetgate.engine.exceptions import Diagnostic


class BundleNameInvalid(Exception):  # noqa: N818 (it names the bundle's state)
    """A bundle's name cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.field = "bundle"
        self.message = message


class NoStateDirectory(Exception):  # noqa: N818
    """A bundle cannot be applied because it would not outlive the process."""

    def __init__(self) -> None:
        super().__init__("the server has no state directory (--state-directory): only dry runs can be applied")


class StorageFailed(Exception):  # noqa: N818
    """The state directory cannot be read or written."""


class SourceFailed(Exception):  # noqa: N818
    """A policy directory cannot be read."""


class BundlesRefused(Exception):  # noqa: N818
    """Policies cannot be restored. ``bundles`` are the refused ones, each the defects and the files they are in."""

    def __init__(self, bundles: Sequence[tuple[Sequence[Diagnostic], Mapping[str, bytes]]]) -> None:
        super().__init__("\n".join(str(diagnostic) for diagnostics, _ in bundles for diagnostic in diagnostics))
        self.bundles = tuple(bundles)

    @property
    def count(self) -> int:
        """Number of defects."""
        return sum(len(diagnostics) for diagnostics, _ in self.bundles)

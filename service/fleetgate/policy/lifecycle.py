"""The life of policies: restored at start, replaced by changing directories and by ApplyPolicies, always as a whole.

One lock orders all changes. A refused change leaves the published generation, the stored bundle and the directories'
last good set as they were.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from fleetgate.engine import Engine, Generation
from fleetgate.engine.exceptions import Diagnostic, PolicyError
from fleetgate.policy import directory
from fleetgate.policy.errors import BundleNameInvalid, BundlesRefused, NoStateDirectory, SourceFailed
from fleetgate.policy.store import BundleStore, Files, StoredBundle

_LOGGER = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9._-][A-Za-z0-9._/-]{0,252}")


class Observer(Protocol):
    """Who wants to know of policy changes (telemetry)."""

    def loaded(self, published: bool, seconds: float) -> None:
        """A bundle was loaded, or refused."""

    def reloaded(self, refused: bool) -> None:
        """Changed directories were read, and taken or refused."""

    def published(self, generation: Generation) -> None:
        """Another generation is published."""


class Policies:
    """Brings bundles into the engine. Thread-safe."""

    def __init__(
        self,
        engine: Engine,
        paths: Sequence[Path],
        store: BundleStore | None,
        observer: Observer,
        *,
        allow_empty: bool = False,
    ) -> None:
        """``paths`` are the policy directories. Unless ``allow_empty``, one that loses its last file while this runs is
        a failure: a volume that is not mounted any more looks the same.
        """
        self._engine, self._paths, self._store, self._observer = engine, tuple(paths), store, observer
        self._allow_empty = allow_empty
        self._lock = threading.Lock()
        self._seen: directory.Fingerprint | None = None
        self._published: directory.Fingerprint = ()
        self._refused = False
        """Whether what was read last was refused."""

    def restore(self) -> None:
        """Publish the directories' policies and the stored bundles, which may refer to each other.

        Raises BundlesRefused with the defects of all that cannot be published, SourceFailed, StorageFailed.
        """
        with self._lock:
            waiting: list[StoredBundle] = []
            if self._paths:
                snapshot = directory.read(self._paths)
                self._seen = snapshot.fingerprint
                waiting.append(StoredBundle(directory.bundle_name(self._paths), snapshot.files))
            if self._store is not None:
                waiting.extend(self._store.load())
            self._publish_in_any_order(waiting)
            self._published = self._seen or ()

    def _publish_in_any_order(self, waiting: list[StoredBundle]) -> None:
        while waiting:
            refused: list[StoredBundle] = []
            defects: list[Sequence[Diagnostic]] = []
            for bundle in waiting:
                try:
                    self._publish(bundle.name, bundle.files)
                except PolicyError as error:
                    refused.append(bundle)
                    defects.append(error.diagnostics)
            if len(refused) == len(waiting):
                raise BundlesRefused([(found, dict(one.files)) for found, one in zip(defects, refused, strict=True)])
            waiting = refused

    def reload(self) -> bool:
        """Read the directories and publish what changed; whether something was. Defects are logged, never raised."""
        with self._lock:
            try:
                if directory.fingerprint(self._paths) == self._seen:
                    return False
                snapshot = directory.read(self._paths)
                # Remembered before it is judged: a bad set is reported once, not at every look.
                self._seen = snapshot.fingerprint
                if self._lost_a_directory(snapshot.fingerprint):
                    return False
                before = self._engine.generation.number
                generation = self._publish(directory.bundle_name(self._paths), snapshot.files)
                self._published = snapshot.fingerprint
                self._taken(generation, changed=generation.number != before)
                return generation.number != before
            except SourceFailed as error:
                self._seen = None
                self._refuse()
                _LOGGER.error("policies not reloaded, the last good ones stay: %s", error)  # noqa: TRY400 (no defect of ours)
            except PolicyError as error:
                self._refuse()
                for diagnostic in error.diagnostics:
                    _LOGGER.error("policy refused: %s", diagnostic, extra=_fields(diagnostic))  # noqa: TRY400
                facts = {"errors": len(error.diagnostics), "generation": self._engine.generation.number}
                _LOGGER.error("policies not reloaded, the last good ones stay", extra={"fields": facts})  # noqa: TRY400
            return False

    def _lost_a_directory(self, now: directory.Fingerprint) -> bool:
        """Whether a directory is empty that was not, and may not be so."""
        emptied = [] if self._allow_empty else directory.emptied(self._paths, self._published, now)
        for path in emptied:
            _LOGGER.error(
                "policies not reloaded, the last good ones stay: %s holds no policy file any more "
                "(reload.allow_empty publishes that)",
                path,
            )
        if emptied:
            self._refuse()
        return bool(emptied)

    def _refuse(self) -> None:
        self._refused = True
        self._observer.reloaded(refused=True)

    def _taken(self, generation: Generation, *, changed: bool) -> None:
        if self._refused and not changed:
            # A bad change that was taken back publishes nothing, so nothing else says that it is over.
            facts = {"generation": generation.number, "digest": generation.digest}
            _LOGGER.info("policies are as published again", extra={"fields": facts})
        self._refused = False
        self._observer.reloaded(refused=False)

    def apply(self, name: str, files: Files, *, dry_run: bool) -> tuple[Generation, bool]:
        """Replace an applied bundle: validate, store, publish, in this order. Returns the published generation and
        whether it is another than before.

        Raises PolicyError, BundleNameInvalid, NoStateDirectory, StorageFailed.
        """
        if not _NAME.fullmatch(name):
            raise BundleNameInvalid(
                "must be 1 to 253 characters of A-Z, a-z, 0-9, '.', '_', '/' and '-', and not begin with '/'"
            )
        with self._lock:
            before = self._engine.generation
            if dry_run:
                self._engine.apply_bundle(name, files, dry_run=True)
                return before, False
            if self._store is None:
                raise NoStateDirectory
            self._engine.apply_bundle(name, files, dry_run=True)
            self._store.replace(name, files)
            generation = self._publish(name, files)
            return generation, generation.number != before.number

    def _publish(self, name: str, files: Files) -> Generation:
        before = self._engine.generation.number
        started = time.perf_counter()
        published = False
        try:
            generation = self._engine.apply_bundle(name, files)
            published = True
        finally:
            self._observer.loaded(published, time.perf_counter() - started)
        if generation.number != before:
            self._observer.published(generation)
            _LOGGER.info(
                "policies published",
                extra={
                    "fields": {
                        "bundle": name,
                        "generation": generation.number,
                        "digest": generation.digest,
                        "templates": generation.templates,
                        "constraints": generation.constraints,
                    }
                },
            )
        return generation


def _fields(diagnostic: Diagnostic) -> dict[str, object]:
    place = {"path": diagnostic.path, "line": diagnostic.line, "column": diagnostic.column, "field": diagnostic.field}
    return {"fields": {**place, "code": diagnostic.code}}

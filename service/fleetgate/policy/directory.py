"""Policy files of directories, read as one consistent set.

Kubernetes mounts a ConfigMap as symbolic links into a hidden directory that it replaces by one rename: hidden names are
skipped and links are followed, as long as they stay inside the path that was given. A set is read between two equal
fingerprints of the tree, so that a swap in the middle never gives half of each.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetgate.policy.errors import SourceFailed

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
SAMPLES = "samples"
"""Directories of objects to try policies on, as libraries have them beside each template: they are not loaded."""
_ATTEMPTS = 10
_BUNDLE_NAME = re.compile(r"[A-Za-z0-9._/-]{1,253}")
_MAX_DEPTH = 32
"""Depth of directories: ends a circle of links."""

Fingerprint = tuple[tuple[str, str, int, int, int], ...]
"""Per file: path, real path, inode, size, modification time in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Files of all directories, ``(path as shown, content)``, sorted by path."""

    files: tuple[tuple[str, bytes], ...]
    fingerprint: Fingerprint


def bundle_name(paths: Sequence[Path]) -> str:
    """Name of the bundle that the directories make together: the absolute path, or where there are several, or where
    a bundle cannot be called so, ``/directories/`` and a digest of them.

    It begins with a slash, which names of applied bundles may not.
    """
    joined = os.pathsep.join(str(path.absolute()) for path in paths)
    if _BUNDLE_NAME.fullmatch(joined):
        return joined
    return f"/directories/{hashlib.sha256(joined.encode()).hexdigest()[:16]}"


_MOVED: Fingerprint = (("", "", 0, 0, 0),)
"""Of a tree that was changed while it was looked at: no state of any tree has it."""

_PAUSE_SECONDS = 0.02


def read(paths: Sequence[Path]) -> Snapshot:
    """Read all policy files. Raises SourceFailed, also when the tree does not hold still."""
    for _ in range(_ATTEMPTS):
        before = fingerprint(paths)
        if before == _MOVED:
            time.sleep(_PAUSE_SECONDS)
            continue
        try:
            files = tuple((shown, Path(real).read_bytes()) for shown, real, *_ in before)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SourceFailed(f"{error.filename}: {error.strerror}") from error
        if fingerprint(paths) == before:
            return Snapshot(files, before)
    raise SourceFailed(
        f"{', '.join(map(str, paths))}: the files kept changing while they were read, or a link there leads nowhere"
    )


def fingerprint(paths: Sequence[Path]) -> Fingerprint:
    """What distinguishes one state of the directories from another. Raises SourceFailed."""
    found: dict[str, tuple[str, str, int, int, int]] = {}
    for path in paths:
        try:
            root = _real(path)
            # A path that is a file itself is taken as it is named; its neighbours are none of ours.
            files = _walk(path, root, 0) if root.is_dir() else iter([path])
            for file in files:
                real = _real(file)
                status = real.stat()
                found[str(file)] = (str(file), str(real), status.st_ino, status.st_size, status.st_mtime_ns)
        except FileNotFoundError as error:
            if not path.exists():
                raise SourceFailed(f"{path}: no such file or directory") from error
            return _MOVED  # swapped under our feet, or a link that dangles: never a state to publish
        except OSError as error:
            raise SourceFailed(f"{error.filename or path}: {error.strerror or error}") from error
    return tuple(found[name] for name in sorted(found))


def emptied(paths: Sequence[Path], before: Fingerprint, now: Fingerprint) -> list[Path]:
    """Those of the paths that had policy files and have none any more."""
    return [path for path in paths if _has_files(path, before) and not _has_files(path, now)]


def _has_files(path: Path, fingerprint: Fingerprint) -> bool:
    return any(Path(shown).is_relative_to(path) for shown, *_ in fingerprint)


def _walk(directory: Path, root: Path, depth: int) -> Iterator[Path]:
    if depth > _MAX_DEPTH:
        raise SourceFailed(f"{directory}: more than {_MAX_DEPTH} directories deep")
    for entry in sorted(directory.iterdir()):
        if entry.name.startswith(".") or entry.name == SAMPLES:
            continue
        real = _real(entry)
        if not real.is_relative_to(root):
            raise SourceFailed(f"{entry}: the link leads out of {root}")
        mode = real.stat().st_mode
        if stat.S_ISDIR(mode):
            yield from _walk(entry, root, depth + 1)
        elif stat.S_ISREG(mode) and entry.suffix.lower() in SUFFIXES:
            yield entry


def _real(path: Path) -> Path:
    """The path without links. Raises OSError, for links in a circle too: ``Path.resolve`` has RuntimeError for those
    before Python 3.13.
    """
    return Path(os.path.realpath(path, strict=True))

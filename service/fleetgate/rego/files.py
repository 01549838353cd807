"""Modules and data of files and directories, as ``opa eval --data`` finds them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

_MAX_DEPTH = 32
"""Depth of directories: ends a circle of links."""

_MODULE = ".rego"
_DATA = frozenset({".json", ".yaml", ".yml"})

_PACKAGE = re.compile(rb"^\s*package\s", re.MULTILINE)


class NotLoadedError(Exception):
    """Files that cannot be loaded; ``problems`` says of each why."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(slots=True)
class Files:
    """What was found."""

    modules: dict[str, str] = field(default_factory=dict)
    """Texts by path."""
    data: list[tuple[str, tuple[str, ...], bytes]] = field(default_factory=list)
    """Path, place below ``data``, text."""


def load(paths: list[str]) -> Files:
    """Read paths, each of which may begin with where its data belongs: ``a.b:file.json`` is loaded below ``data.a.b``.

    In directories every ``.rego``, ``.json``, ``.yaml`` and ``.yml`` is read; data below a directory inside belongs
    below its name. Raises NotLoadedError.
    """
    loader = _Loader()
    for path in paths:
        place, name = _split(path)
        loader.load(Path(name), place)
    if loader.problems:
        raise NotLoadedError(loader.problems)
    return loader.files


def _split(path: str) -> tuple[tuple[str, ...], str]:
    prefix, colon, rest = path.partition(":")
    return (tuple(prefix.split(".")), rest) if colon and prefix else ((), path)


class _Loader:
    def __init__(self) -> None:
        self.files = Files()
        self.problems: list[str] = []
        self._seen: set[tuple[Path, tuple[str, ...]]] = set()

    def load(self, path: Path, place: tuple[str, ...], depth: int = 0) -> None:
        try:
            if path.is_dir():
                self._load_directory(path, (*place, path.name) if depth else place, depth)
            elif depth == 0 or path.suffix == _MODULE or path.suffix in _DATA:
                self._load_file(path, place)
        except OSError as error:
            self.problems.append(f"stat {path}: {(error.strerror or str(error)).lower()}")
        except UnicodeDecodeError:
            self.problems.append(f"{path}: not UTF-8")

    def _load_directory(self, path: Path, place: tuple[str, ...], depth: int) -> None:
        if depth > _MAX_DEPTH:
            self.problems.append(f"{path}: more than {_MAX_DEPTH} directories deep")
            return
        for entry in sorted(path.iterdir()):
            self.load(entry, place, depth + 1)

    def _load_file(self, path: Path, place: tuple[str, ...]) -> None:
        if (path, place) in self._seen:
            return
        self._seen.add((path, place))
        text = path.read_bytes()
        # What has no name of its kind is what it looks like, such as the pipe of a shell's process substitution.
        if path.suffix == _MODULE or (path.suffix not in _DATA and _PACKAGE.search(text)):
            self.files.modules[str(path)] = text.decode()
        else:
            self.files.data.append((str(path), place, text))

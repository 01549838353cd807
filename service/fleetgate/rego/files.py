"""Modules and data of files and directories, as ``opa eval --data`` finds them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

_MAX_DEPTH = 32
"""Depth of directories: ends a circle of links."""

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
    files, problems = Files(), list[str]()
    seen: set[tuple[str, tuple[str, ...]]] = set()
    for path in paths:
        place, name = _split(path)
        _load(Path(name), place, 0, files, seen, problems)
    if problems:
        raise NotLoadedError(problems)
    return files


def _split(path: str) -> tuple[tuple[str, ...], str]:
    prefix, colon, rest = path.partition(":")
    return (tuple(prefix.split(".")), rest) if colon and prefix else ((), path)


def _load(
    path: Path,
    place: tuple[str, ...],
    depth: int,
    files: Files,
    seen: set[tuple[str, tuple[str, ...]]],
    problems: list[str],
) -> None:
    try:
        if path.is_dir():
            if depth > _MAX_DEPTH:
                problems.append(f"{path}: more than {_MAX_DEPTH} directories deep")
                return
            inside = (*place, path.name) if depth else place
            for entry in sorted(path.iterdir()):
                _load(entry, inside, depth + 1, files, seen, problems)
        elif path.suffix == ".rego":
            files.modules[str(path)] = path.read_bytes().decode()
        elif path.suffix in _DATA:
            if (str(path), place) not in seen:
                seen.add((str(path), place))
                files.data.append((str(path), place, path.read_bytes()))
        elif depth == 0:
            # Named by itself it is what it looks like, such as the pipe of a shell's process substitution.
            text = path.read_bytes()
            if _PACKAGE.search(text):
                files.modules[str(path)] = text.decode()
            else:
                files.data.append((str(path), place, text))
    except OSError as error:
        problems.append(f"{path}: {(error.strerror or str(error)).lower()}")
    except UnicodeDecodeError:
        problems.append(f"{path}: not UTF-8")

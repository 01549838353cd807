"""Find Suite files: a file, a directory, or ``DIRECTORY/...`` for the tree below it, as gator."""

from __future__ import annotations

import os
from pathlib import Path

TREE = "/..."
_EXTENSIONS = frozenset({".yaml", ".yml"})


class PathError(Exception):
    """An argument that names nothing usable."""


def candidate_files(argument: str) -> list[tuple[Path, str]]:
    """Return the YAML files that ``argument`` names, each with the path to show, sorted. Raises PathError."""
    tree = argument.endswith(TREE)
    shown = argument.removesuffix(TREE) or "/" if tree else argument
    root = Path(shown)
    if not root.exists():
        raise PathError(f"{shown}: no such file or directory")
    if root.is_dir():
        files = _below(root) if tree else sorted(path for path in root.iterdir() if _is_yaml(path))
        return [(path, str(path)) for path in files]
    if tree:
        raise PathError(f"{shown}: not a directory; only a directory can end in {TREE}")
    if root.suffix not in _EXTENSIONS:
        raise PathError(f"{shown}: a suite's file ends in .yaml or .yml")
    return [(root, shown)]


def _below(root: Path) -> list[Path]:
    found = [
        Path(directory, name)
        for directory, _, names in os.walk(root)
        for name in names
        if Path(name).suffix in _EXTENSIONS
    ]
    return sorted(found)


def _is_yaml(path: Path) -> bool:
    return path.suffix in _EXTENSIONS and not path.is_dir()

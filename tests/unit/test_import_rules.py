"""The import rule that import-linter cannot check, since the native module has no Python source."""

from __future__ import annotations

import ast
from pathlib import Path

import fleetgate

SERVICE = Path(fleetgate.__file__).parent


def _imports_native(source: str) -> bool:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import) and any(alias.name == "fleetgate._native" for alias in node.names):
            return True
        if isinstance(node, ast.ImportFrom):
            if node.module == "fleetgate._native":
                return True
            if node.module == "fleetgate" and any(alias.name == "_native" for alias in node.names):
                return True
    return False


def test_only_the_engine_s_door_imports_the_native_module() -> None:
    importers = {
        path.relative_to(SERVICE).as_posix()
        for path in SERVICE.rglob("*.py")
        if _imports_native(path.read_text(encoding="utf-8"))
    }
    assert importers == {"engine/_ffi.py"}

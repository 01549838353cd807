"""CustomResourceDefinitions as Gatekeeper installs them, from the modules that the oracle is built of."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

_ORACLE = Path(__file__).parents[1] / "oracle" / "gatekeeper"


@cache
def _module(name: str) -> Path:
    command = ["go", "list", "-m", "-f", "{{.Dir}}", name]
    found = subprocess.run(command, cwd=_ORACLE, check=True, stdout=subprocess.PIPE, text=True)
    return Path(found.stdout.strip())


def template_definitions() -> Path:
    """That of ConstraintTemplates."""
    return _module("github.com/open-policy-agent/frameworks/constraint") / "deploy" / "crds.yaml"


def gatekeeper_definitions() -> list[str]:
    """Arguments of kubectl: those of ConstraintTemplates, Configs and SyncSets."""
    bases = _module("github.com/open-policy-agent/gatekeeper/v3") / "config" / "crd" / "bases"
    files = [
        template_definitions(),
        *(bases / f"{name}.yaml" for name in ("config.gatekeeper.sh_configs", "syncset.gatekeeper.sh_syncsets")),
    ]
    return [part for file in files for part in ("-f", str(file))]

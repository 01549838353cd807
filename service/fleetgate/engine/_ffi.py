"""Loads the native extension; nothing else imports :mod:`fleetgate._native`.

In a source checkout the extension is a built file among sources that change. One that was built from other sources than
those beside it would answer for code that nobody is looking at, so it is refused here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from fleetgate._native import (
    REGORUS_VERSION,
    SOURCE_DIGEST,
    Agent,
    AuditRun,
    BatchDecision,
    ClusterFeed,
    ClusterIdentity,
    ClusterStatus,
    ContinuousAudit,
    Decision,
    Document,
    Engine,
    Feeds,
    Generation,
    KindFeed,
    KindStatus,
    LintFinding,
    LintReport,
    LintRule,
    ObjectWatch,
    RegoAnswers,
    ResourcesApplied,
    ViolationListing,
    WatchPlan,
    evaluate_rego,
    lint_files,
    lint_rules,
    read_documents,
)

__all__ = [
    "REGORUS_VERSION",
    "SOURCE_DIGEST",
    "Agent",
    "AuditRun",
    "BatchDecision",
    "ClusterFeed",
    "ClusterIdentity",
    "ClusterStatus",
    "ContinuousAudit",
    "Decision",
    "Document",
    "Engine",
    "Feeds",
    "Generation",
    "KindFeed",
    "KindStatus",
    "LintFinding",
    "LintReport",
    "LintRule",
    "ObjectWatch",
    "RegoAnswers",
    "ResourcesApplied",
    "ViolationListing",
    "WatchPlan",
    "check_fresh",
    "evaluate_rego",
    "lint_files",
    "lint_rules",
    "read_documents",
    "source_digest",
]

_SOURCES = Path(__file__).parents[3] / "native"


def source_digest(directory: Path) -> str:
    """SHA-256 over the Rust sources and manifests below a directory, as ``native/build.rs`` computes it."""
    digest = hashlib.sha256()
    for path in sorted(_sources(directory), key=lambda path: path.relative_to(directory).parts):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(directory).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


# Folders that nothing in the extension is made of.
_LEFT_OUT = {"target", "tests", "benches", "fuzz"}


def _sources(directory: Path) -> list[Path]:
    found: list[Path] = []
    for path in directory.iterdir():
        if path.is_dir():
            if path.name not in _LEFT_OUT and not path.name.startswith("."):
                found += _sources(path)
        elif path.name == "Cargo.lock" or path.suffix in {".rs", ".toml"}:
            found.append(path)
    return found


def check_fresh(directory: Path, built_from: str) -> None:
    """Refuse an extension that was built from other sources than those in ``directory``.

    Raises ImportError. An installed wheel has no sources beside it, and nothing is checked.
    """
    if (directory / "build.rs").is_file() and source_digest(directory) != built_from:
        raise ImportError(f"fleetgate._native was built from other sources than those in {directory}: run `make build`")


check_fresh(_SOURCES, SOURCE_DIGEST)

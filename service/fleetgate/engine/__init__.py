"""The decision core: the only door to the native extension.

Import from here, never from :mod:`fleetgate._native`: importing this package checks first that the extension was built
from the sources that stand beside it.
"""

from __future__ import annotations

from fleetgate.engine._ffi import (
    REGORUS_VERSION,
    BatchDecision,
    ClusterStatus,
    Decision,
    Document,
    Engine,
    Generation,
    KindStatus,
    LintFinding,
    LintReport,
    LintRule,
    RegoAnswers,
    ResourcesApplied,
    WatchPlan,
    evaluate_rego,
    lint_files,
    lint_rules,
    read_documents,
)
from fleetgate.engine.exceptions import (
    ClusterMismatch,
    DeadlineExceeded,
    Diagnostic,
    EngineError,
    InternalError,
    InvalidRequest,
    Overloaded,
    PolicyError,
    RegoDefect,
    RegoError,
    RegoLocation,
    RequestTooLarge,
    RevisionUnavailable,
)

__all__ = [
    "REGORUS_VERSION",
    "BatchDecision",
    "ClusterMismatch",
    "ClusterStatus",
    "DeadlineExceeded",
    "Decision",
    "Diagnostic",
    "Document",
    "Engine",
    "EngineError",
    "Generation",
    "KindStatus",
    "InternalError",
    "InvalidRequest",
    "LintFinding",
    "LintReport",
    "LintRule",
    "Overloaded",
    "PolicyError",
    "RegoAnswers",
    "RegoDefect",
    "RegoError",
    "RegoLocation",
    "RequestTooLarge",
    "ResourcesApplied",
    "RevisionUnavailable",
    "WatchPlan",
    "evaluate_rego",
    "lint_files",
    "lint_rules",
    "read_documents",
]

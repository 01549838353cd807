"""Who may call what: one table of methods and roles, default deny. A method that is not in it cannot be registered."""

from __future__ import annotations

from collections.abc import Mapping

OPEN: frozenset[str] = frozenset({"*"})
"""Anybody, even without a valid identity."""

_LOCAL = frozenset({"local"})
_ANONYMOUS = frozenset({"anonymous"})
_REVIEWERS = _LOCAL | _ANONYMOUS | {"cluster/webhook"}
_READERS = _LOCAL | {"cluster/reader", "fleet/reader", "fleet/audit", "fleet/admin"}
_REFLECTORS = _LOCAL | {"fleet/reader", "fleet/admin"}

ROLES: frozenset[str] = (
    _LOCAL
    | _ANONYMOUS
    | {"cluster/webhook", "cluster/sync", "cluster/reader", "fleet/reader", "fleet/audit", "fleet/admin"}
)
"""All roles. ``local`` is plaintext on loopback, ``anonymous`` is TLS without client certificates."""

METHODS: Mapping[str, frozenset[str]] = {
    "/fleetgate.v1.ReviewService/Review": _REVIEWERS,
    "/fleetgate.v1.ReviewService/BatchReview": _REVIEWERS,
    "/fleetgate.v1.PolicyService/ApplyPolicies": _LOCAL | {"fleet/admin"},
    "/fleetgate.v1.PolicyService/GetGeneration": _READERS,
    "/fleetgate.v1.PolicyService/ListTemplates": _READERS,
    "/fleetgate.v1.PolicyService/ListConstraints": _READERS,
    "/fleetgate.v1.InventoryService/ListClusters": _READERS,
    "/fleetgate.v1.InventoryService/QueryInventory": _READERS,
    "/fleetgate.v1.AuditService/RunAudit": _READERS,
    "/fleetgate.v1.AuditService/WatchAudit": _READERS,
    "/fleetgate.v1.AuditService/GetAuditSummary": _READERS,
    "/fleetgate.v1.AuditService/ListAuditRuns": _READERS,
    "/fleetgate.v1.AuditService/ListViolationChanges": _READERS,
    "/fleetgate.v1.AuditService/WhatIf": _READERS,
    "/fleetgate.v1.AuditService/Explain": _READERS,
    "/fleetgate.v1.ServerInfoService/GetServerInfo": ROLES,
    "/grpc.health.v1.Health/Check": OPEN,
    "/grpc.health.v1.Health/List": OPEN,
    "/grpc.health.v1.Health/Watch": OPEN,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": _REFLECTORS,
}
"""Path of a method → the roles that may call it."""


class RoleForbidden(Exception):  # noqa: N818 (it names the role's state)
    """A role may not call a method."""

    def __init__(self, method: str, role: str) -> None:
        super().__init__(f"role {role!r} may not call {method}")
        self.method = method
        self.role = role

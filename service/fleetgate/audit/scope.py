"""What of an audit a caller wants to see: an ``AuditScope``, read as the core reads it."""

from __future__ import annotations

import time
from typing import Protocol

from fleetgate_proto.v1 import audit_pb2, inventory_pb2

from fleetgate.audit.history.reader import Changes
from fleetgate.audit.history.record import resource_of
from fleetgate.engine.exceptions import ClusterMismatch, InvalidRequest

_LOOK_SECONDS = 10.0
"""How long a cluster's labels are taken for what they were."""


class Clusters(Protocol):
    """Knows clusters by names, aliases and labels (the engine)."""

    def list_clusters(self, request: bytes, *, cluster: str | None = None) -> bytes:
        """Answer an encoded ListClustersRequest."""


def narrowed(scope: audit_pb2.AuditScope, own: str | None) -> audit_pb2.AuditScope:
    """The scope of a caller that is bound to a cluster. Raises ClusterMismatch where it names another."""
    if own is None:
        return scope
    for name in scope.clusters:
        if name != own:
            raise ClusterMismatch(own, name)
    found = audit_pb2.AuditScope()
    found.CopyFrom(scope)
    found.clusters[:] = [own]
    return found


def clusters_of(scope: audit_pb2.AuditScope, clusters: Clusters) -> frozenset[str] | None:
    """Names of the clusters of a scope; None is all. One that is named and not known, not any more perhaps, is itself.

    Raises InvalidRequest.
    """
    if not scope.clusters and not scope.cluster_selector:
        return None
    request = inventory_pb2.ListClustersRequest(clusters=scope.clusters, selector=scope.cluster_selector)
    try:
        answer = clusters.list_clusters(request.SerializeToString())
    except InvalidRequest as error:
        raise InvalidRequest("scope.cluster_selector", error.message) from error
    known = inventory_pb2.ListClustersResponse.FromString(answer).clusters
    found = {one.name for one in known}
    if not scope.cluster_selector:
        found.update(set(scope.clusters) - {name for one in known for name in (one.name, *one.aliases)})
    return frozenset(found)


def changes_of(scope: audit_pb2.AuditScope, clusters: Clusters, since: int) -> Changes:
    """A scope as a question to the history. Raises InvalidRequest."""
    return Changes(clusters_of(scope, clusters), [*scope.constraints], [*scope.namespaces], [*scope.kinds], since)


class Filter:
    """Tells whether violations are in a scope. Clusters that come, or get other labels, are seen after a while."""

    def __init__(self, scope: audit_pb2.AuditScope, clusters: Clusters) -> None:
        """Raises InvalidRequest."""
        self._scope, self._clusters = scope, clusters
        self._names, self._looked = clusters_of(scope, clusters), time.monotonic()
        self._constraints = [tuple(one.split("/", 1)) for one in scope.constraints]
        self._namespaces = frozenset(scope.namespaces)
        self._kinds = [(name.lower(), group if dot else None) for name, dot, group in _kinds(scope)]

    def has(self, found: audit_pb2.AuditViolation) -> bool:
        """Whether a violation is in the scope."""
        thing, violation = found.object, found.violation
        return (
            (self._names is None or self._has_cluster(thing.cluster))
            and (not self._namespaces or thing.namespace in self._namespaces)
            and (not self._constraints or self._has_constraint(violation.constraint_kind, violation.constraint_name))
            and (not self._kinds or self._has_kind(thing.kind))
        )

    def _has_cluster(self, name: str) -> bool:
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._names, self._looked = clusters_of(self._scope, self._clusters), time.monotonic()
        return self._names is None or name in self._names

    def _has_constraint(self, kind: str, name: str) -> bool:
        return (kind,) in self._constraints or (kind, name) in self._constraints

    def _has_kind(self, kind: inventory_pb2.KindName) -> bool:
        names = (kind.kind.lower(), resource_of(kind.kind))
        return any(name in names and group in {None, kind.group} for name, group in self._kinds)


def _kinds(scope: audit_pb2.AuditScope) -> list[tuple[str, str, str]]:
    return [one.partition(".") for one in scope.kinds]

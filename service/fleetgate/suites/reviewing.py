"""One review by the embedded core, at gator's enforcement point."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleetgate_proto.v1 import review_pb2

from fleetgate.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ENFORCEMENT_POINT = "gator.gatekeeper.sh"
CLUSTER = "files"
"""The name under which the objects of the files are the inventory."""

_UNHURRIED_SECONDS = 60.0
"""Time budget per constraint and per review. A verdict about files must not depend on how busy the machine is; the
instruction budget stays the server's, so that what runs out of it here runs out of it there."""


GATOR_INVENTORY = {"inventory_empty_parents": "prune", "terminating_objects": "present"}
"""What gator's inventory is: made anew for each case, of the objects as they are given."""


class ReviewFailed(Exception):  # noqa: N818 (a state, as gRPC's)
    """The core gave no complete answer: never to be taken for "no violation"."""


@dataclass(frozen=True, slots=True)
class Found:
    """One violation."""

    kind: str
    name: str
    message: str
    details: bytes
    """JSON; empty where the rule gave none."""
    action: str
    scoped_actions: tuple[str, ...]

    @property
    def denies(self) -> bool:
        """Whether it would refuse the object."""
        return self.action == "deny" or "deny" in self.scoped_actions


@dataclass(frozen=True, slots=True)
class FleetCluster:
    """A cluster with its objects (JSON). One without objects was never read: what it has is not known."""

    name: str
    labels: Sequence[tuple[str, str]] = ()
    cluster_set: str = ""
    objects: Sequence[bytes] = ()


class Reviewer:
    """An engine with one set of policies."""

    def __init__(self, files: Sequence[tuple[str, bytes]]) -> None:
        """Load policies. Raises PolicyError with every located diagnostic."""
        self._engine = Engine(
            contexts=1,
            constraint_seconds=_UNHURRIED_SECONDS,
            review_seconds=_UNHURRIED_SECONDS,
            compatibility=GATOR_INVENTORY,
        )
        self._engine.apply_bundle("files", files)
        self._cluster = CLUSTER
        self._others: list[str] = []

    def replace_inventory(self, objects: Iterable[bytes]) -> None:
        """Make these objects (JSON) all that ``data.inventory`` holds, in a fleet of one cluster."""
        self.replace_fleet([FleetCluster(CLUSTER, objects=list(objects))])

    def replace_fleet(self, clusters: Sequence[FleetCluster]) -> None:
        """Make these clusters the whole fleet. Reviews are of the first one."""
        for gone in {self._cluster, *self._others}:
            self._engine.remove_cluster(gone)
        for cluster in clusters:
            self._engine.describe_cluster(
                cluster.name, uid="", aliases=[], labels=dict(cluster.labels), cluster_set=cluster.cluster_set
            )
            # Nothing given is not the same as given, and found to be nothing.
            if cluster.objects or cluster is clusters[0]:
                self._engine.replace_inventory(cluster.name, list(cluster.objects))
        self._cluster, *self._others = (cluster.name for cluster in clusters)

    def review_object(self, item: bytes, namespace: bytes = b"") -> list[Found]:
        """Review an object (JSON) as audit does: no operation, no user. Raises ReviewFailed."""
        return self._review(review_pb2.ReviewRequest(object=item, namespace=namespace))

    def review_request(self, request: dict[str, Any]) -> list[Found]:
        """Review an AdmissionRequest. Raises ReviewFailed."""
        return self._review(review_pb2.ReviewRequest(admission_request=json.dumps(request).encode()))

    def _review(self, request: review_pb2.ReviewRequest) -> list[Found]:
        request.cluster = self._cluster
        request.enforcement_point = ENFORCEMENT_POINT
        request.source = review_pb2.SOURCE_ORIGINAL
        decision = self._engine.review(request.SerializeToString())
        response = review_pb2.ReviewResponse.FromString(decision.response)
        if response.HasField("review_error"):
            raise ReviewFailed(response.review_error.message)
        if response.constraint_errors:
            raise ReviewFailed(
                "\n".join(f"{e.constraint_kind}/{e.constraint_name}: {e.message}" for e in response.constraint_errors)
            )
        found = [
            Found(
                kind=violation.constraint_kind,
                name=violation.constraint_name,
                message=violation.message,
                details=violation.details,
                action=violation.enforcement_action,
                scoped_actions=tuple(violation.scoped_enforcement_actions),
            )
            for violation in response.violations
        ]
        return sorted(found, key=lambda violation: (violation.action, violation.message))

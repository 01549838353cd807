"""The log of violations, as Gatekeeper's ``--log-denies`` writes it: one line per violation of any action.

Off by default: it reads the answer and the request again, for names only. Bodies are never logged.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from fleetgate_proto.v1 import review_pb2

from fleetgate.engine import BatchDecision, Decision

_LOGGER = logging.getLogger("fleetgate.denials")


class DenialLog:
    """Writes violations at info."""

    def review(self, request: bytes, decision: Decision, trace_id: str) -> None:
        """Log the violations of one decision."""
        response = review_pb2.ReviewResponse.FromString(decision.response)
        if response.violations:
            self._write(review_pb2.ReviewRequest.FromString(request), response, decision.cluster, trace_id)

    def batch(self, request: bytes, batch: BatchDecision, trace_id: str) -> None:
        """Log the violations of a batch."""
        requests = review_pb2.BatchReviewRequest.FromString(request).requests
        items = review_pb2.BatchReviewResponse.FromString(batch.response).items
        decisions = iter(batch.items)
        for one, item in zip(requests, items, strict=True):
            if item.HasField("response"):
                self._write(one, item.response, next(decisions).cluster, trace_id)

    def _write(
        self, request: review_pb2.ReviewRequest, response: review_pb2.ReviewResponse, cluster: str, trace_id: str
    ) -> None:
        resource = _resource(request)
        for violation in response.violations:
            fields = {
                "decision_id": response.decision_id,
                "trace_id": trace_id,
                "cluster": cluster,
                "process": "admission",
                "event_type": "violation",
                "constraint_group": "constraints.gatekeeper.sh",
                "constraint_kind": violation.constraint_kind,
                "constraint_name": violation.constraint_name,
                "constraint_action": violation.enforcement_action,
                "constraint_enforcement_actions": list(violation.scoped_enforcement_actions),
                **resource,
            }
            _LOGGER.info("denied admission: %s", violation.message, extra={"fields": fields})


def _resource(request: review_pb2.ReviewRequest) -> dict[str, str]:
    """Names of what was reviewed. The core has decoded this JSON, within its limits, before us."""
    if request.WhichOneof("subject") == "admission_request":
        review = _mapping(json.loads(request.admission_request))
        kind = _mapping(review.get("kind"))
        name, namespace = review.get("name", ""), review.get("namespace", "")
        user = _mapping(review.get("userInfo")).get("username", "")
        group, version, kind_name = kind.get("group", ""), kind.get("version", ""), kind.get("kind", "")
    else:
        thing = _mapping(json.loads(request.object))
        metadata = _mapping(thing.get("metadata"))
        name, namespace, user = metadata.get("name", ""), metadata.get("namespace", ""), ""
        group, _, version = str(thing.get("apiVersion", "")).rpartition("/")
        kind_name = thing.get("kind", "")
    return {
        "resource_group": str(group),
        "resource_api_version": str(version),
        "resource_kind": str(kind_name),
        "resource_namespace": str(namespace),
        "resource_name": str(name),
        "request_username": str(user),
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}

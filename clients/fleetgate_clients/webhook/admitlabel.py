"""``POST /v1/admitlabel``: only exempt namespaces may carry the label that keeps Gatekeeper's webhook from them.

The rules and words are those of ``pkg/webhook/namespacelabel.go`` of Gatekeeper 3.23.1. The service is not asked: this
endpoint is registered with failurePolicy Fail, and creating a Namespace must not hang on anything else.
"""

from __future__ import annotations

import msgspec

from fleetgate_clients.webhook import answer, envelope
from fleetgate_clients.webhook.answer import Answer
from fleetgate_clients.webhook.endpoint import Call, Endpoint

IGNORE_LABEL = "admission.gatekeeper.sh/ignore"


class _Metadata(msgspec.Struct):
    name: str = ""
    labels: dict[str, msgspec.Raw] | None = None


class _Namespace(msgspec.Struct):
    kind: str
    metadata: _Metadata | None = None


class _Request(msgspec.Struct):
    object: _Namespace


_decode = msgspec.json.Decoder(_Request).decode


class LabelHandler(Endpoint):
    """Answers requests about Namespaces."""

    path = "/v1/admitlabel"

    async def decide(self, review: envelope.Review, call: Call) -> Answer:
        """Answer by the Namespace's name and labels."""
        made = self._judge(review)
        call.record.outcome = "allow" if made.allowed else "deny"
        return made

    def _judge(self, review: envelope.Review) -> Answer:
        if review.request.operation == "DELETE":
            return answer.allow("Delete is always allowed")
        if not review.request.is_namespace:
            return answer.allow("Not a namespace")
        try:
            metadata = _decode(review.raw).object.metadata or _Metadata()
        except msgspec.DecodeError as error:
            return answer.deny(f"while deserializing resource: {error}", answer.ERROR)
        if metadata.name in self._options.exempt_namespaces:
            return answer.allow(f"Namespace {metadata.name} is allowed to set {IGNORE_LABEL}")
        if IGNORE_LABEL in (metadata.labels or {}):
            return answer.deny(f"Only exempt namespace can have the {IGNORE_LABEL} label")
        return answer.allow(f"Namespace is not setting the {IGNORE_LABEL} label")

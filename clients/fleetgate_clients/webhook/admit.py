"""``POST /v1/admit``: the policy service's decision, in Gatekeeper's order of questions."""

from __future__ import annotations

from fleetgate_proto.v1 import review_pb2

from fleetgate_clients.telemetry import Instruments, Tracing
from fleetgate_clients.webhook import answer, envelope
from fleetgate_clients.webhook.answer import Answer
from fleetgate_clients.webhook.body import BodyBudget
from fleetgate_clients.webhook.endpoint import Call, Endpoint, Record, Refusal, now
from fleetgate_clients.webhook.namespaces import NamespaceError, Namespaces
from fleetgate_clients.webhook.options import AdmitOptions, ErrorsAs, OnOversize, OnUnavailable
from fleetgate_clients.webhook.review import Failure, NoDecision, Reviewer


class AdmitHandler(Endpoint):
    """Answers admission requests with decisions."""

    path = "/v1/admit"

    def __init__(
        self,
        options: AdmitOptions,
        *,
        reviewer: Reviewer,
        namespaces: Namespaces,
        budget: BodyBudget,
        instruments: Instruments,
        tracing: Tracing,
    ) -> None:
        super().__init__(options, budget=budget, instruments=instruments, tracing=tracing)
        self._reviewer = reviewer
        self._namespaces = namespaces
        self._administrator = f"system:serviceaccount:{options.gatekeeper_namespace}:gatekeeper-admin"

    async def decide(self, review: envelope.Review, call: Call) -> Answer:
        """Answer with the service's decision."""
        record, deadline = call.record, call.deadline
        if review.request.username == self._administrator:
            record.outcome = "allow"
            return answer.allow("Gatekeeper does not self-manage")
        name = review.request.namespace_to_look_up
        namespace, unknown = b"", None
        try:
            if name:
                namespace = await self._namespaces.get(name, timeout=deadline - now())
        except NamespaceError as error:
            unknown = error
        try:
            decision = await self._reviewer.review(
                review.raw, namespace, timeout=deadline - now(), metadata=call.trace.metadata
            )
        except NoDecision as error:
            return self._without_namespace(unknown, record) if unknown else self._without_decision(error, record)
        # Gatekeeper looks for the Namespace last: what is decided before it does not need one.
        if unknown and not _without_policies(decision):
            return self._without_namespace(unknown, record)
        record.fields.update(decision_id=decision.decision_id, generation=decision.policy_generation.number)
        if decision.review_error.code == 413:
            return self._without_decision(NoDecision(Failure.TOO_LARGE, decision.review_error.message), record)
        made = answer.from_decision(decision, review.request.name or "")
        record.outcome = "allow" if made.allowed else "deny"
        if not decision.HasField("review_error"):
            return made
        record.outcome = "error"
        # Not its message: a policy's mistake may put a part of the object into it.
        reason = review_pb2.ErrorReason.Name(decision.review_error.reason)
        record.fields["reason"] = reason
        # What is wrong with one of Gatekeeper's own objects is a decision about it.
        refused = decision.review_error.reason == review_pb2.ERROR_REASON_RESOURCE_REFUSED
        return made if refused else self._failed(made, reason)

    def _failed(self, made: Answer, why: str) -> Answer:
        """Answer that the review failed, or leave it to the registration's failurePolicy. ``why`` is logged."""
        if self._options.errors_as is ErrorsAs.FAILURE_POLICY:
            raise Refusal(500, "error", f"the review failed: {why}")
        return made

    def _without_namespace(self, error: NamespaceError, record: Record) -> Answer:
        record.outcome = "error"
        record.fields["error"] = str(error)
        # The prefix is Gatekeeper's.
        return self._failed(answer.error(f"failed to create augmentedReview: {error}"), str(error))

    def _without_decision(self, error: NoDecision, record: Record) -> Answer:
        record.fields["error"] = str(error)
        if error.failure is Failure.REFUSED:
            record.outcome = "error"
            return self._failed(answer.error(str(error)), str(error))
        if error.failure is Failure.TOO_LARGE:
            if self._options.on_oversize is OnOversize.FAILURE_POLICY:
                raise Refusal(413, "oversize", str(error))
            record.outcome = "oversize"
            return answer.error(str(error), 413)
        record.outcome = "unavailable"
        match self._options.on_unavailable:
            case OnUnavailable.DENY:
                return answer.error(f"the policy service is unavailable: {error}")
            case OnUnavailable.ALLOW:
                warning = "not reviewed: the policy service is unavailable"
                return Answer(allowed=True, code=answer.OK_WITH_WARNINGS, warnings=(warning,))
            case OnUnavailable.FAILURE_POLICY:
                raise Refusal(503, "unavailable", f"the policy service is unavailable: {error}")


def _without_policies(decision: review_pb2.ReviewResponse) -> bool:
    """Whether no policy was asked: the namespace is excluded, or an object of Gatekeeper's own groups is invalid."""
    refused = decision.review_error.reason == review_pb2.ERROR_REASON_RESOURCE_REFUSED
    return refused or bool(decision.status_message)

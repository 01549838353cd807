"""PolicyService: publishes bundles and shows what is published."""

from __future__ import annotations

import logging

import grpc
from fleetgate_proto.v1 import policy_pb2, policy_pb2_grpc, review_pb2

from fleetgate.engine import Engine, Generation
from fleetgate.policy.lifecycle import Policies

_LOGGER = logging.getLogger(__name__)


class PolicyServicer(policy_pb2_grpc.PolicyServiceServicer):
    """Thin over :class:`Policies` and the engine; errors are the guard's to convert."""

    def __init__(self, engine: Engine, policies: Policies) -> None:
        self._engine, self._policies = engine, policies

    def ApplyPolicies(  # noqa: N802 (gRPC names it)
        self,
        request: policy_pb2.ApplyPoliciesRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> policy_pb2.ApplyPoliciesResponse:
        """Replace a bundle, or only judge it."""
        files = tuple((file.path, file.content) for file in request.files)
        generation, changed = self._policies.apply(request.bundle, files, dry_run=request.dry_run)
        return policy_pb2.ApplyPoliciesResponse(generation=_message(generation), changed=changed)

    def GetGeneration(  # noqa: N802
        self,
        request: policy_pb2.GetGenerationRequest,  # noqa: ARG002 (gRPC's signature)
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> policy_pb2.GetGenerationResponse:
        """Name the current generation."""
        generation = self._engine.generation
        return policy_pb2.GetGenerationResponse(
            generation=_message(generation),
            templates=generation.templates,
            constraints=generation.constraints,
            bundles=generation.bundles,
        )

    def ListTemplates(  # noqa: N802
        self,
        request: policy_pb2.ListTemplatesRequest,  # noqa: ARG002 (gRPC's signature)
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> policy_pb2.ListTemplatesResponse:
        """List the published ConstraintTemplates."""
        return policy_pb2.ListTemplatesResponse.FromString(self._engine.list_templates())

    def ListConstraints(  # noqa: N802
        self,
        request: policy_pb2.ListConstraintsRequest,  # noqa: ARG002 (gRPC's signature)
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> policy_pb2.ListConstraintsResponse:
        """List the published Constraints."""
        return policy_pb2.ListConstraintsResponse.FromString(self._engine.list_constraints())


def _message(generation: Generation) -> review_pb2.Generation:
    return review_pb2.Generation(number=generation.number, digest=generation.digest)

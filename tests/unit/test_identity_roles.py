"""The method x role table: every method of every service is in it, and nothing else is."""

from __future__ import annotations

from fleetgate.transport.roles import METHODS, OPEN, ROLES
from fleetgate_proto.v1 import audit_pb2, inventory_pb2, policy_pb2, review_pb2, server_info_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

FILES = (review_pb2, policy_pb2, inventory_pb2, audit_pb2, server_info_pb2, health_pb2, reflection_pb2)


def test_the_table_lists_exactly_the_methods_that_exist() -> None:
    existing = {
        f"/{service.full_name}/{method.name}"
        for file in FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert set(METHODS) == existing


def test_the_table_names_only_roles_that_exist() -> None:
    for method, roles in METHODS.items():
        assert roles == OPEN or roles <= ROLES, method


def test_only_health_is_open() -> None:
    assert {method for method, roles in METHODS.items() if roles is OPEN} == {
        method for method in METHODS if method.startswith("/grpc.health.v1.Health/")
    }


def test_who_may_change_policies() -> None:
    assert METHODS["/fleetgate.v1.PolicyService/ApplyPolicies"] == {"local", "fleet/admin"}

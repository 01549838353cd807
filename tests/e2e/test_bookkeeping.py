"""What API servers note in objects for themselves is kept where a program can read it, and nowhere else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fleetgate.engine import Engine, Feeds

from tests.support.feeding import CONFIG_MAPS, AuditLog, admin, config_map, namespace_of, objects, shard_state
from tests.support.kubeapiserver import Cluster
from tests.support.processes import eventually

pytestmark = pytest.mark.e2e

CONFIG = {
    "apiVersion": "config.gatekeeper.sh/v1alpha1",
    "kind": "Config",
    "metadata": {"name": "config", "namespace": "gatekeeper-system"},
    "spec": {"sync": {"syncOnly": [{"group": "", "version": "v1", "kind": "ConfigMap"}]}},
}
MANAGERS = 'data.inventory.namespace[_].v1.ConfigMap[_].metadata.managedFields[_].manager == "x"'
NAMES = 'data.inventory.namespace[_].v1.ConfigMap[n].metadata.name == "x"'


def _policies(condition: str) -> list[tuple[str, bytes]]:
    rego = f'package reads\nviolation[{{"msg": "no"}}] {{ {condition} }}'
    template: dict[str, Any] = {
        "apiVersion": "templates.gatekeeper.sh/v1",
        "kind": "ConstraintTemplate",
        "metadata": {"name": "reads"},
        "spec": {
            "crd": {"spec": {"names": {"kind": "Reads"}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}],
        },
    }
    constraint = {
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": "Reads",
        "metadata": {"name": "reads"},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}},
    }
    return [(f"{number}.json", json.dumps(one).encode()) for number, one in enumerate([CONFIG, template, constraint])]


def test_a_program_that_begins_to_read_it_has_it_listed_before_it_is_published(
    engine: Engine, feeds: Feeds, west: Cluster
) -> None:
    west.apply(namespace_of("bookkeeping"), config_map("bookkeeping", "a"))

    def noted() -> list[Any]:
        return list(objects(engine, "west", "ConfigMap", "bookkeeping")["a"]["metadata"].get("managedFields", []))

    engine.apply_bundle("policies", _policies(NAMES))
    feeds.connect("west", admin(west))
    feeds.plan("west", [CONFIG_MAPS])
    eventually(lambda: shard_state(engine, "west", "ConfigMap") == "SYNCED", "it is SYNCED")
    assert noted() == []

    audit = AuditLog(west)
    engine.apply_bundle("policies", _policies(MANAGERS))
    assert noted() != [], "it is there when the generation is published"
    assert len(audit.lists("configmaps")) == 1
    # Nobody reads it of Namespaces.
    assert "managedFields" not in objects(engine, "west", "Namespace")["bookkeeping"]["metadata"]

    engine.apply_bundle("policies", _policies(NAMES))
    west.kubectl("label", "configmap", "a", "--namespace", "bookkeeping", "x=y")
    eventually(lambda: noted() == [], "what nobody reads any more goes with the next change")

"""ValidatingWebhookConfigurations for tests, shaped after Gatekeeper's stock registration."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT")
# Gatekeeper's own list of subresources; `*/*` would add every object's status and much besides.
STOCK_RESOURCES = (
    "*",
    "deployments/scale",
    "namespaces/finalize",
    "persistentvolumes/status",
    "pods/attach",
    "pods/binding",
    "pods/ephemeralcontainers",
    "pods/eviction",
    "pods/exec",
    "pods/portforward",
    "pods/proxy",
    "replicasets/scale",
    "replicationcontrollers/scale",
    "serviceaccounts/token",
    "services/proxy",
    "services/status",
    "statefulsets/scale",
)
# Namespaces that an operator exempts by label, and the one that the webhook itself would run in.
STOCK_NAMESPACE_SELECTOR: dict[str, Any] = {
    "matchExpressions": [
        {"key": "admission.gatekeeper.sh/ignore", "operator": "DoesNotExist"},
        {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["fleetgate-system"]},
    ]
}


def validating_webhook(
    name: str,
    url: str,
    ca_pem: bytes,
    *,
    failure_policy: str = "Ignore",
    resources: Sequence[str] = STOCK_RESOURCES,
    operations: Sequence[str] = OPERATIONS,
    namespace_selector: dict[str, Any] | None = None,
    timeout_s: int = 3,
) -> dict[str, Any]:
    """Return a configuration of one webhook; kubectl shows `name` in front of every denial."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": name,
                "clientConfig": {"url": url, "caBundle": base64.b64encode(ca_pem).decode()},
                "rules": [
                    {
                        "apiGroups": ["*"],
                        "apiVersions": ["*"],
                        "operations": list(operations),
                        "resources": list(resources),
                        "scope": "*",
                    }
                ],
                "namespaceSelector": STOCK_NAMESPACE_SELECTOR if namespace_selector is None else namespace_selector,
                "matchPolicy": "Exact",
                "failurePolicy": failure_policy,
                "sideEffects": "None",
                "admissionReviewVersions": ["v1", "v1beta1"],
                "timeoutSeconds": timeout_s,
            }
        ],
    }

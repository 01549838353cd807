"""Random ``spec.match`` blocks, from a vocabulary small enough that they often match."""

from __future__ import annotations

from random import Random

from tests.differential.world import Json

NAMESPACES = ("default", "prod", "prod-a", "prod-b", "dev", "kube-system", "gatekeeper-system", "team-x", "x")
NAMESPACE_GLOBS = ("prod*", "*-system", "*", "*prod*", "kube-*", "*-a", "*e*", "p*", "other", "default*", "**", "*x")
NAMES = ("web", "web-*", "*-web", "*eb*", "*", "nginx*", "*allowed", "opa", "example", "web-", "a", "*a*")
KINDS = ("Pod", "Deployment", "Service", "Namespace", "Ingress", "Role", "ConfigMap", "*", "pods", "pod", "Scale", "")
GROUPS = ("", "apps", "networking.k8s.io", "*", "v1", "rbac.authorization.k8s.io", "autoscaling", "policy", "other")
LABELS = (("app", "web"), ("app", "db"), ("team", "x"), ("owner", "a"), ("env", "prod"), ("env", ""), ("old", "yes"))
SCOPES = ("Cluster", "Namespaced", "*", "cluster", "")
SOURCES = ("All", "Original", "Generated")


def match_block(rng: Random, *, valid: bool) -> Json:
    """Return a block of few criteria; where ``valid`` is false, one that may be refused."""
    criteria = {
        "kinds": (0.35, _kinds),
        "scope": (0.15, lambda rng: rng.choice(SCOPES)),
        "namespaces": (0.25, _namespaces),
        "excludedNamespaces": (0.25, _namespaces),
        "labelSelector": (0.25, selector),
        "namespaceSelector": (0.2, selector),
        "name": (0.12, lambda rng: rng.choice(NAMES)),
        "source": (0.15, lambda rng: rng.choice(SOURCES)),
    }
    block = {name: make(rng) for name, (share, make) in criteria.items() if rng.random() < share}
    if not valid:
        _spoil(rng, block)
    return block


def selector(rng: Random) -> Json:
    """Return a label selector."""
    block: dict[str, Json] = {}
    if rng.random() < 0.6:
        block["matchLabels"] = dict(rng.sample(LABELS, rng.randint(0, 2)))
    if rng.random() < 0.5:
        block["matchExpressions"] = [_requirement(rng) for _ in range(rng.randint(0, 2))]
    return block


def labels(rng: Random) -> dict[str, str]:
    """Return labels that the selectors know."""
    return dict(rng.sample(LABELS, rng.randint(0, 3)))


def _requirement(rng: Random) -> Json:
    key, value = rng.choice(LABELS)
    operator = rng.choice(("In", "NotIn", "Exists", "DoesNotExist"))
    if operator in {"Exists", "DoesNotExist"}:
        return {"key": key, "operator": operator} | ({"values": []} if rng.random() < 0.2 else {})
    return {"key": key, "operator": operator, "values": [value, *(v for _, v in rng.sample(LABELS, rng.randint(0, 1)))]}


def _kinds(rng: Random) -> Json:
    def entry() -> Json:
        selected: dict[str, Json] = {}
        if rng.random() < 0.8:
            selected["apiGroups"] = rng.sample(GROUPS, rng.randint(0, 3))
        if rng.random() < 0.85:
            selected["kinds"] = rng.sample(KINDS, rng.randint(0, 4))
        return selected

    return [entry() for _ in range(rng.randint(0, 2))]


def _namespaces(rng: Random) -> Json:
    return [rng.choice(NAMESPACES if rng.random() < 0.5 else NAMESPACE_GLOBS) for _ in range(rng.randint(0, 3))]


def _spoil(rng: Random, block: dict[str, Json]) -> None:
    key, value = rng.choice(
        (
            ("namespaces", ["n*1"]), ("namespaces", ["Upper"]), ("namespaces", "prod"), ("namespaces", [1]),
            ("kinds", {}), ("kinds", [{"kinds": "Pod"}]), ("kinds", [{"kind": ["Pod"]}]), ("kinds", None),
            ("scope", 1), ("name", "A.b"), ("name", ["web"]), ("source", "Other"), ("source", ""), ("unknown", True),
            ("labelSelector", {"matchLabels": {"a": 1}}),
            ("labelSelector", {"matchExpressions": [{"key": "a", "operator": "Is", "values": ["b"]}]}),
            ("labelSelector", {"matchExpressions": [{"key": "a", "operator": "In"}]}), ("labelSelector", None),
            ("labelSelector", {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}),
            ("labelSelector", {"matchLabels": {"not valid!": "x"}}),
            ("namespaceSelector", {"matchLabels": {"a": "b c"}}),
            ("namespaceSelector", []), ("excludedNamespaces", ["a.b"]), ("excludedNamespaces", [""]), ("name", ""),
        )
    )  # fmt: skip
    block[key] = value

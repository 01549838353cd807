"""Worlds and reviews from a seed: the same number gives the same world, on every machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Protocol

from tests.differential.library import Policy
from tests.differential.matches import NAMESPACES, labels, match_block
from tests.differential.mutate import Vocabulary, mutated
from tests.differential.mutate_rego import mutated_rego
from tests.differential.world import AUDIT, GATOR, WEBHOOK, Json, Review, World

REVIEWS_PER_WORLD = 250
TEMPLATES_PER_WORLD = 8
_REVIEWS_OF_TEMPLATES = 24
_TIMES = (0, 1, 1, 1, 2, 2, 3, 5, 8)
_ACTIONS: tuple[Json, ...] = ("deny", "deny", "warn", "dryrun", "scoped", "scoped", "", "shout", None)
_POINTS = (WEBHOOK, AUDIT, GATOR, "vap.k8s.io", "*")
_USERS = ("system:serviceaccount:kube-system:replicaset-controller", "alice", "", "system:admin", "kubernetes-admin")
_PLURALS = {
    "Ingress": "ingresses",
    "StorageClass": "storageclasses",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
}


class Worlds(Protocol):
    """Makes worlds by number."""

    def world(self, number: int) -> tuple[World, list[Review]]:
        """Return a world and reviews in it."""
        ...


class Generator:
    """Makes worlds out of policies: random Constraints, and reviews of changed objects."""

    def __init__(self, seed: int, library: Sequence[Policy], ours: Sequence[Policy]) -> None:
        self._seed = seed
        self._library = library
        self._ours = ours
        self._objects = {policy.kind: [json.dumps(item) for item in policy.objects] for policy in (*library, *ours)}
        self._every_object = [text for texts in self._objects.values() for text in texts]
        self._vocabulary = Vocabulary(item for policy in (*library, *ours) for item in policy.objects)
        self._parameters = Vocabulary(
            item["spec"]["parameters"]
            for policy in (*library, *ours)
            for item in policy.constraints
            if item.get("spec", {}).get("parameters")
        )

    def world(self, number: int) -> tuple[World, list[Review]]:
        """Return a world and reviews in it."""
        rng = Random(f"{self._seed}/{number}")
        policies = rng.sample(self._library, min(len(self._library), rng.randint(3, 6)))
        policies += rng.sample(self._ours, min(len(self._ours), rng.choice((0, 0, 0, 1, 1))))
        constraints = [
            self._constraint(rng, policy, index) for policy in policies for index in range(rng.randint(1, 3))
        ]
        texts = [text for policy in policies for text in self._objects[policy.kind]] or self._every_object
        inventory = [self._cached(rng, texts) for _ in range(rng.choice((0, 0, 2, 8)))]
        # Where the caller knows no Namespace, both sides look among the cached objects.
        inventory += [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels(rng)}}
            for name in rng.sample(NAMESPACES, rng.choice((0, 0, 3)))
        ]
        reviews = [self._review(rng, texts) for _ in range(REVIEWS_PER_WORLD)]
        return World(tuple(policy.template for policy in policies), tuple(constraints), tuple(inventory)), reviews

    def object(self, rng: Random) -> Json:
        """Return a changed object of the library that still names its kind."""
        return self._named(rng, self._every_object)

    def _constraint(self, rng: Random, policy: Policy, index: int) -> Json:
        if policy.constraints:
            constraint = json.loads(json.dumps(rng.choice(policy.constraints)))
        else:
            constraint = {"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": policy.kind, "metadata": {}}
        constraint["metadata"] = {"name": f"c{index}"}
        spec = constraint.setdefault("spec", {})
        roll = rng.random()
        if roll < 0.55:
            spec["match"] = match_block(rng, valid=roll > 0.03)
        elif roll < 0.65:
            spec.pop("match", None)
        if "parameters" in spec and rng.random() < 0.3:
            text = json.dumps(spec["parameters"])
            spec["parameters"] = mutated(rng, text, self._parameters, times=rng.choice((1, 1, 2, 3)))
        if rng.random() < 0.4:
            self._enforce(rng, spec)
        return constraint

    @staticmethod
    def _enforce(rng: Random, spec: dict[str, Json]) -> None:
        action = rng.choice(_ACTIONS)
        if action is None:
            spec.pop("enforcementAction", None)
            return
        spec["enforcementAction"] = action
        if action == "scoped" or rng.random() < 0.05:
            spec["scopedEnforcementActions"] = [
                {
                    "action": rng.choice(("deny", "warn", "dryrun")),
                    "enforcementPoints": [{"name": rng.choice(_POINTS)} for _ in range(rng.randint(1, 2))],
                }
                for _ in range(rng.randint(1, 2))
            ]

    def _cached(self, rng: Random, texts: Sequence[str]) -> Json:
        """Return an object that can be cached: mutation leaves its identity alone."""
        text = rng.choice(texts)
        original = json.loads(text)
        item = mutated(rng, text, self._vocabulary, times=rng.choice((0, 0, 1)))
        if not isinstance(item, dict):
            return original
        metadata = {**original.get("metadata", {}), "name": rng.choice(("a", "b", "c"))}
        if "namespace" in original.get("metadata", {}) or rng.random() < 0.5:
            metadata["namespace"] = rng.choice(NAMESPACES[:3])
        return {**item, "apiVersion": original["apiVersion"], "kind": original["kind"], "metadata": metadata}

    def _named(self, rng: Random, texts: Sequence[str]) -> Json:
        text = rng.choice(texts)
        item = mutated(rng, text, self._vocabulary, times=rng.choice(_TIMES))
        original = json.loads(text)
        item = item if isinstance(item, dict) else original
        if rng.random() < 0.98:
            item["apiVersion"], item["kind"] = original["apiVersion"], original["kind"]
        metadata = item.get("metadata")
        if isinstance(metadata, dict):
            if rng.random() < 0.5:
                metadata["namespace"] = rng.choice(NAMESPACES)
            if rng.random() < 0.4:
                metadata["labels"] = labels(rng)
            if rng.random() < 0.05:
                metadata.pop("name", None)
                metadata["generateName"] = rng.choice(("web-", "nginx", "a"))
        return item

    def _review(self, rng: Random, texts: Sequence[str]) -> Review:
        """Return a review of one of the shapes in which the API server, audit, expansion and gator ask."""
        shape = rng.choices(
            ("CREATE", "UPDATE", "DELETE", "CONNECT", "scale", "audit", "cache", "generated", "gator"),
            (30, 14, 8, 4, 3, 16, 8, 9, 8),
        )[0]
        item = self._named(rng, texts)
        namespace = self._namespace(rng, item)
        match shape:
            case "audit":
                return Review(object=item, namespace=namespace, source="Original", enforcement_point=AUDIT)
            case "cache":
                return Review(object=item, namespace=namespace, enforcement_point=AUDIT)
            case "gator":
                return Review(object=item, namespace=namespace, source="Original", enforcement_point=GATOR)
            case "generated":
                point = rng.choice((WEBHOOK, AUDIT, GATOR))
                return Review(object=item, namespace=namespace, source="Generated", enforcement_point=point)
        request = self._request(rng, shape, item, texts)
        if request.get("namespace") and namespace is None:
            # The webhook reviews nothing whose Namespace it does not find.
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": request["namespace"]}}
        source = "Original" if rng.random() < 0.9 else "Generated"
        return Review(request=request, namespace=namespace, source=source)

    @staticmethod
    def _namespace(rng: Random, item: Json) -> Json:
        metadata = item.get("metadata")
        name = metadata.get("namespace") if isinstance(metadata, dict) else None
        if not isinstance(name, str) or not name or rng.random() < 0.25:
            return None
        described: dict[str, Json] = {"name": name}
        if rng.random() < 0.7:
            described["labels"] = labels(rng)
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": described}

    def _request(self, rng: Random, shape: str, item: Json, texts: Sequence[str]) -> Json:
        group, _, version = str(item.get("apiVersion", "")).rpartition("/")
        kind = str(item.get("kind", ""))
        metadata = item.get("metadata")
        fields = metadata if isinstance(metadata, dict) else {}
        request: dict[str, Json] = {
            "uid": f"00000000-0000-4000-8000-{rng.randrange(10**12):012}",
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": _PLURALS.get(kind, f"{kind.lower()}s")},
            "operation": shape,
            "userInfo": {"username": rng.choice(_USERS), "groups": ["system:authenticated"]},
            "object": item,
            "oldObject": None,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        }
        for name in ("name", "namespace"):
            if isinstance(fields.get(name), str) and rng.random() < 0.9:
                request[name] = fields[name]
        if rng.random() < 0.3:
            request["dryRun"] = rng.random() < 0.3
        if rng.random() < 0.3:
            request |= {"requestKind": request["kind"], "requestResource": request["resource"]}
        if rng.random() < 0.1:
            request["userInfo"] = rng.choice(({}, {"uid": "1", "extra": {"a": ["b"]}}, {"groups": []}))
        match shape:
            case "UPDATE":
                request["oldObject"] = self._old(rng, item, texts)
            case "DELETE":
                request |= {"object": None, "oldObject": item if rng.random() < 0.97 else None}
            case "CONNECT":
                options = {"apiVersion": "v1", "kind": "PodExecOptions", "command": ["sh"], "stdin": True}
                request |= {"object": options if rng.random() < 0.8 else None, "subResource": "exec"}
                request["kind"] = {"group": "", "version": "v1", "kind": "PodExecOptions"}
            case "scale":
                scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": fields, "spec": {"replicas": 3}}
                request |= {"operation": "UPDATE", "object": scale, "oldObject": scale, "subResource": "scale"}
                request["kind"] = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
        return request

    def _old(self, rng: Random, item: Json, texts: Sequence[str]) -> Json:
        roll = rng.random()
        if roll < 0.1:
            return self._named(rng, texts)
        if roll < 0.15:
            return None
        return mutated(rng, json.dumps(item), self._vocabulary, times=rng.choice((0, 1, 2)))


class TemplateGenerator:
    """Makes worlds out of policies whose Rego is changed, and reviews of the objects that their authors thought of."""

    def __init__(self, seed: int, library: Sequence[Policy], ours: Sequence[Policy]) -> None:
        self._seed = seed
        self._policies = [*library, *ours]

    def world(self, number: int) -> tuple[World, list[Review]]:
        """Return a world and reviews in it."""
        rng = Random(f"templates/{self._seed}/{number}")
        policies = rng.sample(self._policies, TEMPLATES_PER_WORLD)
        constraints = [
            {
                "apiVersion": "constraints.gatekeeper.sh/v1beta1",
                "kind": policy.kind,
                "metadata": {"name": f"c{index}"},
                "spec": {"parameters": item.get("spec", {}).get("parameters", {})},
            }
            for policy in policies
            for index, item in enumerate(rng.sample(policy.constraints, min(2, len(policy.constraints))))
        ]
        objects = [item for policy in policies for item in policy.objects]
        chosen = [rng.choice(objects) for _ in range(_REVIEWS_OF_TEMPLATES)]
        reviews = [Review(object=item, source="Original", enforcement_point=AUDIT) for item in chosen]
        return World(tuple(self._changed(rng, policy) for policy in policies), tuple(constraints)), reviews

    @staticmethod
    def _changed(rng: Random, policy: Policy) -> Json:
        template = json.loads(json.dumps(policy.template))
        target = template["spec"]["targets"][0]
        code = next((code["source"] for code in target.get("code", ()) if code["engine"] == "Rego"), target)
        code["rego"] = mutated_rego(rng, code["rego"], times=rng.choice((1, 1, 1, 2, 3)))
        # CEL would be another engine's.
        if "code" in target:
            target["code"] = [code for code in target["code"] if code["engine"] == "Rego"]
        return template

"""Policies of a cluster's custom resources: ConstraintTemplates, Constraints, Config, SyncSets, as Gatekeeper does.

Those of the hub are the fleet's, those of a member are its own. Per object: a bad one is reported in its status and
left out, the rest is published. Whatever happens again (a reconnect, a restart) comes to the same, and writes nothing
where nothing changed.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fleetgate.engine.exceptions import Diagnostic, WriteError
from fleetgate.engine.feeds import Feeds, ObjectEvent, ObjectWatch, Selector
from fleetgate.policy import constraint_crd, resource_status
from fleetgate.policy.constraint_crd import CrdRefused
from fleetgate.policy.errors import StorageFailed
from fleetgate.policy.resource_status import CREATE_ERROR, UPDATE_ERROR, Audited, Problem
from fleetgate.policy.turns import Place, Turns

_LOGGER = logging.getLogger(__name__)

TEMPLATES = Selector("templates.gatekeeper.sh", "", "ConstraintTemplate")
CONSTRAINTS = Selector("constraints.gatekeeper.sh", "", "*")
SYNC_SETS = Selector("syncset.gatekeeper.sh", "v1alpha1", "SyncSet")
DEFINITIONS = Selector("apiextensions.k8s.io", "v1", "CustomResourceDefinition", labels="gatekeeper.sh/constraint=yes")
"""Those of Constraints: one that is changed or deleted is made anew."""

_NAP_SECONDS = 0.5
_PAUSE_SECONDS = 5.0
_RETRY_SECONDS = 10.0
_QUIET_SECONDS = 0.05
_WRITES_PER_SECOND = 20.0
_BURST = 100.0
_MOST_EVENTS = 10_000
_CONFLICTS = 4

Key = tuple[str, str, str, str]
"""(group, kind, namespace, name)"""


class Applied(Protocol):
    """What became of resources."""

    @property
    def defects(self) -> Sequence[tuple[str, Sequence[Diagnostic]]]:
        """The keys of those that were left out, and why."""


class Publisher(Protocol):
    """Publishes a scope's resources (``Policies``, over the engine)."""

    def apply_resources(self, scope: str, objects: Sequence[tuple[str, bytes]]) -> Applied:
        """Replace all custom resources of a scope ("": the fleet). Bad ones are left out and named. Raises
        StorageFailed, and nothing changed then."""


def config_selector(namespace: str) -> Selector:
    """The Config, which is one of this name in Gatekeeper's namespace."""
    return Selector("config.gatekeeper.sh", "v1alpha1", "Config", namespace, fields="metadata.name=config")


@dataclass(slots=True)
class Resource:
    """One object, and what was done for it."""

    content: Mapping[str, Any]
    crd: str = ""
    """What its CustomResourceDefinition was made of, if that was done."""

    @property
    def is_terminating(self) -> bool:
        """Whether somebody asked to delete it: Gatekeeper takes it for gone."""
        return bool(_mapping(self.content, "metadata").get("deletionTimestamp"))

    def significant(self) -> bytes:
        """What policies are made of: without the status, which we write, and the API server's bookkeeping."""
        metadata = {
            name: value
            for name, value in _mapping(self.content, "metadata").items()
            if name not in {"managedFields", "resourceVersion"}
        }
        kept = {name: value for name, value in self.content.items() if name != "status"}
        return json.dumps({**kept, "metadata": metadata}, sort_keys=True).encode()


class Allowance:
    """At most so many writes in a while: a status that somebody else writes back must not become a duel."""

    def __init__(self, per_second: float = _WRITES_PER_SECOND, burst: float = _BURST) -> None:
        self._per_second, self._burst = per_second, burst
        self._left, self._at = burst, time.monotonic()

    def take(self, stop: threading.Event) -> bool:
        """Wait for the next write; False if ``stop`` came first."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        self._left -= 1
        return self._left >= 0 or not stop.wait(-self._left / self._per_second)


class ClusterResources:
    """The custom resources of one cluster, a turn at a time: watched, published, reported on."""

    def __init__(
        self,
        feeds: Feeds,
        publisher: Publisher,
        *,
        cluster: str,
        scope: str,
        namespace: str,
        writer: str,
        turns: Turns,
        writes: Callable[[], bool] = lambda: True,
    ) -> None:
        """``cluster`` is the connection, ``scope`` where its policies belong, ``namespace`` where the Config is.

        ``writer`` names our entries in ``status.byPod``: replicas that have the same one write the same. Nothing is
        written, not even CustomResourceDefinitions, while ``writes`` says no.
        """
        self._feeds, self._publisher = feeds, publisher
        self._cluster, self._scope, self._writer, self._writes = cluster, scope, writer, writes
        self._turns = turns
        self._place: Place | None = None
        self._watch: ObjectWatch | None = None
        self._gathered = 0
        self._could_write = False
        self._selectors = (TEMPLATES, CONSTRAINTS, config_selector(namespace), SYNC_SETS, DEFINITIONS)
        self._resources: dict[Key, Resource] = {}
        self._synced: set[Selector] = set()
        self._published: dict[str, bytes] | None = None
        self._defects: Mapping[str, Sequence[Diagnostic]] = {}
        self._audited: Mapping[tuple[str, str], Audited] = {}
        self._has_audit = threading.Event()
        self._allowance = Allowance()
        self._retry_at = float("inf")
        self.problem = ""
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin. The cluster is connected."""
        self._place = self._turns.add(self._turn)

    def audited(self, found: Mapping[tuple[str, str], Audited]) -> None:
        """Have the status of Constraints, by kind and name, say what an audit found. Returns at once. Thread-safe."""
        self._audited = found
        self._has_audit.set()

    def close(self) -> None:
        """End; what is published stays."""
        self._stop.set()
        if self._place is not None:
            self._turns.remove(self._place)
        self._end_watch()

    def _turn(self) -> float:
        """Do what there is to do; gives the seconds to the next look."""
        try:
            return self._look()
        except Exception:
            _LOGGER.exception("watching the policies of %s failed; it is begun anew", self._scope or "the hub")
            self._end_watch()
            return _PAUSE_SECONDS

    def _look(self) -> float:
        if self._watch is None:
            self._watch = self._feeds.watch_objects(self._cluster, self._selectors)
            self._resources, self._synced = {}, set()
        events = self._watch.next(0.0)
        for event in events:
            self._take(event)
        self._gathered += len(events)
        if events and self._gathered < _MOST_EVENTS:
            # What happens right after belongs to it: `kubectl apply -f directory` is one change.
            return _QUIET_SECONDS
        could_write, self._could_write = self._could_write, self._writes()
        may_write_now = self._could_write and not could_write
        due = self._gathered or may_write_now or self._has_audit.is_set() or time.monotonic() >= self._retry_at
        if due and self._synced.issuperset(self._selectors):
            self._gathered = 0
            self._retry_at = float("inf")
            self._has_audit.clear()
            self._bring_up_to_date()
        return _NAP_SECONDS

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _take(self, event: ObjectEvent) -> None:
        match event:
            case ("synced", selector):
                self._synced.add(Selector(*selector))
                self.problem = ""
            case ("failed", _, str(words)):
                if words != self.problem:
                    _LOGGER.warning("policies of %s cannot be watched: %s", self._scope or "the hub", words)
                self.problem = words
            case ("put" | "delete", (DEFINITIONS.group, *_), *_):
                for one in self._resources.values():
                    one.crd = ""
            case ("put", _, str(group), _, str(kind), bytes(content)):
                one = json.loads(content)
                metadata = _mapping(one, "metadata")
                key = (group, kind, str(metadata.get("namespace", "")), str(metadata.get("name", "")))
                before = self._resources.get(key)
                same = before is not None and _uid(before.content) == _uid(one)
                self._resources[key] = Resource(one, crd=before.crd if before is not None and same else "")
            case ("delete", _, str(group), _, str(kind), str(namespace), str(name)):
                self._resources.pop((group, kind, namespace, name), None)

    def _bring_up_to_date(self) -> None:
        live = {_text(key): one for key, one in sorted(self._resources.items()) if not one.is_terminating}
        wanted = {key: one.significant() for key, one in live.items()}
        if wanted != self._published:
            try:
                applied = self._publisher.apply_resources(self._scope, list(wanted.items()))
            except StorageFailed as error:
                _LOGGER.error("policies of %s not published: %s", self._scope or "the hub", error)  # noqa: TRY400
                self._retry_at = time.monotonic() + _RETRY_SECONDS
                return
            self._published = wanted
            self._defects = {key: tuple(diagnostics) for key, diagnostics in applied.defects}
            for key, diagnostics in self._defects.items():
                _LOGGER.warning("left out: %s", "; ".join(one.message for one in diagnostics), extra=_fields(key))
        if self._could_write:
            self._report(live)

    def _report(self, live: Mapping[str, Resource]) -> None:
        """Write CustomResourceDefinitions and statuses, where they are not as they should be."""
        for key, one in live.items():
            if self._stop.is_set() or not self._writes():
                return
            group = key.partition("/")[0]
            if group == TEMPLATES.group:
                self._report_template(key, one)
            elif group == CONSTRAINTS.group:
                self._report_constraint(key, one)

    def _report_constraint(self, key: str, one: Resource) -> None:
        problems = resource_status.constraint_problems(self._defects.get(key, ()))
        _, kind, _, name = key.split("/")
        audited = self._audited.get((kind, name))
        self._write_status(one, lambda found: resource_status.of_constraint(found, self._writer, problems, audited))

    def _report_template(self, key: str, one: Resource) -> None:
        problems = resource_status.ingest_problems(self._defects.get(key, ()))
        if not problems:
            # As in Gatekeeper: a template that cannot be loaded gets no CustomResourceDefinition, and keeps one it has.
            problems = self._write_crd(one)
        self._write_status(one, lambda found: resource_status.of_template(found, self._writer, problems))

    def _write_crd(self, one: Resource) -> list[Problem]:
        try:
            wanted = constraint_crd.build(one.content)
        except CrdRefused as error:
            return [Problem(CREATE_ERROR, str(error))]
        made_of = json.dumps(wanted, sort_keys=True)
        if one.crd == made_of:
            return []
        try:
            self._make_crd(wanted)
        except _CrdFailed as error:
            self._try_again()
            return [error.problem]
        one.crd = made_of
        return []

    def _make_crd(self, wanted: Mapping[str, Any]) -> None:
        """Create a CustomResourceDefinition, or make it what it should be. Raises _CrdFailed."""
        name = {
            "apiVersion": wanted["apiVersion"],
            "kind": wanted["kind"],
            "metadata": {"name": wanted["metadata"]["name"]},
        }
        for attempt in range(_CONFLICTS):
            try:
                current = json.loads(self._request("get", name))
            except WriteError as error:
                if error.code != 404:
                    raise _CrdFailed(CREATE_ERROR, "Could not read CRD", error) from error
                current = None
            if current is not None and _is_as_wanted(current, wanted):
                return
            code, words = (UPDATE_ERROR, "Could not update CRD") if current else (CREATE_ERROR, "Could not create CRD")
            try:
                if current is None:
                    self._request("create", wanted)
                else:
                    self._request("update", _updated(current, wanted))
                return
            except WriteError as error:
                if error.code != 409 or attempt == _CONFLICTS - 1:
                    raise _CrdFailed(code, words, error) from error

    def _write_status(self, one: Resource, status: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
        """Write a status where it is another. Somebody else may write at the same time: then on top of theirs."""
        current = one.content
        for _ in range(_CONFLICTS):
            wanted = status(current)
            if wanted == current.get("status"):
                return
            try:
                answer = self._request("update-status", {**current, "status": wanted})
                one.content = json.loads(answer)
                return
            except WriteError as error:
                if error.code == 404:
                    return  # it is gone, and we will be told
                if error.code != 409:
                    _LOGGER.warning("status not written: %s", error, extra=_fields(_name(current)))
                    self._try_again()
                    return
            try:
                current = json.loads(self._request("get", current))
            except WriteError:
                self._try_again()
                return
            if _uid(current) != _uid(one.content):
                return  # another object of this name, which we will be told of
        self._try_again()

    def _request(self, verb: str, one: Mapping[str, Any]) -> bytes:
        if verb != "get" and not (self._allowance.take(self._stop) and self._writes()):
            raise WriteError(0, "Stopped", "this replica writes no more")
        return self._feeds.write(self._cluster, verb, json.dumps(one).encode())

    def _try_again(self) -> None:
        self._retry_at = min(self._retry_at, time.monotonic() + _RETRY_SECONDS)


class _CrdFailed(Exception):  # noqa: N818 (it names what became of it)
    """An API server would not take a CustomResourceDefinition."""

    def __init__(self, code: str, words: str, error: WriteError) -> None:
        super().__init__(words)
        self.problem = Problem(code, f"{words}: {error}")


def _is_as_wanted(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    metadata = _mapping(current, "metadata")
    references = metadata.get("ownerReferences")
    owned = isinstance(references, list) and wanted["metadata"]["ownerReferences"][0] in references
    return bool(owned and current.get("spec") == wanted["spec"])


def _updated(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """As Gatekeeper updates one: the spec is replaced, labels and the rest stay, the template is its controller."""
    metadata = dict(_mapping(current, "metadata"))
    ours = wanted["metadata"]["ownerReferences"][0]
    references = metadata.get("ownerReferences")
    others = [
        one
        for one in (references if isinstance(references, list) else ())
        if isinstance(one, Mapping) and (one.get("kind"), one.get("name")) != (ours["kind"], ours["name"])
    ]
    metadata["ownerReferences"] = [*others, ours]
    return {**current, "metadata": metadata, "spec": wanted["spec"]}


def _text(key: Key) -> str:
    return "/".join(key)


def _name(one: Mapping[str, Any]) -> str:
    metadata = _mapping(one, "metadata")
    return "/".join(
        str(part) for part in (one.get("kind", ""), metadata.get("namespace", ""), metadata.get("name", ""))
    )


def _uid(one: Mapping[str, Any]) -> str:
    return str(_mapping(one, "metadata").get("uid", ""))


def _fields(key: str) -> dict[str, Any]:
    return {"fields": {"resource": key}}


def _mapping(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}

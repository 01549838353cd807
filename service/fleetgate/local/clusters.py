"""Clusters of a kubeconfig, read once: what their policies ask for, and the policies themselves."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fleetgate_clients.audit.local import LocalEngineError

from fleetgate.clusters.kubeconfig import Context, Document, KubeconfigInvalid, Trust, context_names, cut_out, parse
from fleetgate.engine import DialError, Engine, Feeds, WriteError
from fleetgate.engine.feeds import Selector
from fleetgate.local.discovery import served_kinds
from fleetgate.policy.custom_resources import CONSTRAINTS, SYNC_SETS, TEMPLATES, config_selector

GATEKEEPER_NAMESPACE = "gatekeeper-system"

_GroupKind = tuple[str, str]

_NAMESPACE: _GroupKind = ("", "Namespace")
_DIAL_SECONDS = 10.0
_LIST_SECONDS = 300.0
_LOOK_SECONDS = 0.05


@dataclass(slots=True)
class ClustersRead:
    """What became of it. ``shortfalls`` says of a cluster, by name, why its policies are not all there."""

    feeds: Feeds | None = None
    shortfalls: Mapping[str, str] = field(default_factory=dict)

    def close(self) -> None:
        """End the feeds."""
        if self.feeds is not None:
            self.feeds.close()


def read_clusters(
    engine: Engine,
    names: Sequence[str],
    *,
    kubeconfig: str,
    exec_commands: Sequence[str],
    own_policies: bool,
    timeout_seconds: float,
) -> ClustersRead:
    """Read the clusters of contexts into the engine, under the contexts' names.

    Raises LocalEngineError where a context cannot be used. A cluster that does not answer, or not in time, is known to
    the engine as such.
    """
    deadline = time.monotonic() + min(timeout_seconds, _LIST_SECONDS)
    contexts = _contexts(names, kubeconfig, exec_commands)
    feeds = Feeds(engine, exec_commands=exec_commands)
    shortfalls: dict[str, str] = {}
    reached = [context for context in contexts if _reach(engine, feeds, context, shortfalls)]
    try:
        if own_policies:
            for context in reached:
                if words := _read_policies(engine, feeds, context.name, deadline):
                    shortfalls[context.name] = words
        planned: dict[str, set[_GroupKind]] = {}
        for context in reached:
            plan = engine.watch_plan(context.name)
            feeds.plan(context.name, plan.kinds, plan.matching, bounds=plan.bounds)
            try:
                planned[context.name] = served_kinds(feeds, context.name, plan.matching) | {_NAMESPACE}
            except WriteError as error:
                shortfalls[context.name] = f"what it serves cannot be found out: {error}"
        for name, missing in _wait(engine, feeds, planned, deadline).items():
            kinds = ", ".join(sorted(kind for _, kind in missing))
            shortfalls[name] = "; ".join(filter(None, (shortfalls.get(name, ""), f"not listed in time: {kinds}")))
    except BaseException:
        feeds.close()
        raise
    return ClustersRead(feeds, shortfalls)


def _contexts(names: Sequence[str], kubeconfig: str, exec_commands: Sequence[str]) -> list[Context]:
    trust = Trust(files=True, exec_commands=frozenset(exec_commands), plaintext=True)
    documents = [_document(path) for path in _paths(kubeconfig)]
    known = context_names(documents)
    for name in names:
        if name not in known:
            raise LocalEngineError(f"there is no context {name!r} in the kubeconfig; there are: {', '.join(known)}")
    found = []
    for name in dict.fromkeys(names):
        try:
            found.append(cut_out(documents, name, trust))
        except KubeconfigInvalid as error:
            raise LocalEngineError(f"context {name}: {error}") from error
    return found


def _paths(kubeconfig: str) -> list[Path]:
    """The files that kubectl would read."""
    if kubeconfig:
        return [Path(kubeconfig)]
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return [path for path in named if path.exists()] or named or [Path.home() / ".kube/config"]


def _document(path: Path) -> Document:
    try:
        return parse(path.read_bytes(), path.absolute().parent)
    except OSError as error:
        raise LocalEngineError(f"{path}: {error.strerror}") from error
    except KubeconfigInvalid as error:
        raise LocalEngineError(f"{path}: {error}") from error


def _reach(engine: Engine, feeds: Feeds, context: Context, shortfalls: dict[str, str]) -> bool:
    """Connect a cluster; one that does not answer is described so, and nothing of it is waited for."""
    uid, reason = "", ""
    try:
        uid = feeds.identify(context.kubeconfig, _DIAL_SECONDS, local=True).uid
        feeds.connect(context.name, context.kubeconfig, local=True)
    except DialError as error:
        reason = str(error)
        shortfalls[context.name] = f"its policies were not read: {reason}"
    engine.describe_cluster(
        context.name, uid=uid, aliases=[], labels=dict(context.labels), cluster_set="default", reason=reason
    )
    return not reason


def _read_policies(engine: Engine, feeds: Feeds, cluster: str, deadline: float) -> str:
    """Publish a cluster's own policies in its scope; return why they are not all there, "" where they are."""
    selectors = (TEMPLATES, CONSTRAINTS, config_selector(GATEKEEPER_NAMESPACE), SYNC_SETS)
    waiting, failed = set(selectors), dict[Selector, str]()
    objects: dict[str, bytes] = {}
    watch = feeds.watch_objects(cluster, selectors)
    try:
        while waiting - set(failed) and time.monotonic() < deadline:
            for event in watch.next(_LOOK_SECONDS):
                match event:
                    case ("synced", selector):
                        waiting.discard(Selector(*selector))
                    case ("failed", selector, str(words)):
                        failed[Selector(*selector)] = words
                    case ("put", _, str(group), _, str(kind), bytes(content)):
                        objects[f"{group}/{kind}/{len(objects)}"] = content
    finally:
        watch.close()
    applied = engine.apply_resources(cluster, sorted(objects.items()))
    unread = [
        f"{selector.kind}: {failed.get(selector, 'no answer in time')}" for selector in selectors if selector in waiting
    ]
    if not objects:
        unread.append("it has no ConstraintTemplates: nothing asks for anything")
    refused = [f"{key} is refused: {defects[0].message}" for key, defects in applied.defects if defects]
    return "; ".join([*unread, *refused])


def _wait(
    engine: Engine, feeds: Feeds, planned: Mapping[str, set[_GroupKind]], deadline: float
) -> dict[str, set[_GroupKind]]:
    """Wait until everything that is planned is there; return what was not by then, by cluster.

    What a feed has listed is published a moment later, and it is SYNCED before it has taken over its plan: that the
    engine has each kind is what counts.
    """
    while True:
        known = _known_kinds(engine, feeds)
        missing = {name: left for name, kinds in planned.items() if (left := kinds - known.get(name, set()))}
        if not missing or time.monotonic() >= deadline:
            return missing
        time.sleep(_LOOK_SECONDS)


def _known_kinds(engine: Engine, feeds: Feeds) -> dict[str, set[_GroupKind]]:
    """By cluster, the kinds that are complete, and those that are never read: the audit names them."""
    known = {
        cluster.name: {(kind.kind[0], kind.kind[2]) for kind in cluster.kinds if kind.state == "SYNCED"}
        for cluster in engine.clusters()
    }
    for feed in feeds.status():
        known.setdefault(feed.cluster, set()).update((kind.group, kind.kind) for kind in feed.kinds if kind.not_audited)
    return known

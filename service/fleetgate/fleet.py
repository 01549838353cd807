"""Wires the fleet: feeds, registry, hub, planner, policies of custom resources. A part of the composition root."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fleetgate.clusters import kubeconfig, names
from fleetgate.clusters.actions import Facts
from fleetgate.clusters.agents import Agents
from fleetgate.clusters.hub import Hub
from fleetgate.clusters.kubeconfig import KubeconfigInvalid, Trust
from fleetgate.clusters.kubeconfig_watch import KubeconfigWatch
from fleetgate.clusters.names import NamesUnreadable
from fleetgate.clusters.registration import Registration
from fleetgate.clusters.registry import Registry
from fleetgate.clusters.runner import HUB, Follower, Runner, watch_feeds
from fleetgate.clusters.sources import files
from fleetgate.clusters.sources.context import HubOptions
from fleetgate.clusters.sources.table import HUB_SOURCES, ORDER
from fleetgate.config import Settings
from fleetgate.engine import DialError, Engine, Feeds, Generation
from fleetgate.inventory.planner import Planner
from fleetgate.policy.custom_resources import ClusterResources
from fleetgate.policy.lease import Lease
from fleetgate.policy.resource_status import Audited
from fleetgate.policy.scopes import FLEET, MemberPolicies, ScopedPolicies
from fleetgate.policy.store import BundleStore
from fleetgate.policy.turns import Turns
from fleetgate.transport.tls import CertificateFiles, CertificateInvalid

_LOGGER = logging.getLogger("fleetgate")
_RETRY_SECONDS = 5.0
_LOOK_SECONDS = 2.0
_POLICY_THREADS = 16
"""For the custom resources of all clusters. Their API servers keep one waiting for the time of a write at most."""


class FleetInvalid(Exception):  # noqa: N818 (it names the settings' state)
    """The fleet cannot be set up; the text says why, for a person."""


class Fleet:
    """What runs for the fleet; ``running`` takes it down."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        running: ExitStack,
        published: Callable[[Generation], None],
        certificate_failed: Callable[[], None],
    ) -> None:
        """Start. ``published`` is told of each generation, ``certificate_failed`` of certificates that cannot be used.

        Raises FleetInvalid, StorageFailed.
        """
        self._settings = settings
        state = settings.state_directory
        self._feeds = Feeds(
            engine,
            exec_commands=settings.clusters.exec_commands,
            concurrent_relists=settings.feed.concurrent_relists,
        )
        running.callback(self._feeds.close)
        self._planner = Planner(self._feeds, engine)
        store = BundleStore(state / "resources") if state else None

        def tell(generation: Generation) -> None:
            published(generation)
            self._planner.look()

        self._policies = ScopedPolicies(engine, store, tell)
        self._policies.restore()
        self._turns = Turns(_POLICY_THREADS, "resources")
        running.callback(self._turns.close)
        self._lease = _lease(settings, self._feeds)
        self._members = MemberPolicies(self._member, self._policies)
        self._hub_resources: ClusterResources | None = None
        self._shards = _Shards(engine)
        self._cluster_sets = _cluster_sets(settings.feed.cluster_sets)
        self._runner = self._registry(state)
        self._stop = threading.Event()
        for part in (self._planner, self._runner):
            part.start()
            running.callback(part.close)
        running.callback(self._members.close)
        self._start_sources(running)
        self._certificates: CertificateFiles | None = None
        if settings.feed.listen:
            self._listen(certificate_failed)
        looker = threading.Thread(target=self._look, name="fleet", daemon=True)
        looker.start()
        running.callback(looker.join)
        running.callback(self._stop.set)

    def policies_changed(self) -> None:
        """Bundles were published: what has to be watched may be another."""
        self._planner.look()

    @property
    def is_leased(self) -> bool:
        """Whether a Lease on the hub says which replica writes into clusters."""
        return self._lease is not None

    def audited(self, scope: str, found: Mapping[tuple[str, str], Audited]) -> None:
        """Have the custom resources of a scope say what an audit found of them, by kind and name."""
        if scope != FLEET:
            self._members.audited(scope, found)
        elif self._hub_resources is not None:
            self._hub_resources.audited(found)

    def _registry(self, state: Path | None) -> Runner:
        chosen = self._settings.clusters
        try:
            remembered = names.load(state) if state else {}
            registry = Registry(
                {name: ORDER[name] for name in self._sources()},
                remembered,
                time.time(),
                chosen=_chosen_names(chosen.names),
                linger_seconds=chosen.linger_seconds,
                settle_seconds=chosen.settle_seconds,
            )
        except NamesUnreadable as error:
            raise FleetInvalid(f"error: {error}") from error
        followers: list[Follower] = [self._planner, *([self._members] if chosen.policies else [])]
        return Runner(
            registry,
            self._feeds,
            self._shards,
            followers=followers,
            directory=state,
            dial_seconds=chosen.dial_seconds,
        )

    def _sources(self) -> list[str]:
        """Names of the sources that are read."""
        found = [files.NAME] if self._settings.clusters.kubeconfigs else []
        if self._settings.hub.kubeconfig is not None:
            wanted = self._settings.hub.sources
            found += [source.name for source in HUB_SOURCES if not wanted or source.name in wanted]
        return found

    def _start_sources(self, running: ExitStack) -> None:
        chosen = self._settings.clusters
        if chosen.kubeconfigs:
            trust = Trust(files=True, exec_commands=frozenset(chosen.exec_commands), plaintext=True)

            def offer(registrations: Sequence[Registration]) -> None:
                self._runner.offer(files.NAME, registrations, synced=True)

            watch = KubeconfigWatch(chosen.kubeconfigs, trust, chosen.contexts, offer)
            watch.start()
            running.callback(watch.close)
        if self._settings.hub.kubeconfig is not None:
            self._start_hub(self._settings.hub.kubeconfig, running)

    def _start_hub(self, path: Path, running: ExitStack) -> None:
        options = _hub_options(self._settings)

        def offer(source: str, registrations: Sequence[Registration], synced: bool) -> None:
            self._runner.offer(source, registrations, synced=synced)

        hub = Hub(self._feeds, [one for one in HUB_SOURCES if one.name in self._sources()], options, offer)
        resources = self._resources(HUB, FLEET) if self._settings.hub.policies else None
        self._hub_resources = resources

        def connect() -> None:
            self._connect_hub(path)
            if self._stop.is_set():
                return
            if self._lease is not None:
                self._lease.start()
            hub.start()
            if resources is not None:
                resources.start()

        thread = threading.Thread(target=connect, name="hub-connect", daemon=True)
        thread.start()

        def close() -> None:
            self._stop.set()
            thread.join()
            for part in (resources, hub, self._lease):
                if part is not None:
                    part.close()

        running.callback(close)

    def _connect_hub(self, path: Path) -> None:
        """Connect the hub, however long it takes: the service decides meanwhile, with what it has stored."""
        told = ""
        while not self._stop.is_set():
            try:
                written = kubeconfig.read_context(
                    path, self._settings.hub.context, self._settings.clusters.exec_commands
                )
                identity = self._feeds.identify(written, self._settings.clusters.dial_seconds, local=True)
                self._members.hub_is(identity.uid)
                self._feeds.connect(HUB, written, feed=False, local=True)
                _LOGGER.info("hub connected", extra={"fields": {"uid": identity.uid, "version": identity.version}})
                return
            except (DialError, KubeconfigInvalid, OSError) as error:
                if str(error) != told:
                    _LOGGER.warning("hub not reached: %s", error)
                told = str(error)
                self._stop.wait(_RETRY_SECONDS)

    def _member(self, name: str) -> ClusterResources:
        return self._resources(name, name)

    def _resources(self, cluster: str, scope: str) -> ClusterResources:
        chosen = self._settings.clusters
        return ClusterResources(
            self._feeds,
            self._policies,
            cluster=cluster,
            scope=scope,
            namespace=chosen.gatekeeper_namespace,
            writer=chosen.writer,
            turns=self._turns,
            writes=self._may_write,
        )

    def _may_write(self) -> bool:
        """Whether this replica writes into clusters now."""
        return self._settings.clusters.write and (self._lease is None or self._lease.held())

    def _listen(self, certificate_failed: Callable[[], None]) -> None:
        tls = self._settings.tls
        assert tls.certificate is not None  # noqa: S101 (the settings' validation says so, here and below)
        assert tls.key is not None  # noqa: S101
        assert tls.client_ca is not None  # noqa: S101
        try:
            self._certificates = CertificateFiles(tls.certificate, tls.key, tls.client_ca, failed=certificate_failed)
            certificate, key, client_ca = self._certificates.current
            address = self._feeds.listen(
                self._settings.feed.listen,
                certificate=certificate,
                key=key,
                client_ca=client_ca or b"",
                trust_domain=tls.trust_domain,
            )
        except CertificateInvalid as error:
            raise FleetInvalid(f"error: {error}") from error
        except OSError as error:
            raise FleetInvalid(
                f"error: cannot listen on {self._settings.feed.listen} (--feed-listen): {error}"
            ) from error
        _LOGGER.info("agents may stream", extra={"fields": {"listen": address}})

    def _look(self) -> None:
        step = watch_feeds(self._runner, self._feeds)
        chosen = self._settings
        agents = Agents(
            self._runner,
            self._feeds,
            self._shards,
            [self._planner, *([self._members] if chosen.clusters.policies else [])],
            cluster_sets=self._cluster_sets,
            gone_seconds=chosen.feed.gone_seconds,
        )
        while not self._stop.wait(_LOOK_SECONDS):
            try:
                step()
                agents.step()
                self._renew_certificates()
            except Exception:
                _LOGGER.exception("looking at the feeds failed")

    def _renew_certificates(self) -> None:
        """Show agents that connect from now on what the files hold."""
        changed = self._certificates.changed() if self._certificates else None
        if changed is not None:
            certificate, key, client_ca = changed
            self._feeds.renew_certificates(certificate=certificate, key=key, client_ca=client_ca or b"")


class _Shards:
    """The core, as the registry tells it of clusters."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe_cluster(self, name: str, facts: Facts) -> None:
        """Tell the core of a cluster."""
        self._engine.describe_cluster(
            name,
            uid=facts.uid,
            aliases=facts.aliases,
            labels=dict(facts.labels),
            cluster_set=facts.cluster_set,
            reason=facts.reason,
        )

    def remove_cluster(self, name: str) -> None:
        """Tell the core that a cluster is gone."""
        self._engine.remove_cluster(name)


def _cluster_sets(written: Sequence[str]) -> dict[str, str]:
    """``NAME=SET`` as a mapping. Raises FleetInvalid."""
    found: dict[str, str] = {}
    for entry in written:
        name, separator, cluster_set = entry.partition("=")
        if not name or not separator or not cluster_set or name in found:
            raise FleetInvalid(f"error: feed.cluster_sets: {entry!r} is not NAME=SET, each name once")
        found[name] = cluster_set
    return found


def _lease(settings: Settings, feeds: Feeds) -> Lease | None:
    """What says which replica writes; None where this one does in any case."""
    if settings.hub.kubeconfig is None or not settings.hub.lease or not settings.clusters.write:
        return None
    namespace, _, name = settings.hub.lease.partition("/")
    identity = f"{socket.gethostname()}_{uuid.uuid4()}"
    return Lease(feeds, HUB, namespace, name, identity=identity)


def _chosen_names(written: Sequence[str]) -> dict[str, str]:
    """``NAME=KEY`` as key → name. Raises FleetInvalid."""
    found: dict[str, str] = {}
    for entry in written:
        name, separator, key = entry.partition("=")
        if not separator or not key or names.canonical(name) != name or key in found or name in found.values():
            raise FleetInvalid(f"error: clusters.names: {entry!r} is not NAME=UID or NAME=SOURCE/KEY, each once")
        found[key] = name
    return found


def _hub_options(settings: Settings) -> HubOptions:
    """Raises FleetInvalid."""
    hub = settings.hub
    try:
        return HubOptions(
            namespaces=tuple(hub.namespaces),
            exec_providers=_providers(hub.exec_providers),
            exec_commands=frozenset(settings.clusters.exec_commands),
            ocm_account=hub.ocm_account,
            ocm_proxy=hub.ocm_proxy,
            ocm_proxy_ca=hub.ocm_proxy_ca.read_text() if hub.ocm_proxy_ca else "",
            gardener_seconds=hub.gardener_seconds,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FleetInvalid(f"error: hub.exec_providers or hub.ocm_proxy_ca: {error}") from error


def _providers(path: Path | None) -> Mapping[str, Mapping[str, Any]]:
    if path is None:
        return {}
    return {str(one["name"]): dict(one["execConfig"]) for one in json.loads(path.read_bytes())["providers"]}

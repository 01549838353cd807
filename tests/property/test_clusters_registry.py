"""The registry beside a fleet that changes at random: registrations come, go and are renamed, servers stop, are rebuilt
and get other credentials, answers are late, the service starts again.

Asked after every step: one name per API server and one API server per name; names stay; a connection leads to the
cluster whose name it has; nothing is dropped that anything still leads to or may lead to. Asked at rest: what can be
reached is connected, what nothing registers is gone.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleetgate.clusters.actions import Connect, Describe, Dial, Drop
from fleetgate.clusters.names import Remembered
from fleetgate.clusters.registration import Registration
from fleetgate.clusters.registry import Registry
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

ORDER = {"kubeconfig": 0, "cluster-api": 1, "argo-cd": 2}
LINGER, SETTLE = 10.0, 10.0
sources = st.sampled_from(sorted(ORDER))
keys = st.sampled_from(["a", "b", "c"])
servers = st.sampled_from(["s0", "s1", "s2"])


@dataclass
class Server:
    """An API server: its namespace kube-system's UID, whether it answers, which credentials it takes."""

    uid: str
    up: bool = True
    accepts: int = 0


class Registering(RuleBasedStateMachine):
    """The registry, and the fleet beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1.0
        self.rotated = False
        self.rebuilt = 3
        self.servers = {f"s{number}": Server(f"u{number}-000000") for number in range(3)}
        self.registered: dict[str, dict[str, tuple[str, int]]] = {source: {} for source in ORDER}
        self.unread: set[str] = set()
        self.saved: dict[str, Remembered] = {}
        self.dials: list[Dial] = []
        self.connected: dict[str, str] = {}
        self.described: dict[str, str] = {}
        self.names: dict[str, str] = {}

    @initialize()
    def start(self) -> None:
        self._start()

    def _start(self) -> None:
        self.registry = Registry(
            ORDER, self.saved, self.now, linger_seconds=LINGER, settle_seconds=SETTLE, jitter=lambda: 0.0
        )
        self.unread = set(ORDER)
        self.dials, self.connected, self.described = [], {}, {}
        self._carry_out()

    # --- what happens ------------------------------------------------------------------------------------------------

    @rule(source=sources, key=keys, server=servers)
    def register(self, source: str, key: str, server: str) -> None:
        self.registered[source][key] = (server, self.servers[server].accepts)
        self._offer(source)

    @rule(source=sources, key=keys)
    def unregister(self, source: str, key: str) -> None:
        self.registered[source].pop(key, None)
        self._offer(source)

    @rule(source=sources, old=keys, new=keys)
    def rename(self, source: str, old: str, new: str) -> None:
        found = self.registered[source]
        # Renamed and rotated while nobody looks is another registration for all that anybody knows.
        if old in found and new not in found and not (self.unread and self.rotated):
            found[new] = found.pop(old)
            self._offer(source)

    @rule(source=sources)
    def read(self, source: str) -> None:
        self.unread.discard(source)
        self.registry.synced(source, self._registrations(source), self.now)
        self._carry_out()

    @rule(server=servers)
    def rotate(self, server: str) -> None:
        """The server takes new credentials only, and every registration gets them."""
        self.rotated = True
        accepts = self.servers[server].accepts = self.servers[server].accepts + 1
        for source, found in self.registered.items():
            for key, (led, _) in found.items():
                if led == server:
                    found[key] = (server, accepts)
            self._offer(source)

    @rule(server=servers)
    def stop_or_start_server(self, server: str) -> None:
        self.servers[server].up = not self.servers[server].up

    @rule(server=servers)
    def rebuild(self, server: str) -> None:
        """Another cluster at the same address, with other credentials."""
        self.rebuilt += 1
        self.servers[server].uid = f"u{self.rebuilt}-000000"
        self.rotate(server)

    @precondition(lambda self: self.dials)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        dial = self.dials.pop(data.draw(st.integers(0, len(self.dials) - 1)))
        self._answer(dial)

    @rule(seconds=st.sampled_from([0.5, 5.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self._carry_out()

    @rule()
    def lose_a_connection(self) -> None:
        for name in sorted(self.connected):
            self.registry.lost(name, self.now)
        self._carry_out()

    @rule()
    def restart(self) -> None:
        self._save()
        self.rotated = False
        self._start()

    @rule()
    def rest(self) -> None:
        """Everything is read and answered, and time passes."""
        for source in ORDER:
            self.read(source)
        for _ in range(4):
            while self.dials:
                self._answer(self.dials.pop(0))
            self.wait(100.0)
        while self.dials:
            self._answer(self.dials.pop(0))
        reachable: dict[str, set[str]] = {}
        for source, found in self.registered.items():
            for server, version in found.values():
                if self.servers[server].up and version == self.servers[server].accepts:
                    reachable.setdefault(self.servers[server].uid, set()).add(f"{server}:{version}")
            assert source not in self.unread
        by_uid = {uid: name for name, uid in self.described.items() if uid}
        assert set(reachable) <= set(by_uid)
        for uid, ways in reachable.items():
            assert self.connected[by_uid[uid]] in ways
        registered = any(found for found in self.registered.values())
        assert registered or not self.described
        self.registry.tick(self.now)
        assert self.registry.take() == []

    # --- how ---------------------------------------------------------------------------------------------------------

    def _registrations(self, source: str) -> list[Registration]:
        return [
            Registration(source, key, (key, f"{source}/{key}"), kubeconfig=f"{server}:{version}")
            for key, (server, version) in sorted(self.registered[source].items())
        ]

    def _offer(self, source: str) -> None:
        self.registry.offer(source, self._registrations(source), self.now)
        self._carry_out()

    def _answer(self, dial: Dial) -> None:
        one = dial.registration
        name, _, version = one.kubeconfig.partition(":")
        server = self.servers[name]
        if server.up and int(version) == server.accepts:
            self.registry.dialled(one.id, one.fingerprint, server.uid, "v1.36", one.kubeconfig, self.now)
        else:
            self.registry.failed(one.id, one.fingerprint, "refused", "connection refused", self.now)
        self._carry_out()

    def _carry_out(self) -> None:
        self.registry.tick(self.now)
        for action in self.registry.take():
            match action:
                case Dial():
                    self.dials.append(action)
                case Connect(name, _, kubeconfig):
                    assert name
                    self.connected[name] = kubeconfig
                case Describe(name, facts):
                    assert name
                    self.described[name] = facts.uid
                case Drop(name):
                    uid = self.described.pop(name, None)
                    led = {
                        self.servers[server].uid for found in self.registered.values() for server, _ in found.values()
                    }
                    assert not uid or uid not in led, "dropped, though something still leads to it"
                    self.connected.pop(name, None)

    def _save(self) -> None:
        saved = self.registry.to_save()
        if saved is not None:
            self.saved = saved

    # --- what is always so -------------------------------------------------------------------------------------------

    @invariant()
    def one_name_per_cluster_and_one_cluster_per_name(self) -> None:
        if not hasattr(self, "registry"):
            return
        views = [view for view in self.registry.views() if not view.gone]
        named = [view.name for view in views if view.uid and view.name]
        assert len(named) == len(set(named))
        uids = [view.uid for view in views if view.uid]
        assert len(uids) == len(set(uids))
        assert {view.name: view.uid for view in views if view.name} == self.described

    @invariant()
    def names_stay(self) -> None:
        if not hasattr(self, "registry"):
            return
        now = {view.uid: view.name for view in self.registry.views() if view.uid and view.name and not view.gone}
        for uid, name in now.items():
            assert self.names.get(uid, name) == name
        self.names = now
        self._save()

    @invariant()
    def connections_lead_where_their_names_say(self) -> None:
        """A kubeconfig's credentials are of one cluster for good: rebuilding changes them."""
        for name, kubeconfig in self.connected.items():
            assert self.described[name]
            server, _, version = kubeconfig.partition(":")
            if int(version) == self.servers[server].accepts:
                assert self.described[name] == self.servers[server].uid


TestRegistering = Registering.TestCase
TestRegistering.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, derandomize=True)

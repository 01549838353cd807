"""The clusters there are: which registrations lead to the same API server, what it is called, who connects it.

A state machine without threads, clocks or I/O: inputs are method calls with the time, outputs are actions
(:meth:`Registry.take`). Identity is the UID of the namespace ``kube-system``; names are aliases. What is not known (an
API server that does not answer, a hub that was not read yet) never removes a cluster: only sources read whole do.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fleetgate.clusters import names
from fleetgate.clusters.actions import Action, Connect, Describe, Dial, Drop, Facts
from fleetgate.clusters.names import Remembered
from fleetgate.clusters.registration import DEFAULT_CLUSTER_SET, Registration

FIRST_RETRY, LAST_RETRY = 1.0, 60.0
"""Seconds between attempts to dial: doubled from the first to the last, each with up to half of it more at random."""

RENEW = 2 / 3
"""Share of the life of a credential that was asked for after which it is asked for anew."""

NEVER = float("inf")
_LED_LIMIT = 1000
"""Credentials of before whose clusters are remembered, beside two for each registration."""


@dataclass(slots=True)
class Entry:
    """A registration and what became of it."""

    registration: Registration
    uid: str = ""
    """The cluster it leads to: as the cluster said, or as is remembered until it does."""
    verified: str = ""
    """Fingerprint with which the cluster said so; "" if it never did."""
    tried: str = ""
    """Fingerprint of the last dial."""
    kubeconfig: str = field(default="", repr=False)
    """What the cluster was reached with."""
    works: bool = False
    """Whether the last dial reached it."""
    dialling: str = ""
    """Fingerprint of the dial that is under way."""
    due: float = NEVER
    attempts: int = 0
    failure: tuple[str, str] = ("", "")
    """Reason (:class:`fleetgate.engine.exceptions.DialError`) and words of the last dial; empty if it was good."""
    version: str = ""

    @property
    def problem(self) -> str:
        """Why it does not lead anywhere just now; "" where it does."""
        return self.registration.problem or self.failure[1] or ("" if self.verified else "it was not dialled yet")


@dataclass(slots=True)
class Member:
    """A cluster. Without a ``name`` as long as sources that may name it were not read."""

    uid: str
    name: str = ""
    entries: set[str] = field(default_factory=set)
    connected: tuple[str, str] = field(default=("", ""), repr=False)
    """(registration, kubeconfig) that it was connected with last."""
    trouble: str = ""
    """What its feed says is wrong."""
    leaves: float = NEVER
    """When it is gone, if nothing registers it until then."""


@dataclass(frozen=True, slots=True)
class ClusterView:
    """A cluster as it is shown. ``uid`` is "" as long as it was never reached, and ``name`` may be "" then."""

    name: str
    uid: str
    facts: Facts
    version: str
    connected_by: str
    partial: tuple[str, ...]
    registrations: tuple[tuple[str, str, str], ...]
    """(``source/key``, reason, words): the last two are empty where it works."""
    gone: float = 0.0
    """When it went; 0 while it is there."""


class Registry:
    """The registry's state."""

    def __init__(
        self,
        sources: Mapping[str, int],
        remembered: Mapping[str, Remembered],
        now: float,
        *,
        chosen: Mapping[str, str] | None = None,
        linger_seconds: float = 10.0,
        settle_seconds: float = 10.0,
        kept_gone: int = 100,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """``sources`` maps each source that will be read to its place in the order.

        ``chosen`` maps a UID or ``source/key`` to the name that somebody chose. A cluster that nothing registers any
        more is gone after ``linger_seconds``: files are replaced, Secrets made anew. New clusters are named when all
        sources were read and each registration was dialled once, or after ``settle_seconds``.
        """
        self._order = dict(sources)
        self._chosen = dict(chosen or {})
        self._settled = False
        self._linger, self._settle_at, self._jitter = linger_seconds, now + settle_seconds, jitter
        self._unread = set(sources)
        self._entries: dict[str, Entry] = {}
        self._members = {uid: Member(uid, one.name) for uid, one in remembered.items()}
        self._led = {id_: uid for uid, one in remembered.items() for id_ in one.registrations}
        self._led |= {print_: uid for uid, one in remembered.items() for print_ in one.registrations.values() if print_}
        self._provisional: dict[str, str] = {}
        self._described: dict[str, Facts] = {}
        self._gone: list[ClusterView] = []
        self._kept_gone = kept_gone
        self._actions: list[Action] = []
        self._by_fingerprint: dict[str, str] = {}
        self._saved = dict(remembered)
        self._rename()
        for member in self._members.values():
            if member.name:
                self._describe(member)

    # --- inputs ------------------------------------------------------------------------------------------------------

    def offer(self, source: str, registrations: Sequence[Registration], now: float) -> None:
        """What a source registers, all of it. A source that was not read whole offers what it has seen, and says
        ``synced`` afterwards."""
        offered = {one.id: one for one in registrations}
        before = [id_ for id_, entry in self._entries.items() if entry.registration.source == source]
        left = (
            {id_: self._entries.pop(id_) for id_ in before if id_ not in offered} if source not in self._unread else {}
        )
        touched: set[str] = {entry.uid for entry in left.values()}
        for id_, one in offered.items():
            entry = self._entries.get(id_)
            if entry is None:
                entry = self._entries[id_] = self._arrived(one, left.values())
            else:
                self._by_fingerprint.pop(entry.registration.fingerprint, None)
                entry.registration = one
            self._by_fingerprint[one.fingerprint] = id_
            if not one.fingerprint:
                entry.due = NEVER
            elif one.fingerprint != entry.tried:
                entry.due, entry.attempts = now, 0
            elif not entry.works and not entry.dialling and entry.due == NEVER:
                entry.due = now
            touched.add(entry.uid)
        for id_, entry in left.items():
            if self._by_fingerprint.get(entry.registration.fingerprint) == id_:
                del self._by_fingerprint[entry.registration.fingerprint]
            self._leave(entry.uid, id_)
            self._retract(id_)
        self._update(touched, now)

    def synced(self, source: str, registrations: Sequence[Registration], now: float) -> None:
        """A source was read whole: what it does not register, it does not have."""
        self._unread.discard(source)
        self.offer(source, registrations, now)
        self._update(set(self._members), now)

    def dialled(  # noqa: PLR0917 (what a dial found)
        self, id_: str, fingerprint: str, uid: str, version: str, kubeconfig: str, now: float
    ) -> None:
        """A cluster said who it is. ``fingerprint`` is of the registration that was dialled, ``kubeconfig`` what it was
        reached with."""
        entry = self._entries.get(id_)
        if entry is None or entry.dialling != fingerprint:
            return
        entry.dialling, entry.attempts = "", 0
        if entry.registration.fingerprint != fingerprint:
            return  # it changed meanwhile, and is due already
        before, entry.uid = entry.uid, uid
        entry.verified, entry.kubeconfig, entry.works = fingerprint, kubeconfig, True
        entry.failure, entry.version = ("", ""), version
        self._learn(fingerprint, uid)
        request = entry.registration.request
        entry.due = now + RENEW * request.seconds if request else NEVER
        if before != uid:
            self._moved(id_, before, uid, now)
        self._update({before, uid}, now)

    def failed(self, id_: str, fingerprint: str, reason: str, words: str, now: float) -> None:
        """A dial failed. Whatever connects the cluster already stays."""
        entry = self._entries.get(id_)
        if entry is None or entry.dialling != fingerprint:
            return
        entry.dialling = ""
        if entry.registration.fingerprint != fingerprint:
            return
        entry.failure, entry.works = (reason, words), False
        wait = min(LAST_RETRY, FIRST_RETRY * 2 ** min(entry.attempts, 10))
        entry.attempts += 1
        entry.due = now + wait * (1 + self._jitter() / 2)
        self._update({entry.uid}, now)

    def lost(self, name: str, now: float) -> None:
        """A feed cannot get in any more: dial again what it was connected with, to take another way if that fails."""
        for member in self._members.values():
            if member.name == name and (entry := self._entries.get(member.connected[0])) is not None:
                if not entry.dialling and entry.registration.fingerprint:
                    entry.due = min(entry.due, now)
                return

    def heard(self, name: str, trouble: str) -> None:
        """What a feed says is wrong with its cluster; "" for nothing."""
        for member in self._members.values():
            if member.name == name and member.trouble != trouble:
                member.trouble = trouble
                self._describe(member)

    def tick(self, now: float) -> None:
        """Let time pass."""
        if not self._settled and (now >= self._settle_at or self._all_answered()):
            self._settled = True
            self._update({uid for uid, member in self._members.items() if not member.name}, now)
        for id_, entry in self._entries.items():
            if entry.due <= now and not entry.dialling:
                entry.dialling = entry.tried = entry.registration.fingerprint
                entry.due = NEVER
                self._actions.append(Dial(entry.registration))
            if not entry.uid and self._settled and (entry.registration.problem or entry.failure[1]):
                self._pending(id_, entry)
        for member in [member for member in self._members.values() if member.leaves <= now]:
            self._remove(member, now)

    # --- outputs -----------------------------------------------------------------------------------------------------

    def take(self) -> list[Action]:
        """What is to be done, in this order; each is given once."""
        actions, self._actions = self._actions, []
        return actions

    def next_due(self) -> float:
        """When ``tick`` has something to do next."""
        moments = [entry.due for entry in self._entries.values() if not entry.dialling]
        moments += [member.leaves for member in self._members.values()]
        if not self._settled:
            moments.append(self._settle_at)
        return min(moments, default=NEVER)

    def to_save(self) -> dict[str, Remembered] | None:
        """What is to be remembered, if it is not what was remembered last."""
        current = {
            uid: Remembered(
                member.name,
                {id_: self._entries[id_].registration.fingerprint for id_ in sorted(member.entries)}
                or self._of_before(uid),
            )
            for uid, member in self._members.items()
            if member.name
        }
        if current == self._saved:
            return None
        self._saved = current
        return dict(current)

    def views(self) -> list[ClusterView]:
        """All clusters, those that went last too, sorted by name."""
        found = [self._view(member) for member in self._members.values()]
        found += [self._pending_view(id_, entry) for id_, entry in self._entries.items() if not entry.uid]
        return sorted([*found, *self._gone], key=lambda view: (view.name, view.registrations))

    @property
    def unread(self) -> frozenset[str]:
        """Sources that were not read whole yet."""
        return frozenset(self._unread)

    # --- how ---------------------------------------------------------------------------------------------------------

    def _arrived(self, one: Registration, left: Iterable[Entry]) -> Entry:
        """A new entry. One that gets in just like another that was there leads to where that did: a context that was
        renamed is not dialled anew."""
        twin = None if one.request else self._twin(one.fingerprint, left)
        if twin is not None and twin.works and twin.verified == twin.tried == one.fingerprint:
            entry = Entry(one, twin.uid, twin.verified, twin.tried, twin.kubeconfig, works=True, version=twin.version)
        elif twin is not None:
            entry = Entry(one, twin.uid)
        else:
            entry = Entry(one, self._led.get(one.fingerprint) or self._led.get(one.id, ""))
        if entry.uid:
            self._join(entry.uid, one.id)
        return entry

    def _twin(self, fingerprint: str, left: Iterable[Entry]) -> Entry | None:
        """An entry that gets in just like this."""
        kept = self._entries.get(self._by_fingerprint.get(fingerprint, ""))
        candidates: list[Entry] = [*left, kept] if kept is not None else list(left)
        found = (one for one in candidates if fingerprint == one.registration.fingerprint and one.uid)
        return next(found, None) if fingerprint else None

    def _learn(self, fingerprint: str, uid: str) -> None:
        """Remember where credentials led, however they are registered next."""
        self._led.pop(fingerprint, None)
        self._led[fingerprint] = uid
        if len(self._led) > _LED_LIMIT + 2 * len(self._entries):
            del self._led[next(one for one in self._led if one not in self._entries)]

    def _join(self, uid: str, id_: str) -> None:
        member = self._members.setdefault(uid, Member(uid))
        member.entries.add(id_)
        self._led[id_] = uid

    def _leave(self, uid: str, id_: str) -> None:
        if uid in self._members:
            self._members[uid].entries.discard(id_)
        self._led.pop(id_, None)

    def _moved(self, id_: str, before: str, uid: str, now: float) -> None:
        """A registration leads to another cluster than it did. If nothing else led to the one before, it was replaced,
        and the new one takes its name."""
        self._leave(before, id_)
        member = self._members.get(before)
        name = ""
        if member is not None and not member.entries and not self._may_return(before, apart_from=id_):
            name = member.name
            self._remove(member, now)
        self._join(uid, id_)
        if name and not self._members[uid].name:
            self._members[uid].name = name

    def _update(self, uids: set[str], now: float) -> None:
        """Bring clusters up to date with their registrations."""
        for uid in sorted(uid for uid in uids if uid in self._members):
            member = self._members[uid]
            if member.entries:
                member.leaves = NEVER
            elif not self._may_return(uid) and member.leaves == NEVER:
                member.leaves = now + self._linger
            if not member.name and member.entries and self._settled:
                member.name = self._name(member)
            if member.name:
                self._yield_name(member)
                self._connect(member)
                self._describe(member)
            for id_ in member.entries:
                self._retract(id_)

    def _all_answered(self) -> bool:
        """Whether all sources were read and each registration was dialled once."""
        return not self._unread and not any(
            entry.dialling or entry.registration.fingerprint not in {"", entry.tried, entry.verified}
            for entry in self._entries.values()
        )

    def _may_return(self, uid: str, apart_from: str = "") -> bool:
        """Whether a source that was not read yet may register the cluster: one of those that did before."""
        return any(key.partition("/")[0] in self._unread for key in self._of_before(uid) if key != apart_from)

    def _of_before(self, uid: str) -> Mapping[str, str]:
        remembered = self._saved.get(uid)
        return remembered.registrations if remembered else {}

    def _sorted(self, member: Member) -> list[Entry]:
        """Entries of a cluster by preference."""
        return sorted((self._entries[id_] for id_ in member.entries), key=self._rank)

    def _rank(self, entry: Entry) -> tuple[int, str]:
        return self._order.get(entry.registration.source, len(self._order)), entry.registration.key

    def _name(self, member: Member) -> str:
        entries = self._sorted(member)
        taken = {other.name for other in self._members.values()}
        for key in (member.uid, *(entry.registration.id for entry in entries)):
            if (name := self._chosen.get(key, "")) and name not in taken:
                return name
        taken |= set(self._chosen.values())
        return names.choose((alias for entry in entries for alias in entry.registration.aliases), member.uid, taken)

    def _rename(self) -> None:
        """Give remembered clusters the names that were chosen for them; who had such a name before gets another."""
        wanted = {
            uid: self._chosen[key]
            for uid, one in sorted(self._saved.items())
            for key in reversed((uid, *one.registrations))
            if key in self._chosen
        }
        for uid, member in self._members.items():
            name = wanted.get(uid, "" if member.name in wanted.values() else member.name)
            if name != member.name:
                self._actions.append(Drop(member.name))
                member.name = name
        for name in set(wanted.values()):
            for member in [one for one in self._members.values() if one.name == name][1:]:
                member.name = ""

    def _yield_name(self, member: Member) -> None:
        """A cluster that was never reached gives up its name for one that has it."""
        for id_ in [id_ for id_, name in self._provisional.items() if name == member.name]:
            del self._provisional[id_]

    def _connect(self, member: Member) -> None:
        """Connect by the best registration that works: one that sees all before one that sees some namespaces."""
        working = [entry for entry in self._sorted(member) if entry.works and entry.kubeconfig]
        best = min(working, key=lambda entry: bool(entry.registration.partial), default=None)
        if best is None:
            return
        wanted = (best.registration.id, best.kubeconfig)
        if wanted[1] != member.connected[1]:
            self._actions.append(Connect(member.name, member.uid, best.kubeconfig, best.registration.local))
        member.connected = wanted

    def _describe(self, member: Member) -> None:
        facts = self._facts(member)
        if self._described.get(member.name) != facts:
            self._described[member.name] = facts
            self._actions.append(Describe(member.name, facts))

    def _facts(self, member: Member) -> Facts:
        entries = self._sorted(member)
        labels: dict[str, str] = {}
        for entry in reversed(entries):
            labels.update(entry.registration.labels)
        sets = [entry.registration.cluster_set for entry in entries]
        reason = member.trouble
        if not member.connected[0]:
            reason = next((entry.problem for entry in entries), "nothing registers it")
        return Facts(
            uid=member.uid,
            aliases=tuple(dict.fromkeys(alias for entry in entries for alias in entry.registration.aliases)),
            labels=labels,
            cluster_set=next((one for one in sets if one != DEFAULT_CLUSTER_SET), DEFAULT_CLUSTER_SET),
            reason=reason,
        )

    def _pending(self, id_: str, entry: Entry) -> None:
        """Tell the core of a cluster that was never reached: it is unknown, which is not the same as absent."""
        if id_ not in self._provisional:
            taken = {member.name for member in self._members.values()} | set(self._provisional.values())
            name = next((found for alias in entry.registration.aliases if (found := names.canonical(alias))), "")
            if not name or name in taken:
                return
            self._provisional[id_] = name
        name, one = self._provisional[id_], entry.registration
        facts = Facts("", one.aliases, one.labels, one.cluster_set, entry.problem)
        if self._described.get(name) != facts:
            self._described[name] = facts
            self._actions.append(Describe(name, facts))

    def _retract(self, id_: str) -> None:
        """A registration that was pending is not so any more."""
        name = self._provisional.pop(id_, "")
        if name and not any(member.name == name for member in self._members.values()):
            self._described.pop(name, None)
            self._actions.append(Drop(name))

    def _remove(self, member: Member, now: float) -> None:
        view = self._view(member)
        del self._members[member.uid]
        if member.name:
            self._described.pop(member.name, None)
            self._actions.append(Drop(member.name))
            kept = ClusterView(
                view.name, view.uid, view.facts, view.version, "", view.partial, view.registrations, gone=now
            )
            self._gone = [*(one for one in self._gone if one.name != view.name), kept][-self._kept_gone :]

    def _view(self, member: Member) -> ClusterView:
        entries = self._sorted(member)
        connected = self._entries.get(member.connected[0])
        return ClusterView(
            name=member.name,
            uid=member.uid,
            facts=self._facts(member),
            version=next((entry.version for entry in entries if entry.version), ""),
            connected_by=member.connected[0],
            partial=connected.registration.partial if connected else (),
            registrations=tuple(_shown(entry) for entry in entries),
        )

    def _pending_view(self, id_: str, entry: Entry) -> ClusterView:
        one = entry.registration
        facts = Facts("", one.aliases, one.labels, one.cluster_set, entry.problem)
        name = self._provisional.get(id_, "")
        return ClusterView(name, "", facts, "", "", one.partial, (_shown(entry),))


def _shown(entry: Entry) -> tuple[str, str, str]:
    one = entry.registration
    if one.problem:
        return one.id, "source", one.problem
    if entry.failure[1]:
        return one.id, *entry.failure
    return (one.id, "", "") if entry.verified else (one.id, "pending", entry.problem)

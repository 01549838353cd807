"""The registry: one cluster per API server, its names, its credentials, its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fleetgate.clusters import names
from fleetgate.clusters.actions import Connect, Describe, Dial, Drop
from fleetgate.clusters.names import NamesUnreadable, Remembered
from fleetgate.clusters.registration import CredentialRequest, Registration
from fleetgate.clusters.registry import Registry

ORDER = {"kubeconfig": 0, "cluster-api": 1, "argo-cd": 2}
Action = Dial | Connect | Describe | Drop


def reg(key: str, kubeconfig: str = "", source: str = "kubeconfig", **changed: Any) -> Registration:
    """A registration; its kubeconfig is the cluster's UID, a colon, and the version of the credentials."""
    given = {"aliases": (key,), **changed}
    return Registration(source=source, key=key, kubeconfig=kubeconfig, **given)


class Fleet:
    """Answers dials: a kubeconfig ``uid:…`` leads to the cluster of that UID, one that begins with ``!`` nowhere."""

    def __init__(
        self, order: Mapping[str, int] | None = None, remembered: Mapping[str, Remembered] | None = None, **more: Any
    ):
        self.now = 100.0
        self.registry = Registry(order or {"kubeconfig": 0}, remembered or {}, self.now, jitter=lambda: 0.0, **more)
        self.dials: list[str] = []
        self.connected: dict[str, str] = {}
        self.described: dict[str, Any] = {}
        self.dropped: list[str] = []
        self.hold = False
        self.held: list[Dial] = []
        self.turn()

    def offer(self, *registrations: Registration, source: str = "kubeconfig") -> None:
        self.registry.offer(source, registrations, self.now)
        self.turn()

    def synced(self, *registrations: Registration, source: str = "kubeconfig") -> None:
        self.registry.synced(source, registrations, self.now)
        self.turn()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.turn()

    def turn(self) -> None:
        for _ in range(20):
            self.registry.tick(self.now)
            actions = self.registry.take()
            if not actions:
                return
            for action in actions:
                self._carry_out(action)
        raise AssertionError("it does not come to rest")

    def _carry_out(self, action: Action) -> None:
        match action:
            case Dial(registration):
                self.dials.append(registration.id)
                if self.hold:
                    self.held.append(action)
                else:
                    self.answer(action)
            case Connect(name, _, kubeconfig):
                self.connected[name] = kubeconfig
            case Describe(name, facts):
                self.described[name] = facts
            case Drop(name):
                self.dropped.append(name)
                self.connected.pop(name, None)
                self.described.pop(name, None)

    def answer(self, dial: Dial) -> None:
        one = dial.registration
        kubeconfig = one.kubeconfig or f"{one.request.path}:{self.now}" if one.request else one.kubeconfig
        uid = kubeconfig.partition(":")[0]
        if uid.startswith("!"):
            self.registry.failed(one.id, one.fingerprint, "unauthorized", "401", self.now)
        else:
            self.registry.dialled(one.id, one.fingerprint, uid, "v1.36", kubeconfig, self.now)

    def named(self) -> dict[str, str]:
        return {view.name: view.uid for view in self.registry.views() if not view.gone}


def test_a_cluster_appears() -> None:
    fleet = Fleet()
    fleet.synced(reg("west", "u1:a", labels={"region": "eu"}))
    assert fleet.connected == {"west": "u1:a"}
    facts = fleet.described["west"]
    assert (facts.uid, facts.aliases, facts.labels, facts.reason) == ("u1", ("west",), {"region": "eu"}, "")


def test_the_same_api_server_through_several_sources_is_one_cluster() -> None:
    fleet = Fleet(ORDER)
    fleet.synced(reg("prod", "u1:argo", "argo-cd", aliases=("prod", "hub/prod")), source="argo-cd")
    fleet.synced(
        reg("hub/eu", "u1:capi", "cluster-api", aliases=("eu", "hub/eu"), labels={"a": "1"}), source="cluster-api"
    )
    assert fleet.connected == {}, "the first in the order may still name it"
    fleet.synced(reg("west", "u1:file"))
    assert fleet.named() == {"west": "u1"}
    assert fleet.described["west"].aliases == ("west", "eu", "hub/eu", "prod", "hub/prod")
    assert fleet.described["west"].labels == {"a": "1"}
    assert fleet.connected == {"west": "u1:file"}
    assert len(fleet.dials) == 3


def test_sources_that_never_answer_are_waited_for_a_while_only() -> None:
    fleet = Fleet(ORDER, settle_seconds=5)
    fleet.synced(reg("west", "u1:a"))
    assert fleet.connected == {}
    fleet.wait(5)
    assert fleet.connected == {"west": "u1:a"}
    assert fleet.registry.next_due() == float("inf")


def test_renaming_a_context_dials_nothing() -> None:
    fleet = Fleet()
    fleet.synced(reg("old", "u1:a"))
    fleet.offer(reg("new", "u1:a"))
    fleet.wait(1_000)
    assert (fleet.dials, fleet.dropped) == (["kubeconfig/old"], [])
    assert fleet.named() == {"old": "u1"}
    assert fleet.described["old"].aliases == ("new",)


def test_rotated_credentials_connect_anew_and_drop_nothing() -> None:
    fleet = Fleet()
    fleet.synced(reg("west", "u1:a"))
    fleet.offer(reg("west", "u1:b"))
    assert fleet.connected == {"west": "u1:b"}
    assert fleet.dropped == []


def test_credentials_that_do_not_work_leave_those_before_in_place() -> None:
    fleet = Fleet()
    fleet.synced(reg("west", "u1:a"))
    fleet.offer(reg("west", "!:b"))
    assert fleet.connected == {"west": "u1:a"}
    (view,) = fleet.registry.views()
    assert view.registrations == (("kubeconfig/west", "unauthorized", "401"),)


def test_retries_wait_longer_and_longer_whatever_is_offered_meanwhile() -> None:
    fleet = Fleet()
    fleet.synced(reg("west", "!:a"))
    moments = []
    for _ in range(300):
        fleet.wait(1)
        before = len(fleet.dials)
        fleet.offer(reg("west", "!:a"))
        assert len(fleet.dials) == before, "an offer that changes nothing dials nothing"
        moments.append(len(fleet.dials))
    assert moments[-1] == 1 + 6 + 3, "at 1, 3, 7, 15, 31, 63 seconds, then each minute"


def test_a_new_credential_is_tried_at_once() -> None:
    fleet = Fleet()
    fleet.synced(reg("west", "!:a"))
    fleet.wait(50)
    fleet.offer(reg("west", "u1:b"))
    assert fleet.connected == {"west": "u1:b"}


def test_the_last_registration_gone_the_cluster_goes_after_a_while() -> None:
    fleet = Fleet(linger_seconds=10)
    fleet.synced(reg("west", "u1:a"), reg("east", "u2:a"))
    fleet.offer(reg("east", "u2:a"))
    fleet.wait(9)
    assert fleet.connected == {"west": "u1:a", "east": "u2:a"}
    fleet.wait(1)
    assert fleet.connected == {"east": "u2:a"}
    assert [(view.name, view.gone) for view in fleet.registry.views()] == [("east", 0.0), ("west", fleet.now)]


def test_a_file_that_is_empty_for_a_moment_costs_nothing() -> None:
    fleet = Fleet()
    fleet.synced(reg("west", "u1:a"))
    fleet.offer()
    fleet.wait(1)
    fleet.offer(reg("west", "u1:a"))
    fleet.wait(100)
    assert fleet.dropped == []


def test_another_alias_takes_over_when_the_one_that_connects_is_gone() -> None:
    fleet = Fleet({"kubeconfig": 0, "argo-cd": 2})
    fleet.synced(reg("west", "u1:file"))
    fleet.synced(reg("prod", "u1:argo", "argo-cd"), source="argo-cd")
    assert fleet.connected == {"west": "u1:file"}
    fleet.offer()
    fleet.wait(100)
    assert fleet.connected == {"west": "u1:argo"}
    assert fleet.dropped == []


def test_another_alias_takes_over_when_credentials_are_refused() -> None:
    fleet = Fleet({"kubeconfig": 0, "argo-cd": 2})
    fleet.synced(reg("west", "u1:file"))
    fleet.synced(reg("prod", "u1:argo", "argo-cd"), source="argo-cd")
    fleet.hold = True
    fleet.registry.lost("west", fleet.now)
    fleet.turn()
    (dial,) = fleet.held
    fleet.registry.failed(dial.registration.id, dial.registration.fingerprint, "unauthorized", "401", fleet.now)
    fleet.turn()
    assert fleet.connected == {"west": "u1:argo"}


def test_what_a_feed_says_is_wrong_is_described() -> None:
    fleet = Fleet()
    fleet.synced(reg("west", "u1:a"))
    fleet.registry.heard("west", "no answer within 2 s")
    fleet.registry.heard("nobody", "x")
    fleet.turn()
    assert fleet.described["west"].reason == "no answer within 2 s"
    fleet.registry.heard("west", "")
    fleet.turn()
    assert fleet.described["west"].reason == ""


def test_credentials_that_see_everything_are_preferred() -> None:
    fleet = Fleet({"kubeconfig": 0, "argo-cd": 2})
    fleet.synced(reg("west", "u1:some", partial=("team-a",)))
    fleet.synced(source="argo-cd")
    assert fleet.connected == {"west": "u1:some"}
    assert fleet.registry.views()[0].partial == ("team-a",)
    fleet.offer(reg("prod", "u1:all", "argo-cd"), source="argo-cd")
    assert fleet.connected == {"west": "u1:all"}
    assert fleet.registry.views()[0].partial == ()


def test_a_cluster_that_was_rebuilt_takes_the_name() -> None:
    """The same registration leads to another API server: what was there is not reached by anything any more."""
    fleet = Fleet()
    fleet.synced(reg("west", "u1:a"))
    fleet.offer(reg("west", "u2:b"))
    assert fleet.dropped == ["west"]
    assert fleet.connected == {"west": "u2:b"}
    assert fleet.named() == {"west": "u2"}


def test_an_alias_that_moves_leaves_the_others_alone() -> None:
    fleet = Fleet()
    fleet.synced(reg("a", "u1:a"), reg("b", "u1:b"))
    assert fleet.named() == {"a": "u1"}
    fleet.offer(reg("a", "u1:a"), reg("b", "u2:b"))
    assert fleet.named() == {"a": "u1", "b": "u2"}
    assert fleet.dropped == []


def test_a_dial_that_was_overtaken_counts_for_nothing() -> None:
    fleet = Fleet()
    fleet.hold = True
    fleet.synced(reg("west", "u1:a"))
    (old,) = fleet.held
    fleet.offer(reg("west", "u2:b"))
    fleet.answer(old)
    fleet.turn()
    assert fleet.connected == {}
    fleet.answer(fleet.held[-1])
    fleet.turn()
    assert fleet.connected == {"west": "u2:b"}
    fleet.answer(old)
    fleet.turn()
    assert fleet.connected == {"west": "u2:b"}


def test_two_clusters_of_one_alias_get_names_apart() -> None:
    fleet = Fleet({"cluster-api": 0})
    fleet.synced(
        reg("a/default", "u1-0000000:a", "cluster-api", aliases=("default", "a/default")),
        reg("b/default", "u2-0000000:a", "cluster-api", aliases=("default", "b/default")),
        reg("c", "u3-0000000:a", "cluster-api", aliases=("default",)),
        source="cluster-api",
    )
    assert fleet.named() == {"default": "u1-0000000", "b-default": "u2-0000000", "default-u3-00000": "u3-0000000"}


def test_names_are_made_of_what_certificates_allow() -> None:
    assert names.canonical("arn:aws:eks:eu-1:123:cluster/prod") == "arn-aws-eks-eu-1-123-cluster-prod"
    assert names.canonical("…/-x.") == "x"
    assert names.canonical("界") == ""


def test_a_source_that_names_nothing_useful() -> None:
    fleet = Fleet()
    fleet.synced(reg("界", "u1-000000:a"))
    assert fleet.named() == {"cluster-u1-00000": "u1-000000"}


REMEMBERED = {
    "u1": Remembered("west", {"kubeconfig/west": ""}),
    "u2": Remembered("east", {"argo-cd/east": ""}),
}


def test_a_restart_keeps_names_and_what_is_not_known_yet() -> None:
    fleet = Fleet(ORDER, REMEMBERED, settle_seconds=5)
    assert {name: facts.uid for name, facts in fleet.described.items()} == {"west": "u1", "east": "u2"}
    fleet.synced(reg("new-name", "u1:a"))
    fleet.synced(source="cluster-api")
    fleet.wait(1_000)
    assert fleet.connected == {"west": "u1:a"}
    assert fleet.named() == {"west": "u1", "east": "u2"}, "argo-cd was not read: nobody knows whether it is gone"
    fleet.synced(source="argo-cd")
    fleet.wait(1_000)
    assert fleet.named() == {"west": "u1"}


def test_a_restart_dials_before_it_connects() -> None:
    """The context may lead elsewhere by now: another cluster's objects must not get into this one's shard."""
    fleet = Fleet({"kubeconfig": 0}, {"u1": REMEMBERED["u1"]})
    fleet.hold = True
    fleet.synced(reg("west", "u9:a"))
    assert fleet.connected == {}
    fleet.answer(fleet.held[0])
    fleet.turn()
    assert fleet.dropped == ["west"]
    assert fleet.connected == {"west": "u9:a"}


def test_a_context_renamed_while_the_service_and_the_api_server_are_down() -> None:
    before = Fleet()
    before.synced(reg("west", "u1:a"))
    fleet = Fleet({"kubeconfig": 0}, before.registry.to_save())
    fleet.hold = True
    fleet.synced(reg("new", "u1:a"))
    for dial in fleet.held:
        fleet.registry.failed(dial.registration.id, dial.registration.fingerprint, "refused", "refused", fleet.now)
    fleet.wait(1_000)
    assert fleet.named() == {"west": "u1"}
    assert fleet.dropped == []


def test_a_restart_while_the_api_server_is_down_keeps_the_cluster() -> None:
    fleet = Fleet({"kubeconfig": 0}, {"u1": REMEMBERED["u1"]})
    fleet.synced(reg("west", "!:a"))
    fleet.wait(10_000)
    assert fleet.named() == {"west": "u1"}
    assert fleet.described["west"].reason == "401"


def test_a_cluster_that_was_never_reached_is_unknown_not_absent() -> None:
    fleet = Fleet()
    fleet.synced(reg("west", "!:a"), reg("south", problem="no Secret"))
    assert {name: (facts.uid, facts.reason) for name, facts in fleet.described.items()} == {
        "west": ("", "401"),
        "south": ("", "no Secret"),
    }
    fleet.offer(reg("west", "u1:b"))
    assert fleet.dropped == ["south"]
    assert fleet.described["west"].uid == "u1"


def test_a_pending_name_gives_way_to_a_cluster_that_was_reached() -> None:
    fleet = Fleet(ORDER)
    fleet.synced(source="cluster-api")
    fleet.synced(reg("1", "!:a", "argo-cd", aliases=("prod",)), source="argo-cd")
    fleet.synced()
    assert fleet.described["prod"].uid == ""
    fleet.offer(reg("prod", "u1:a"))
    fleet.wait(100)
    assert fleet.described["prod"].uid == "u1"
    fleet.offer(source="argo-cd")
    fleet.wait(100)
    assert fleet.dropped == []


def test_a_pending_alias_of_a_known_cluster_is_no_cluster_of_its_own() -> None:
    fleet = Fleet(ORDER)
    fleet.synced(reg("west", "u1:a"))
    fleet.synced(source="cluster-api")
    fleet.synced(reg("1", "!:a", "argo-cd", aliases=("prod",)), source="argo-cd")
    assert set(fleet.described) == {"west", "prod"}
    fleet.offer(reg("1", "u1:b", "argo-cd", aliases=("prod",)), source="argo-cd")
    assert fleet.dropped == ["prod"]
    assert fleet.described["west"].aliases == ("west", "prod")


def test_a_problem_of_a_source_ends_nothing() -> None:
    fleet = Fleet()
    fleet.synced(reg("west", "u1:a"))
    fleet.offer(reg("west", problem="hibernated"))
    fleet.wait(1_000)
    assert fleet.connected == {"west": "u1:a"}
    fleet.offer(reg("west", "u1:a"))
    assert (fleet.dials, fleet.dropped) == (["kubeconfig/west"], [])


def test_a_problem_and_then_the_credential_that_had_failed() -> None:
    fleet = Fleet()
    fleet.synced(reg("west", "!:a"))
    fleet.offer(reg("west", problem="hibernated"))
    fleet.wait(1_000)
    assert len(fleet.dials) == 1
    fleet.offer(reg("west", "!:a"))
    assert len(fleet.dials) == 2


def test_credentials_for_a_while_are_asked_for_anew() -> None:
    shoot = reg("s", request=CredentialRequest("u1", "{}", 600))
    fleet = Fleet()
    fleet.synced(shoot)
    first = fleet.connected["s"]
    fleet.wait(399)
    fleet.offer(shoot)
    assert fleet.connected == {"s": first}
    fleet.wait(1)
    assert fleet.connected["s"] != first
    assert len(fleet.dials) == 2


def test_chosen_names() -> None:
    chosen = {"u1": "prod", "kubeconfig/east": "dr"}
    fleet = Fleet(chosen=chosen)
    fleet.synced(reg("prod", "u3:a"), reg("east", "u2:a"), reg("west", "u1:a"))
    assert fleet.named() == {"prod-u3": "u3", "dr": "u2", "prod": "u1"}


def test_a_name_chosen_after_the_cluster_got_another() -> None:
    fleet = Fleet(
        {"kubeconfig": 0}, REMEMBERED | {"u3": Remembered("prod", {"kubeconfig/x": ""})}, chosen={"u1": "prod"}
    )
    assert sorted(fleet.dropped) == ["prod", "west"]
    fleet.synced(reg("west", "u1:a"), reg("x", "u3:a"))
    assert fleet.named() == {"prod": "u1", "x": "u3", "east": "u2"}


def test_what_is_remembered(tmp_path: Path) -> None:
    fleet = Fleet({"kubeconfig": 0, "argo-cd": 2}, REMEMBERED)
    assert fleet.registry.to_save() is None
    fleet.synced(reg("west", "u1:a"), reg("south", "u3:a"))
    fleet.wait(10)
    saved = fleet.registry.to_save()
    assert saved == {
        "u1": Remembered("west", {"kubeconfig/west": reg("west", "u1:a").fingerprint}),
        "u2": REMEMBERED["u2"],
        "u3": Remembered("south", {"kubeconfig/south": reg("south", "u3:a").fingerprint}),
    }
    assert fleet.registry.to_save() is None
    assert names.load(tmp_path) == {}
    names.save(tmp_path, saved)
    assert names.load(tmp_path) == saved
    assert [path.name for path in tmp_path.iterdir()] == [names.FILE]


@pytest.mark.parametrize(
    ("before", "after"),
    [('"west"', '"wesT"'), ('"format": 1', '"format": 2'), ("{", "["), ('"clusters"', '"clusterz"')],
)
def test_a_damaged_file_of_names_is_refused(tmp_path: Path, before: str, after: str) -> None:
    names.save(tmp_path, REMEMBERED)
    path = tmp_path / names.FILE
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(NamesUnreadable):
        names.load(tmp_path)

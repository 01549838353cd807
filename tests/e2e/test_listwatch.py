"""The generator of list and watch says on the wire what a real API server says.

Benchmarks stand on it. What differs from run to run (names of servers, UIDs, versions, times) is compared by its form.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.feeding import config_map, namespace_of
from tests.support.kubeapiserver import Cluster, Fleet, start_fleet
from tests.support.listwatch import TOKEN, Kind, ListWatch, list_watch, namespaces

pytestmark = pytest.mark.e2e

OBJECTS = 5
COLLECTION = "/api/v1/namespaces/team-0/configmaps"
STREAM = (
    "watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=300"
)
NAMES = [f"configmap-{number:06d}" for number in range(OBJECTS)]


@dataclass(frozen=True)
class Api:
    """An API server, and how its ConfigMaps are made to change: each at least once added, modified and deleted."""

    server: str
    ca: bytes
    token: str
    stir: Callable[[], None]
    forget: Callable[[], None]

    @contextmanager
    def open(self, path: str, token: str = "", accept: str = "application/json") -> Iterator[http.client.HTTPResponse]:
        url = urlsplit(self.server)
        context = ssl.create_default_context(cadata=self.ca.decode())
        connection = http.client.HTTPSConnection(str(url.hostname), url.port, context=context, timeout=20)
        with closing(connection):
            connection.request(
                "GET", path, headers={"authorization": f"Bearer {token or self.token}", "accept": accept}
            )
            with connection.getresponse() as answer:
                yield answer

    def get(self, path: str, **how: str) -> tuple[int, Any]:
        with self.open(path, **how) as answer:
            return answer.status, json.loads(answer.read())

    @contextmanager
    def events(self, query: str) -> Iterator[Iterator[Any]]:
        with self.open(f"{COLLECTION}?{query}") as answer:
            assert answer.status == 200
            assert answer.headers["content-type"] == "application/json"
            yield (json.loads(line) for line in answer)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ListWatch]:
    maps = Kind("", "v1", "ConfigMap", "configmaps", objects=OBJECTS, fields={"data": {"n": "@N@"}}, share=1)
    with list_watch(tmp_path_factory.mktemp("listwatch"), ["made"], [namespaces(1), maps]) as running:
        yield running


@pytest.fixture(scope="module")
def made(generator: ListWatch) -> Api:
    config = json.loads(Path(generator.kubeconfig).read_text())
    entry = config["clusters"][0]["cluster"]

    def stir() -> None:
        before = generator.done()["made"].events
        generator.rate(500)
        while generator.done()["made"].events < before + 100:
            time.sleep(0.01)
        generator.rate(0)

    return Api(entry["server"], b64decode(entry["certificate-authority-data"]), TOKEN, stir, generator.expire)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with start_fleet(tmp_path_factory.mktemp("real"), ["real"]) as fleet:
        yield _real(fleet, fleet["real"])


def _real(fleet: Fleet, cluster: Cluster) -> Api:
    def one(number: int) -> dict[str, Any]:
        item = config_map("team-0", NAMES[number], n=str(number))
        item["metadata"]["annotations"] = {"listwatch/at": "0"}
        return item

    def stir() -> None:
        cluster.kubectl("annotate", "configmap", NAMES[1], "listwatch/at=1", "--overwrite", "--namespace=team-0")
        cluster.kubectl("delete", "configmap", NAMES[2], "--namespace=team-0")
        cluster.kubectl("create", "-f", "-", manifest=one(2))

    def forget() -> None:
        fleet.kill(cluster.name)
        fleet.compact()
        fleet.start(cluster.name)

    cluster.apply(namespace_of("team-0"))
    cluster.kubectl(
        "create",
        "-f",
        "-",
        manifest={"apiVersion": "v1", "kind": "List", "items": [one(number) for number in range(OBJECTS)]},
    )
    return Api(cluster.server, cluster.ca_file.read_bytes(), cluster.token, stir, forget)


def form(value: Any) -> Any:
    """What stays the same: fields and types. Who wrote a field is no matter of list and watch."""
    match value:
        case Mapping():
            return {name: form(one) for name, one in sorted(value.items()) if name != "managedFields"}
        case list():
            return [form(one) for one in value]
        case _:
            return type(value).__name__


def test_a_streaming_list_and_its_events(made: Api, real: Api) -> None:
    def told(api: Api) -> Any:
        begun: list[Any] = []
        later: dict[str, Any] = {}
        with api.events(STREAM) as events:
            while not begun or begun[-1]["type"] != "BOOKMARK":
                begun.append(next(events))
            assert [each["object"]["metadata"]["name"] for each in begun[:-1]] == NAMES
            assert begun[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
            api.stir()
            version = int(begun[-1]["object"]["metadata"]["resourceVersion"])
            while set(later) != {"ADDED", "MODIFIED", "DELETED"}:
                event = next(events)
                if event["type"] == "BOOKMARK":
                    continue
                assert int(event["object"]["metadata"]["resourceVersion"]) > version
                version = int(event["object"]["metadata"]["resourceVersion"])
                later.setdefault(event["type"], form(event))
        return [form(each) for each in begun], later

    assert told(made) == told(real)


def test_pages(made: Api, real: Api) -> None:
    def pages(api: Api) -> Any:
        found, names, versions, token = [], [], set(), ""
        while True:
            code, page = api.get(f"{COLLECTION}?limit=2{'&continue=' + token if token else ''}")
            assert code == 200
            found.append((form(page), page["metadata"].get("remainingItemCount")))
            names += [one["metadata"]["name"] for one in page["items"]]
            versions.add(page["metadata"]["resourceVersion"])
            token = page["metadata"].get("continue", "")
            if not token:
                return found, names, len(versions)
            # What happens meanwhile is no part of the list.
            api.stir()

    ours = pages(made)
    assert ours == pages(real)
    assert ours[1] == NAMES


def test_a_question_for_the_version_knows_of_every_event(made: Api, real: Api) -> None:
    for api in (made, real):
        _, before = api.get(f"{COLLECTION}?limit=1")
        api.stir()
        _, after = api.get(f"{COLLECTION}?limit=1")
        assert int(after["metadata"]["resourceVersion"]) > int(before["metadata"]["resourceVersion"])
        query = f"watch=true&resourceVersion={before['metadata']['resourceVersion']}&timeoutSeconds=300"
        with api.events(query) as events:
            assert int(next(events)["object"]["metadata"]["resourceVersion"]) <= int(
                after["metadata"]["resourceVersion"]
            )


def test_history_that_is_gone(made: Api, real: Api) -> None:
    def refusal(api: Api) -> Any:
        api.stir()
        api.forget()
        with api.events("watch=true&resourceVersion=1&timeoutSeconds=5") as told:
            events = list(told)
        assert [(each["type"], each["object"]["code"], each["object"]["reason"]) for each in events] == [
            ("ERROR", 410, "Expired")
        ]
        return form(events[0])

    assert refusal(made) == refusal(real)


def test_a_watch_ends_when_its_time_is_over(made: Api, real: Api) -> None:
    for api in (made, real):
        _, listed = api.get(f"{COLLECTION}?limit=1")
        version = listed["metadata"]["resourceVersion"]
        began = time.monotonic()
        with api.events(f"watch=true&resourceVersion={version}&timeoutSeconds=1") as events:
            assert list(events) == []
        assert 0.9 < time.monotonic() - began < 5


def test_refusals(made: Api, real: Api) -> None:
    def refused(api: Api, path: str, token: str = "") -> tuple[int, str | None, bytes]:
        with api.open(path, token) as answer:
            return answer.status, answer.headers["content-type"], answer.read().strip()

    nothing = "/apis/none.example.com/v1/things"
    assert refused(made, nothing) == refused(real, nothing)
    (*ours, our_words), (*theirs, their_words) = refused(made, COLLECTION, "x"), refused(real, COLLECTION, "x")
    assert ours == theirs
    assert json.loads(our_words) == json.loads(their_words)


def test_discovery(made: Api, real: Api) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

    def maps(api: Api) -> Any:
        code, found = api.get("/api", accept=accept)
        assert code == 200
        (group,) = found["items"]
        (version,) = group["versions"]
        resource = next(each for each in version["resources"] if each["resource"] == "configmaps")
        verbs = set(resource.pop("verbs"))
        for name in ("shortNames", "categories"):
            resource.pop(name, None)
        named = {name: found[name] for name in ("kind", "apiVersion")}
        return named, version["version"], version["freshness"], resource, verbs

    *ours, our_verbs = maps(made)
    *theirs, their_verbs = maps(real)
    assert ours == theirs
    assert our_verbs <= their_verbs


def test_a_cluster_says_who_it_is(made: Api, real: Api) -> None:
    for path in ("/version", "/api/v1/namespaces/kube-system"):
        (_, ours), (_, theirs) = made.get(path), real.get(path)
        assert ours["gitVersion"] == theirs["gitVersion"] if path == "/version" else ours["metadata"]["uid"]

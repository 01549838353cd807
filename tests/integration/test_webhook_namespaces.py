"""Namespaces of a live cluster: list, watch, what breaks them, and a direct read on a miss."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.canned_service import CannedService, canned_service
from tests.support.certificates import Authority
from tests.support.namespace_server import TOKEN, NamespaceServer, kubeconfig, namespace_server
from tests.support.processes import eventually
from tests.support.webhook_client import RunningWebhook, admission_review, webhook_process


class Stand:
    """A webhook between a service and an API server."""

    def __init__(self, webhook: RunningWebhook, service: CannedService, api: NamespaceServer) -> None:
        self.webhook = webhook
        self.service = service
        self.api = api

    def labels(self, namespace: str) -> dict[str, str] | str:
        """The labels that the service is sent with a review in a Namespace, or the message without."""
        review = self.webhook.admit(admission_review(namespace=namespace)).review
        if not review["allowed"]:
            return str(review["status"]["message"])
        assert self.service.last is not None
        sent = json.loads(self.service.last.namespace)
        assert (sent["kind"], sent["apiVersion"], sent["metadata"]["name"]) == ("Namespace", "v1", namespace)
        labels: dict[str, str] = sent["metadata"]["labels"]
        return labels


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def api(authority: Authority) -> Iterator[NamespaceServer]:
    with namespace_server(authority) as server:
        server.put("default", {"team": "a"})
        yield server


@pytest.fixture
def stand(api: NamespaceServer, authority: Authority, tmp_path: Path) -> Iterator[Stand]:
    file = kubeconfig(tmp_path, api, authority, {"token": TOKEN})
    with (
        canned_service() as service,
        webhook_process(tmp_path, [service.target], namespaces=(f"--kubeconfig={file}",)) as webhook,
    ):
        eventually(lambda: api.watches > 0, "a watch")
        yield Stand(webhook, service, api)


def test_events_arrive_and_are_not_asked_for(stand: Stand) -> None:
    assert stand.labels("default") == {"team": "a"}
    stand.api.put("new", {"team": "b"})
    eventually(lambda: stand.labels("new") == {"team": "b"}, "a new Namespace")
    stand.api.put("new", {"team": "c"})
    eventually(lambda: stand.labels("new") == {"team": "c"}, "new labels")
    stand.api.gets.clear()
    assert stand.labels("new") == {"team": "c"}
    assert stand.api.gets == []
    stand.api.delete("new")
    gone = 'failed to create augmentedReview: namespaces "new" not found'
    eventually(lambda: stand.labels("new") == gone, "a deletion")
    assert (stand.api.lists, stand.api.watches) == (1, 1)


def test_a_miss_is_read_directly(stand: Stand) -> None:
    stand.api.hidden.add("fresh")
    stand.api.put("fresh", {"team": "d"})
    assert stand.labels("fresh") == {"team": "d"}
    assert stand.api.gets == ["fresh"]


def test_one_question_for_many_misses(stand: Stand) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(lambda _: str(stand.labels("nobody")), range(32)))
    assert answers == {'failed to create augmentedReview: namespaces "nobody" not found'}
    assert len(stand.api.gets) < 32


def test_a_failed_read_is_an_error_as_gatekeepers(stand: Stand) -> None:
    stand.api.fail_with = 500
    review = stand.webhook.admit(admission_review(namespace="other")).review
    assert review["status"] == {"metadata": {}, "message": "failed to create augmentedReview: on purpose", "code": 500}
    assert stand.labels("default") == {"team": "a"}, "what is known is not asked for"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (".", "may not be '.'"),
        ("..", "may not be '..'"),
        ("../secrets?x=%2f", "may not contain '/' may not contain '%'"),
        ("x" * 300, "must be no more than 253 characters"),
    ],
)
def test_a_name_cannot_ask_for_something_else(stand: Stand, name: str, why: str) -> None:
    lists = stand.api.lists
    said = f'failed to create augmentedReview: invalid resource name "{name[:253]}": [{why}]'
    assert stand.labels(name) == said
    assert stand.api.gets == []
    assert stand.api.lists == lists


def test_an_odd_name_is_asked_for_as_it_is(stand: Stand) -> None:
    assert "not found" in str(stand.labels("a?x=y #z"))
    assert stand.api.gets == ["a?x=y #z"]


def disconnect(api: NamespaceServer) -> None:
    """The connection breaks."""
    api.cut()


def gone_as_a_status(api: NamespaceServer) -> None:
    """The history is compacted while the watch is down."""
    api.fail_with = 503
    api.cut()
    api.bookmark()
    api.compact()
    api.fail_with = 0


def gone_as_an_event(api: NamespaceServer) -> None:
    """The watch says that it cannot go on."""
    api.send({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}})


def rubbish(api: NamespaceServer) -> None:
    """The watch says something that is no event."""
    api.send({"what": "is this"})


def failing_for_a_while(api: NamespaceServer) -> None:
    """Everything fails for a second."""
    api.fail_with = 500
    api.cut()
    time.sleep(1.0)
    api.fail_with = 0


@pytest.mark.parametrize(
    ("trouble", "relists"),
    [
        (disconnect, False),
        (gone_as_a_status, True),
        (gone_as_an_event, True),
        (rubbish, False),
        (failing_for_a_while, False),
    ],
)
def test_it_recovers_without_an_empty_window(stand: Stand, trouble: Callable[[Any], None], relists: bool) -> None:
    stand.api.put("doomed", {})
    eventually(lambda: stand.labels("doomed") == {}, "known")
    lists, watches = stand.api.lists, stand.api.watches
    stand.api.gets.clear()
    trouble(stand.api)
    stand.api.delete("doomed")
    stand.api.put("late", {"team": "e"})
    deadline = time.monotonic() + 20
    while stand.api.watches == watches or "late" in stand.api.gets or (stand.api.lists == lists and relists):
        assert time.monotonic() < deadline, "it does not come back"
        # What was known stays known all the time.
        assert stand.labels("default") == {"team": "a"}
        stand.api.gets.clear()
        time.sleep(0.02)
    eventually(lambda: "not found" in stand.labels("doomed"), "the deletion that was missed")
    stand.api.gets.clear()
    eventually(lambda: stand.labels("late") == {"team": "e"} and not stand.api.gets, "the creation that was missed")
    assert (stand.api.lists > lists) is relists
    assert "default" not in stand.api.gets


def test_a_bookmark_saves_a_list(stand: Stand) -> None:
    stand.api.bookmark()
    time.sleep(0.5)
    # Only who has read the bookmark can resume after this.
    stand.api.compact()
    watches = stand.api.watches
    stand.api.cut()
    eventually(lambda: stand.api.watches > watches, "a new watch")
    stand.api.put("late", {"team": "e"})
    eventually(lambda: stand.labels("late") == {"team": "e"}, "the watch goes on")
    assert stand.api.lists == 1


def test_lists_have_pages(api: NamespaceServer, authority: Authority, tmp_path: Path) -> None:
    for number in range(1_200):
        api.put(f"n-{number}", {"n": str(number)})
    file = kubeconfig(tmp_path, api, authority, {"token": TOKEN})
    with (
        canned_service() as service,
        webhook_process(tmp_path, [service.target], namespaces=(f"--kubeconfig={file}",)) as webhook,
    ):
        stand = Stand(webhook, service, api)
        assert api.lists == 3
        assert stand.labels("n-0") == {"n": "0"}
        assert stand.labels("n-1199") == {"n": "1199"}
        assert api.gets == []


def test_it_is_not_ready_before_the_list(api: NamespaceServer, authority: Authority, tmp_path: Path) -> None:
    api.fail_with = 503
    file = kubeconfig(tmp_path, api, authority, {"token": TOKEN})
    options = (f"--kubeconfig={file}",)
    with (
        canned_service() as service,
        webhook_process(tmp_path, [service.target], namespaces=options, wait_ready=False) as webhook,
    ):
        time.sleep(0.5)
        assert b"Namespaces are not known yet" in webhook.request("GET", "/readyz").body
        api.fail_with = 0
        webhook.process.wait_until(webhook.ready, "ready", 10)


def test_a_token_file_is_reread(api: NamespaceServer, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    file = kubeconfig(tmp_path, api, authority, {"tokenFile": "token"})
    with (
        canned_service() as service,
        webhook_process(tmp_path, [service.target], namespaces=(f"--kubeconfig={file}",)) as webhook,
    ):
        stand = Stand(webhook, service, api)
        api.token = "token-2"
        (tmp_path / "token").write_text("token-2\n")
        api.hidden.add("fresh")
        api.put("fresh", {"a": "b"})
        assert stand.labels("fresh") == {"a": "b"}


def test_an_exec_plugin_is_asked_again_after_a_401(api: NamespaceServer, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    plugin = tmp_path / "plugin"
    plugin.write_text(
        f"#!{sys.executable}\n"
        "import json, os\n"
        "assert json.loads(os.environ['KUBERNETES_EXEC_INFO'])['kind'] == 'ExecCredential'\n"
        f"token = open({str(tmp_path / 'token')!r}).read() + os.environ['SUFFIX']\n"
        "print(json.dumps({'kind': 'ExecCredential', 'status': {'token': token}}))\n"
    )
    os.chmod(plugin, 0o700)  # noqa: PTH101
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "./plugin",
            "env": [{"name": "SUFFIX", "value": "-x"}],
        }
    }
    api.token = f"{TOKEN}-x"
    file = kubeconfig(tmp_path, api, authority, user)
    with (
        canned_service() as service,
        webhook_process(tmp_path, [service.target], namespaces=(f"--kubeconfig={file}",)) as webhook,
    ):
        stand = Stand(webhook, service, api)
        api.token = "token-2-x"
        (tmp_path / "token").write_text("token-2")
        api.hidden.add("fresh")
        api.put("fresh", {"a": "b"})
        assert "Unauthorized" in str(stand.labels("fresh"))
        eventually(lambda: stand.labels("fresh") == {"a": "b"}, "a new token", 5)


def test_an_api_server_of_another_authority_is_not_believed(
    api: NamespaceServer, authority: Authority, tmp_path: Path
) -> None:
    file = kubeconfig(tmp_path, api, Authority(tmp_path / "other"), {"token": TOKEN})
    options = (f"--kubeconfig={file}",)
    with (
        canned_service() as service,
        webhook_process(tmp_path, [service.target], namespaces=options, wait_ready=False) as webhook,
    ):
        review = webhook.admit(admission_review()).review
        assert review["status"]["code"] == 500
        assert "CERTIFICATE_VERIFY_FAILED" in review["status"]["message"]
        assert api.lists == 0

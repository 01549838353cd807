"""Kubeconfigs: kubectl's reading, one context that stands by itself, and what it may not ask for."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from fleetgate.clusters import kubeconfig
from fleetgate.clusters.kubeconfig import UNTRUSTED, KubeconfigInvalid, Trust
from fleetgate.clusters.sources import files

from tests.support.hub_objects import CA
from tests.support.hub_objects import kubeconfig as written

LOCAL = Trust(files=True)


def _document(**sections: Any) -> kubeconfig.Document:
    base = json.loads(written())
    return kubeconfig.parse(json.dumps({**base, **sections}), Path("/nowhere"))


def _cut(document: kubeconfig.Document, trust: Trust = UNTRUSTED) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubeconfig.cut_out([document], "x", trust).kubeconfig)
    return found


def _user(**user: Any) -> kubeconfig.Document:
    return _document(users=[{"name": "u", "user": user}])


def _cluster(**cluster: Any) -> kubeconfig.Document:
    return _document(clusters=[{"name": "c", "cluster": cluster}])


def test_a_context_stands_by_itself() -> None:
    assert _cut(_document()) == {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "cluster", "cluster": {"server": "https://api.example:6443", "certificate-authority-data": CA}}
        ],
        "users": [{"name": "user", "user": {"token": "t0"}}],
        "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": "user"}}],
        "current-context": "context",
    }


def test_renaming_a_context_and_changing_its_namespace_change_nothing() -> None:
    """``kubectx new=old`` and ``kubens``."""
    before = kubeconfig.cut_out([kubeconfig.parse(written())], "x", UNTRUSTED)
    renamed = json.loads(written(namespace="team-a"))
    renamed["contexts"][0]["name"] = "new"
    after = kubeconfig.cut_out([kubeconfig.parse(json.dumps(renamed))], "new", UNTRUSTED)
    assert after.kubeconfig == before.kubeconfig


def test_of_several_files_the_first_definition_wins() -> None:
    first = kubeconfig.parse(json.dumps({"users": [{"name": "u", "user": {"token": "first"}}]}))
    second = kubeconfig.parse(written(token="second"))
    context = kubeconfig.cut_out([first, second], "x", UNTRUSTED)
    assert json.loads(context.kubeconfig)["users"][0]["user"] == {"token": "first"}
    assert kubeconfig.current_context([first, second]) == "x"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (_user(**{"auth-provider": {"name": "gcp"}}), "auth-provider"),
        (_user(tokenFile="/var/run/secrets/kubernetes.io/serviceaccount/token"), "tokenFile is a file"),
        (_user(**{"client-certificate": "/etc/ssl/c", "client-key-data": CA}), "client-certificate is a file"),
        (_user(**{"client-certificate-data": CA}), "go together"),
        (_user(**{"client-certificate-data": "%%", "client-key-data": CA}), "no base64"),
        (_user(exec={"apiVersion": "client.authentication.k8s.io/v1", "command": "aws"}), "none is allowed here"),
        (_cluster(server="https://h", **{"certificate-authority": "/etc/passwd"}), "certificate-authority is a file"),
        (_cluster(server="http://api.example"), "in the clear"),
        (_cluster(server="https://me:secret@api.example"), "holds credentials"),
        (_cluster(server="file:///etc/passwd"), "no https:// URL"),
        (_cluster(server="https://[::1"), "no URL"),
        (_cluster(), "names no server"),
        (
            _cluster(server="https://h", **{"insecure-skip-tls-verify": True, "certificate-authority-data": CA}),
            "beside",
        ),
        (_document(clusters=[]), "there is no cluster 'c'"),
        (_document(users="nonsense"), "there is no user 'u'"),
        (_document(contexts=[{"name": "other"}]), "there is no context 'x'"),
    ],
)
def test_what_a_kubeconfig_of_the_hub_may_not_ask_for(document: kubeconfig.Document, message: str) -> None:
    with pytest.raises(KubeconfigInvalid, match=message):
        _cut(document)


def _plugin(**changed: Any) -> dict[str, Any]:
    return {"apiVersion": "client.authentication.k8s.io/v1", "command": "aws", "args": ["token"], **changed}


def test_a_plug_in_of_the_list_runs_as_it_is_written_and_never_asks() -> None:
    trust = Trust(exec_commands=frozenset({"aws"}))
    user = _cut(_user(exec=_plugin(env=[{"name": "AWS_PROFILE", "value": "x"}], unknown=1)), trust)["users"][0]["user"]
    assert user["exec"] == {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "aws",
        "args": ["token"],
        "env": [{"name": "AWS_PROFILE", "value": "x"}],
        "provideClusterInfo": False,
        "interactiveMode": "Never",
    }


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        (_plugin(command="./aws"), "not in clusters.exec_commands"),
        (_plugin(command="/usr/bin/aws"), "not in clusters.exec_commands"),
        (_plugin(command="aws "), "not in clusters.exec_commands"),
        (_plugin(env=[{"name": "PATH", "value": "/tmp"}]), "sets PATH"),
        (_plugin(env=[{"name": "LD_PRELOAD", "value": "/tmp/x.so"}]), "sets LD_PRELOAD"),
        (_plugin(apiVersion="client.authentication.k8s.io/v1alpha1"), "v1alpha1"),
        (_plugin(interactiveMode="Always"), "ask a person"),
        (_plugin(args="token"), "no list of strings"),
    ],
)
def test_plug_ins_that_do_not_run(plugin: dict[str, Any], message: str) -> None:
    with pytest.raises(KubeconfigInvalid, match=message):
        _cut(_user(exec=plugin), Trust(files=True, exec_commands=frozenset({"aws"})))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"a: &x [1]\nb: *x\n", "aliases"),
        (b"token: hunter2\n  bad: [", "not YAML"),
        (b"- 1", "not a mapping"),
        (b"\xff\xfe\x00", "not YAML"),
        (b" " * (kubeconfig.MAX_BYTES + 1), "larger than"),
    ],
)
def test_what_is_no_kubeconfig(source: bytes, message: str) -> None:
    with pytest.raises(KubeconfigInvalid, match=message) as refused:
        kubeconfig.parse(source)
    assert "hunter2" not in str(refused.value)


def test_files_that_it_names_are_read_from_beside_it_and_named_tokens_stay_files(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"CA")
    (tmp_path / "token").write_text("t")
    document = kubeconfig.parse(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": "https://h", "certificate-authority": "ca.pem"}}],
                "users": [{"name": "u", "user": {"tokenFile": "token"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            }
        ),
        tmp_path,
    )
    context = kubeconfig.cut_out([document], "x", LOCAL)
    found = json.loads(context.kubeconfig)
    assert found["clusters"][0]["cluster"]["certificate-authority-data"] == base64.b64encode(b"CA").decode()
    assert found["users"][0]["user"] == {"tokenFile": str(tmp_path / "token")}
    assert context.files == (tmp_path / "ca.pem", tmp_path / "token")


def test_labels_come_from_an_extension_and_the_contexts_win() -> None:
    extension = {"name": "fleetgate.dev/labels"}
    document = _document(
        clusters=[
            {
                "name": "c",
                "cluster": {"server": "https://h", "extensions": [{**extension, "extension": {"a": "1", "b": "1"}}]},
            }
        ],
        contexts=[
            {
                "name": "x",
                "context": {"cluster": "c", "user": "u", "extensions": [{**extension, "extension": {"b": "2"}}]},
            }
        ],
    )
    assert kubeconfig.cut_out([document], "x", UNTRUSTED).labels == {"a": "1", "b": "2"}


def test_a_list_of_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(written(token="a"))
    broken = json.loads(written())
    broken["contexts"] = [{"name": "y", "context": {"cluster": "gone", "user": "u"}}, {"name": "z", "context": {}}]
    (tmp_path / "b").write_text(json.dumps(broken))
    (tmp_path / "c").write_text("[")
    paths = [tmp_path / name for name in ("a", "b", "c", "missing")]
    found = files.read(paths, LOCAL)
    assert [(one.key, one.aliases, one.problem) for one in found.registrations] == [
        ("x", ("x",), ""),
        ("y", ("y",), "there is no cluster 'gone'"),
        ("z", ("z",), "there is no cluster ''"),
    ]
    assert [str(problem).split(":")[0] for problem in found.problems] == [
        str(tmp_path / "c"),
        str(tmp_path / "missing"),
    ]
    assert found.files[:4] == tuple(paths)
    assert [one.key for one in files.read(paths, LOCAL, ["y"]).registrations] == ["y"]


def test_credentials_are_in_no_repr() -> None:
    document = kubeconfig.parse(written(token="hunter2"))
    registration = files.contexts([document], LOCAL)[0][0]
    assert "hunter2" in registration.kubeconfig
    for one in (document, kubeconfig.cut_out([document], "x", UNTRUSTED), registration):
        assert "hunter2" not in repr(one)

"""Kubeconfigs: what is taken, what is refused, what is never shown."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from fleetgate_clients.webhook.namespaces.kubeconfig import ApiServer, KubeconfigError, in_cluster, read_kubeconfig

from tests.support.certificates import Authority


def write(tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any], **changes: Any) -> Path:
    config = {
        "current-context": "one",
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u"}},
            {"name": "two", "context": {"cluster": "c"}},
        ],
        "clusters": [{"name": "c", "cluster": {"server": "https://api:6443/", **cluster}}],
        "users": [{"name": "u", "user": user}],
        **changes,
    }
    file = tmp_path / "config"
    file.write_text(json.dumps(config))
    return file


def authorization(api: ApiServer) -> str:
    return asyncio.run(api.authorization()).get("Authorization", "")


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ({"token": "t"}, "Bearer t"),
        ({"tokenFile": "token"}, "Bearer from-file"),
        ({"username": "a", "password": "b"}, f"Basic {base64.b64encode(b'a:b').decode()}"),
        ({}, ""),
    ],
)
def test_users(tmp_path: Path, user: dict[str, Any], header: str) -> None:
    (tmp_path / "token").write_text("from-file\n")
    api = read_kubeconfig(write(tmp_path, {}, user))
    assert (api.url, authorization(api)) == ("https://api:6443", header)


def test_a_context_is_chosen(tmp_path: Path) -> None:
    assert authorization(read_kubeconfig(write(tmp_path, {}, {"token": "t"}), "two")) == ""


@pytest.mark.parametrize("inline", [False, True])
def test_certificates_by_file_and_inline(tmp_path: Path, inline: bool) -> None:
    authority = Authority(tmp_path / "ca")
    pair = authority.issue("me")
    files = {
        "certificate-authority": authority.file,
        "client-certificate": pair.certificate,
        "client-key": pair.key,
    }
    entries = {
        f"{key}-data" if inline else key: base64.b64encode(file.read_bytes()).decode()
        if inline
        else str(file.relative_to(tmp_path))
        for key, file in files.items()
    }
    cluster = {key: value for key, value in entries.items() if key.startswith("certificate")}
    user = {key: value for key, value in entries.items() if key.startswith("client")}
    context = read_kubeconfig(write(tmp_path, cluster, user)).tls()
    assert context is not None
    assert [dict(item[0] for item in ca["subject"]) for ca in context.get_ca_certs()] == [
        {"commonName": "fleetgate tests"}
    ]


def test_a_file_that_changes_makes_a_new_tls_context(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    api = read_kubeconfig(write(tmp_path, {"certificate-authority": "ca/ca.crt"}, {}))
    first = api.tls()
    assert api.tls() is first
    authority.file.write_bytes(Authority(tmp_path / "next").pem)
    assert api.tls() is not first


@pytest.mark.parametrize(
    ("cluster", "user", "changes", "says"),
    [
        ({"proxy-url": "http://p"}, {}, {}, "proxy-url is not supported"),
        ({}, {"auth-provider": {"name": "gcp"}}, {}, "auth-provider is not supported"),
        ({"server": ""}, {}, {}, "has no server"),
        ({"certificate-authority-data": "%"}, {}, {}, "is not base64"),
        ({}, {}, {"current-context": ""}, "no context is chosen"),
        ({}, {}, {"current-context": "x"}, "no context 'x'"),
        ({}, {}, {"clusters": []}, "no cluster 'c'"),
        ({}, {}, {"users": None}, "no user 'u'"),
        ({}, {"exec": {"command": "x"}}, {}, "exec.apiVersion '' is not supported"),
        ({}, {"exec": {"apiVersion": "client.authentication.k8s.io/v1"}}, {}, "no command"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any], changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(KubeconfigError, match=says):
        read_kubeconfig(write(tmp_path, cluster, user, **changes))


@pytest.mark.parametrize(
    ("script", "says"),
    [("exit 3", "exited with 3"), ("echo hello-secret", "printed no ExecCredential"), (None, "No such file")],
)
def test_a_plugin_that_fails(tmp_path: Path, script: str | None, says: str) -> None:
    plugin = tmp_path / "plugin"
    if script is not None:
        plugin.write_text(f"#!/bin/sh\n{script}\n")
        plugin.chmod(0o700)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "./plugin"}}
    with pytest.raises(KubeconfigError, match=says) as caught:
        authorization(read_kubeconfig(write(tmp_path, {}, user)))
    assert "secret" not in str(caught.value)


def test_what_a_plugin_complains_of_is_for_the_log_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text("#!/bin/sh\necho 'token hush of account 12345' >&2\nexit 1\n")
    plugin.chmod(0o700)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin"}}
    with pytest.raises(KubeconfigError) as caught:
        authorization(read_kubeconfig(write(tmp_path, {}, user)))
    assert str(caught.value).endswith("exited with 1")
    assert [vars(record)["fields"]["stderr"] for record in caplog.records] == ["token hush of account 12345"]


def test_a_credential_is_kept_until_it_expires(tmp_path: Path) -> None:
    count, plugin = tmp_path / "count", tmp_path / "plugin"
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin"}}
    for expires, runs in (("2099-01-01T00:00:00Z", 1), ("2001-01-01T00:00:00Z", 2)):
        count.write_text("")
        status = json.dumps({"status": {"token": "t", "expirationTimestamp": expires}})
        plugin.write_text(f"#!/bin/sh\necho x >> {count}\necho '{status}'\n")
        plugin.chmod(0o700)
        api = read_kubeconfig(write(tmp_path, {}, user))
        assert [authorization(api), authorization(api)] == ["Bearer t", "Bearer t"]
        assert len(count.read_text().split()) == runs


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    api = read_kubeconfig(write(tmp_path, {}, {"token": "hidden-token", "username": "a", "password": "hidden"}))
    assert "hidden" not in repr(api)


def test_in_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert in_cluster(tmp_path) is None
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert in_cluster(tmp_path) is None
    (tmp_path / "token").write_text("one")
    api = in_cluster(tmp_path)
    assert api is not None
    assert (api.url, authorization(api)) == ("https://[fd00::1]:443", "Bearer one")
    (tmp_path / "token").write_text("two")
    assert authorization(api) == "Bearer two"

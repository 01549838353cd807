"""Kubeconfigs as kubectl reads them, cut down to one context that stands by itself.

What is cut out has fixed names and no namespace: renaming a context (``kubectx new=old``) or choosing another
namespace (``kubens``) leaves it as it was, so the cluster keeps its feed. Whoever can write a Secret on the hub is not
whoever may run programs or read files here: :class:`Trust` says what a kubeconfig may ask for.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from fleetgate.clusters.objects import mapping, mappings, strings, text, value

LABELS_EXTENSION = "fleetgate.dev/labels"
"""Extension of a context, or of its cluster, whose value is a mapping of labels."""

MAX_BYTES = 4 * 1024 * 1024
_EXEC_VERSIONS = frozenset({"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"})
_STEERING = ("LD_", "DYLD_")
_CLUSTER_FIELDS = ("server", "tls-server-name", "proxy-url", "insecure-skip-tls-verify", "disable-compression")
_USER_FIELDS = ("token", "username", "password", "as", "as-uid", "as-groups", "as-user-extra")
_PEM_FIELDS = ("client-certificate", "client-key")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class KubeconfigInvalid(ValueError):  # noqa: N818 (it names the kubeconfig's state)
    """A kubeconfig cannot be used; the text says why, for a person, and holds no credential."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What a kubeconfig may ask of this machine."""

    files: bool = False
    """Whether it may name files, which are read and sent to the server that it also names."""
    exec_commands: frozenset[str] = frozenset()
    """Credential plug-ins that it may run, each exactly as it is written there."""
    plaintext: bool = False
    """Whether it may talk ``http`` to other machines."""


UNTRUSTED = Trust()
"""Of the hub's objects."""


@dataclass(frozen=True, slots=True)
class Context:
    """One context, self-contained. ``files`` are those that it was made of, and ``tokenFile``."""

    name: str
    kubeconfig: str = field(repr=False)
    labels: Mapping[str, str]
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A kubeconfig document and the directory that its relative paths start from."""

    content: Mapping[str, Any] = field(repr=False)
    directory: Path | None = None


def parse(source: bytes | str, directory: Path | None = None) -> Document:
    """Read YAML or JSON. Raises KubeconfigInvalid. Nothing is a kubeconfig without contexts, as for kubectl."""
    if len(source) > MAX_BYTES:
        raise KubeconfigInvalid(f"larger than {MAX_BYTES} bytes")
    try:
        # Counted before they are followed: a few lines of them can stand for gigabytes.
        aliases = any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(source, Loader=_LOADER))
        content = None if aliases else yaml.load(source, Loader=_LOADER)  # noqa: S506 (the safe loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        # The error's own text quotes the line, which may hold a token.
        raise KubeconfigInvalid(f"{place}not YAML: {getattr(error, 'problem', None) or 'unreadable'}") from None
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise KubeconfigInvalid("not YAML") from None
    if aliases:
        raise KubeconfigInvalid("YAML aliases are not taken in a kubeconfig")
    if content is None:
        content = {}
    if not isinstance(content, Mapping):
        raise KubeconfigInvalid("not a mapping")
    return Document(content, directory)


def context_names(documents: Sequence[Document]) -> list[str]:
    """Names of all contexts, in order; a name that two documents define is there once."""
    return list(_named(documents, "contexts"))


def current_context(documents: Sequence[Document]) -> str:
    """The first ``current-context`` that is set; where none is, the only context there is, else ""."""
    for document in documents:
        if name := text(document.content, "current-context"):
            return name
    names = context_names(documents)
    return names[0] if len(names) == 1 else ""


def cut_out(documents: Sequence[Document], name: str, trust: Trust) -> Context:
    """One context by its name, self-contained. Of the documents, the first that defines a name wins, as for kubectl.

    Raises KubeconfigInvalid.
    """
    context, _ = _find(documents, "contexts", "context", name)
    cluster_name, user_name = text(context, "cluster"), text(context, "user")
    cluster, cluster_home = _find(documents, "clusters", "cluster", cluster_name)
    user, user_home = _find(documents, "users", "user", user_name) if user_name else ({}, None)
    reader = _Reader(trust)
    kubeconfig = self_contained(
        _cluster(cluster, cluster_home.directory, reader, trust),
        _user(user, user_home.directory if user_home else None, reader, trust),
    )
    labels = {**_labels(cluster), **_labels(context)}
    return Context(name, kubeconfig, labels, tuple(reader.files))


def read_context(path: Path, name: str, exec_commands: Iterable[str]) -> str:
    """A context of a file of this machine, self-contained; "" is the current one. Raises KubeconfigInvalid, OSError."""
    trust = Trust(files=True, exec_commands=frozenset(exec_commands), plaintext=True)
    documents = [parse(path.read_bytes(), path.absolute().parent)]
    return cut_out(documents, name or current_context(documents), trust).kubeconfig


def self_contained(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> str:
    """A kubeconfig of one cluster and one user, as canonical JSON."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": cluster}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": "user"}}],
            "current-context": "context",
        },
        sort_keys=True,
    )


def check_server(server: str, trust: Trust) -> str:
    """The URL of an API server, if credentials may be sent there. Raises KubeconfigInvalid."""
    if not server:
        raise KubeconfigInvalid("it names no server")
    try:
        url = urlsplit(server)
        host, _ = url.hostname, url.port
    except ValueError:
        raise KubeconfigInvalid("its server is no URL") from None
    if url.scheme not in {"https", "http"} or not host:
        raise KubeconfigInvalid("its server is no https:// URL")
    if url.username is not None:
        raise KubeconfigInvalid("its server's URL holds credentials")
    if url.scheme == "http" and not trust.plaintext and not _is_loopback(host):
        raise KubeconfigInvalid("its server is http://: credentials would travel in the clear")
    return server


def check_plugin(plugin: Mapping[str, Any], allowed: frozenset[str]) -> dict[str, Any]:
    """An ``exec`` section whose command is allowed. Raises KubeconfigInvalid."""
    command = text(plugin, "command")
    if command not in allowed:
        raise KubeconfigInvalid(
            f"it runs the credential plug-in {command!r}, which is not in clusters.exec_commands"
            if allowed
            else f"it runs the credential plug-in {command!r}: none is allowed here"
        )
    version = text(plugin, "apiVersion")
    if version not in _EXEC_VERSIONS:
        raise KubeconfigInvalid(f"its credential plug-in speaks {version!r}, not {' or '.join(sorted(_EXEC_VERSIONS))}")
    environment = mappings(plugin, "env")
    for entry in environment:
        name = text(entry, "name")
        # The allow-list names a program; what decides which program that is, or what it loads, would go around it.
        if name == "PATH" or name.startswith(_STEERING):
            raise KubeconfigInvalid(f"its credential plug-in sets {name}")
    if text(plugin, "interactiveMode") == "Always":
        raise KubeconfigInvalid("its credential plug-in wants to ask a person")
    arguments = value(plugin, "args") or []
    if not isinstance(arguments, list) or not all(isinstance(argument, str) for argument in arguments):
        raise KubeconfigInvalid("the arguments of its credential plug-in are no list of strings")
    return {
        "apiVersion": version,
        "command": command,
        "args": arguments,
        "env": [{"name": text(entry, "name"), "value": text(entry, "value")} for entry in environment],
        "provideClusterInfo": value(plugin, "provideClusterInfo") is True,
        "interactiveMode": "Never",
    }


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _named(documents: Sequence[Document], section: str) -> dict[str, tuple[Mapping[str, Any], Document]]:
    found: dict[str, tuple[Mapping[str, Any], Document]] = {}
    for document in documents:
        for entry in mappings(document.content, section):
            if name := text(entry, "name"):
                found.setdefault(name, (entry, document))
    return found


def _find(
    documents: Sequence[Document], section: str, field_name: str, name: str
) -> tuple[Mapping[str, Any], Document]:
    entry = _named(documents, section).get(name)
    if entry is None and section == "contexts" and not name:
        raise KubeconfigInvalid("it has no current-context")
    if entry is None:
        raise KubeconfigInvalid(f"there is no {field_name} {name!r}")
    return mapping(entry[0], field_name), entry[1]


def _labels(section: Mapping[str, Any]) -> dict[str, str]:
    for extension in mappings(section, "extensions"):
        if text(extension, "name") == LABELS_EXTENSION:
            return strings(mapping(extension, "extension"))
    return {}


class _Reader:
    """Reads files that a kubeconfig names, and remembers which."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self.files: list[Path] = []

    def path(self, written: str, directory: Path | None, what: str) -> Path:
        """Where a file is that a kubeconfig names."""
        if not self._trust.files or directory is None:
            raise KubeconfigInvalid(f"{what} is a file: a kubeconfig of the hub must hold its data inline")
        path = directory / written
        self.files.append(path)
        return path

    def encoded(self, written: str, directory: Path | None, what: str) -> str:
        """A file's content in base64."""
        path = self.path(written, directory, what)
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise KubeconfigInvalid(f"{what} {path}: {error.strerror}") from None
        if len(content) > MAX_BYTES:
            raise KubeconfigInvalid(f"{what} {path} is larger than {MAX_BYTES} bytes")
        return base64.b64encode(content).decode()


def _cluster(cluster: Mapping[str, Any], directory: Path | None, reader: _Reader, trust: Trust) -> dict[str, Any]:
    found: dict[str, Any] = {name: cluster[name] for name in _CLUSTER_FIELDS if cluster.get(name)}
    check_server(text(cluster, "server"), trust)
    if ca := _inline(cluster, "certificate-authority", directory, reader):
        found["certificate-authority-data"] = ca
    if found.get("insecure-skip-tls-verify") and "certificate-authority-data" in found:
        raise KubeconfigInvalid("insecure-skip-tls-verify beside a certificate authority")
    return found


def _user(user: Mapping[str, Any], directory: Path | None, reader: _Reader, trust: Trust) -> dict[str, Any]:
    if "auth-provider" in user:
        raise KubeconfigInvalid("auth-provider is no more in Kubernetes: use a credential plug-in (exec)")
    found: dict[str, Any] = {name: user[name] for name in _USER_FIELDS if user.get(name)}
    for name in _PEM_FIELDS:
        if data := _inline(user, name, directory, reader):
            found[f"{name}-data"] = data
    if ("client-certificate-data" in found) != ("client-key-data" in found):
        raise KubeconfigInvalid("a client certificate and its key go together")
    if (token_file := text(user, "tokenFile")) and "token" not in found:
        # Named on, not read: it is written anew every hour in a Pod.
        found["tokenFile"] = str(reader.path(token_file, directory, "tokenFile").absolute())
    if plugin := mapping(user, "exec"):
        found["exec"] = check_plugin(plugin, trust.exec_commands)
    return found


def _inline(section: Mapping[str, Any], name: str, directory: Path | None, reader: _Reader) -> str:
    """PEM data in base64: inline, else out of the file. Inline wins, as for kubectl."""
    if data := text(section, f"{name}-data"):
        try:
            base64.b64decode(data, validate=True)
        except binascii.Error:
            raise KubeconfigInvalid(f"{name}-data is no base64") from None
        return data
    if written := text(section, name):
        return reader.encoded(written, directory, name)
    return ""

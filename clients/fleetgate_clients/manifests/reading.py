"""Reads files, directories and standard input into objects and policies, whatever form they are in."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from . import terraform
from .objects import CONSTRAINTS, Manifest, ManifestError, NoObjectError, manifests_of
from .policy_files import only

STANDARD_INPUT = "-"
_SHOWN_STANDARD_INPUT = "<stdin>"
_EXTENSIONS = frozenset({".yaml", ".yml", ".json", ".jsonl", ".ndjson"})
_SAMPLES = "samples"
_NOT_OF_CLUSTERS = frozenset({"test.gatekeeper.sh", "kustomize.config.k8s.io", "fleetgate.dev"})
"""Groups of what tools read or write: gator's Suites, kustomizations, our own reports."""

_KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml"})
_WHITESPACE = b" \t\r\n"
_MARKER = b"\n---"
"""Separates documents of YAML, of which JSON is a part; no JSON has it."""

_SOMETHING = re.compile(r"\S")

YamlReader = Callable[[str, bytes], list[tuple[int, bytes]]]
"""(path, content) → (1-based line, JSON) of each document. Raises ManifestError."""


@dataclass(slots=True)
class Manifests:
    """What was read.

    ``objects`` are all objects, policies among them; ``policies`` are (path, content) files of the policies alone;
    ``not_reviewed`` counts resources of Terraform that are no Kubernetes manifests, by type. ``passed_over`` are the
    places of documents in directories that are no Kubernetes objects.
    """

    objects: list[Manifest] = field(default_factory=list)
    policies: list[tuple[str, bytes]] = field(default_factory=list)
    not_reviewed: Counter[str] = field(default_factory=Counter)
    passed_over: list[str] = field(default_factory=list)

    @property
    def constraints(self) -> list[str]:
        """The Constraints, as ``KIND/NAME``."""
        return [f"{item.kind}/{item.name}" for item in self.objects if item.group == CONSTRAINTS]


def read(names: Iterable[str], yaml: YamlReader) -> Manifests:
    """Read what is named: files, directories, ``-``. Raises ManifestError.

    Of a directory everything below it is read but for hidden names and what a policy library keeps for its Suites:
    these and their ``samples``. `fleetgate serve` publishes the same policies of it. What else lies in a directory is
    passed over; a file that is named is expected to hold objects.
    """
    found = Manifests()
    for path, data, is_found in _contents(names):
        try:
            _read_file(path, data, yaml, found, may_pass_over=is_found)
        except NoObjectError:
            if not is_found:
                raise
            found.passed_over.append(path)
    return found


def _read_file(path: str, data: bytes, yaml: YamlReader, found: Manifests, *, may_pass_over: bool) -> None:
    start = data[:1024].lstrip(_WHITESPACE)[:1]
    if start == b"{" and _MARKER not in data:
        documents = _json_documents(path, data)
        is_json = True
    elif start == b"[":
        raise NoObjectError(f"{path}: an array: a List, or one object a line, is what can be read")
    else:
        documents, is_json = iter(yaml(path, data)), False
    objects: list[Manifest] = []
    for line, text in documents:
        if b'"format_version"' in text and terraform.is_plan(text):
            plan = terraform.read_plan(text)
            found.not_reviewed += plan.others
            for address, manifest in plan.manifests:
                resource = manifests_of(f"{path}[{address}]", line, manifest)
                objects += (replace(item, path=path, address=address) for item in resource)
        else:
            try:
                objects += manifests_of(path, line, text)
            except NoObjectError:
                if not may_pass_over:
                    raise
                found.passed_over.append(f"{path}:{line}")
                # It still parts the documents around it.
                objects.append(Manifest(path, line, text, "", "", "", "", ""))
    found.objects += [item for item in objects if item.kind and item.group not in _NOT_OF_CLUSTERS]
    policies = [item for item in objects if item.is_policy]
    if policies and (is_json or len(objects) != len({item.line for item in objects})):
        found.policies += [(item.source, item.json) for item in policies]
    elif policies:
        found.policies += only(data, objects, lambda item: item.is_policy)


def _json_documents(path: str, data: bytes) -> Iterator[tuple[int, bytes]]:
    """One document, one a line, or one after the other."""
    first, _, rest = data.lstrip(_WHITESPACE).partition(b"\n")
    if rest.strip(_WHITESPACE) and _is_json(first):
        for number, one in enumerate(data.splitlines(), 1):
            if one.strip(_WHITESPACE):
                yield number, one
        return
    if _is_json(data):
        # However large it is, it is not taken apart here.
        yield 1 + data[: len(data) - len(data.lstrip(_WHITESPACE))].count(b"\n"), data
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: it is no UTF-8: {error}") from error
    decoder, position, line = json.JSONDecoder(), 0, 1
    while begins := _SOMETHING.search(text, position):
        line += text.count("\n", position, begins.start())
        try:
            _, position = decoder.raw_decode(text, begins.start())
        except (ValueError, RecursionError) as error:
            raise ManifestError(f"{path}:{line}: it is no JSON: {error}") from error
        yield line, text[begins.start() : position].encode()
        line += text.count("\n", begins.start(), position)


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _contents(names: Iterable[str]) -> Iterator[tuple[str, bytes, bool]]:
    """Yield path, content, and whether the file was found in a directory."""
    for name in names:
        if name == STANDARD_INPUT:
            yield _SHOWN_STANDARD_INPUT, sys.stdin.buffer.read(), False
        elif Path(name).is_dir():
            for file in _files_below(Path(name)):
                yield str(file), _bytes(file), True
        else:
            yield name, _bytes(Path(name)), False


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from error


def _files_below(root: Path) -> list[Path]:
    found: list[Path] = []
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if not _is_left_out(name)]
        found += [
            Path(directory, name) for name in files if Path(name).suffix in _EXTENSIONS and not _is_left_out(name)
        ]
    return sorted(found)


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name == _SAMPLES or name in _KUSTOMIZATIONS

"""Recorded reviews: AdmissionReview JSON, as an API server sends it, and the Namespaces that the reviews refer to."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

_JSON_SUFFIXES = {".json", ".ndjson", ".jsonl"}


class RecordingError(Exception):
    """A recording cannot be read; the message names the file (and line, in NDJSON)."""


@dataclass(frozen=True)
class Recording:
    """One review. ``review`` is the AdmissionReview, ``request`` its ``request`` field, both as recorded."""

    review: bytes
    request: bytes
    namespace: str


@dataclass
class Recordings:
    """What a directory or file holds, in the order of the paths."""

    reviews: list[Recording] = field(default_factory=list)
    # JSON of v1 Namespaces by name.
    namespaces: dict[str, bytes] = field(default_factory=dict)


class _Request(msgspec.Struct):
    uid: str
    namespace: str = ""


class _Metadata(msgspec.Struct):
    name: str = ""


class _Document(msgspec.Struct, rename="camel"):
    kind: str = ""
    api_version: str = ""
    request: msgspec.Raw = msgspec.Raw()
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    items: list[msgspec.Raw] = msgspec.field(default_factory=list)


def read_recordings(path: Path) -> Recordings:
    """Read ``path``: a JSON or NDJSON file, or a directory of them at any depth.

    Documents are AdmissionReviews, Namespaces or lists of these. Raises RecordingError for anything else, for a file
    that does not parse and where there is no review at all.
    """
    recordings = Recordings()
    for file in _files(path):
        for place, document in _documents(file):
            _add(recordings, place, document)
    if not recordings.reviews:
        raise RecordingError(f"{path}: no AdmissionReview found in its .json, .ndjson and .jsonl files")
    return recordings


def read_namespaces(path: Path) -> dict[str, bytes]:
    """Read Namespaces only, in JSON, from a file or a directory; other documents are refused as by read_recordings."""
    recordings = Recordings()
    for file in _files(path):
        for place, document in _documents(file):
            _add(recordings, place, document)
    if not recordings.namespaces:
        raise RecordingError(f"{path}: no Namespace found in its .json, .ndjson and .jsonl files")
    return recordings.namespaces


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.suffix in _JSON_SUFFIXES and file.is_file())
    if not path.exists():
        raise RecordingError(f"{path}: no such file or directory")
    return [path]


def _documents(file: Path) -> Iterator[tuple[str, bytes]]:
    """Every document with the place to name in an error."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise RecordingError(f"{file}: {error.strerror}") from error
    if file.suffix == ".json":
        yield str(file), data
        return
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            yield f"{file}:{number}", line


def _add(recordings: Recordings, place: str, data: bytes) -> None:
    try:
        document = msgspec.json.decode(data, type=_Document)
        if document.kind == "AdmissionReview":
            request = msgspec.json.decode(document.request, type=_Request)
            recordings.reviews.append(Recording(data, bytes(document.request), request.namespace))
        elif document.kind == "Namespace" and document.metadata.name:
            recordings.namespaces[document.metadata.name] = data
        elif document.kind.endswith("List"):
            for index, item in enumerate(document.items):
                _add(recordings, f"{place}: items[{index}]", bytes(item))
        else:
            raise RecordingError(f"{place}: kind {document.kind!r} is neither AdmissionReview nor Namespace")
    except msgspec.MsgspecError as error:
        raise RecordingError(f"{place}: {error}") from error

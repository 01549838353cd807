"""An object of a file, named without reading more of it than that takes."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

CONSTRAINTS = "constraints.gatekeeper.sh"
"""The group of Constraints."""

_POLICY_GROUPS = (
    "templates.gatekeeper.sh",
    CONSTRAINTS,
    "config.gatekeeper.sh",
    "syncset.gatekeeper.sh",
)


class ManifestError(Exception):
    """A file that does not hold what it should; the text says where and why."""


class NoObjectError(ManifestError):
    """A document that does not even look like a Kubernetes object."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object; ``line`` is the 1-based line of its document in ``path``, ``json`` what it is.

    ``address`` is that of the Terraform resource whose manifest it is.
    """

    path: str
    line: int
    json: bytes
    group: str
    version: str
    kind: str
    namespace: str
    name: str
    address: str = ""

    @property
    def source(self) -> str:
        """``path``, or ``path[address]``."""
        return f"{self.path}[{self.address}]" if self.address else self.path

    @property
    def place(self) -> str:
        """``path:line``, or ``path[address]:line``."""
        return f"{self.source}:{self.line}"

    @property
    def is_policy(self) -> bool:
        """Whether it says what is allowed: a template, a Constraint, Gatekeeper's Config or a SyncSet."""
        return self.group in _POLICY_GROUPS

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Group, kind, namespace and name."""
        return (self.group, self.kind, self.namespace, self.name)

    def __str__(self) -> str:
        """``v1/Pod namespace/name``."""
        api_version = f"{self.group}/{self.version}" if self.group else self.version
        return f"{api_version}/{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}".rstrip()


class _Metadata(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""


class _Envelope(msgspec.Struct, frozen=True):
    """What names an object, and what a List has."""

    apiVersion: str = ""  # noqa: N815 (Kubernetes' name)
    kind: str = ""
    metadata: _Metadata | None = None
    items: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET


_DECODER = msgspec.json.Decoder(_Envelope)


def manifests_of(path: str, line: int, text: bytes) -> list[Manifest]:
    """The object that a JSON text is, or those of the List that it is. Raises ManifestError, or NoObjectError."""
    try:
        envelope = _DECODER.decode(text)
    except msgspec.ValidationError as error:
        raise _refused(text)(f"{path}:{line}: it is no Kubernetes object: {error}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ManifestError(f"{path}:{line}: it is no JSON: {error}") from error
    if envelope.kind.endswith("List") and not isinstance(envelope.items, msgspec.UnsetType):
        try:
            return [item for raw in envelope.items for item in manifests_of(path, line, _named(bytes(raw), envelope))]
        except NoObjectError as error:
            # Among objects it is a broken one.
            raise ManifestError(str(error)) from error
    if not envelope.apiVersion or not envelope.kind:
        raise _refused(text)(f"{path}:{line}: an object needs apiVersion and kind")
    group, _, version = envelope.apiVersion.rpartition("/")
    metadata = envelope.metadata or _Metadata()
    return [Manifest(path, line, text, group, version, envelope.kind, metadata.namespace, metadata.name)]


def _refused(text: bytes) -> type[ManifestError]:
    """What to raise: with metadata, or with both apiVersion and kind, somebody meant an object."""
    try:
        fields = set(msgspec.json.decode(text, type=dict[str, msgspec.Raw]))
    except msgspec.DecodeError:
        return NoObjectError
    names = {"apiVersion", "kind"}
    return ManifestError if names <= fields or (fields & names and "metadata" in fields) else NoObjectError


def _named(item: bytes, of: _Envelope) -> bytes:
    """The items of a typed list, such as an API server's PodList, say neither kind nor version: the list does."""
    if of.kind == "List":
        return item
    try:
        fields = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return item
    if "kind" in fields and "apiVersion" in fields:
        return item
    kind = msgspec.json.encode(of.kind.removesuffix("List"))
    named = {"apiVersion": msgspec.Raw(msgspec.json.encode(of.apiVersion)), "kind": msgspec.Raw(kind), **fields}
    return msgspec.json.encode(named)

"""AdmissionReview in: the envelope and the few fields that the webhook itself needs.

``request`` stays raw and goes on to the service byte for byte: the objects in it are decoded once, in the service.
Duplicate keys: the last wins, as in Kubernetes.
"""

from __future__ import annotations

import msgspec

from fleetgate_clients.logs import cut

API_VERSIONS = frozenset({"admission.k8s.io/v1", "admission.k8s.io/v1beta1"})


class NotDecodable(ValueError):  # noqa: N818 (it names the body's state)
    """The body is no AdmissionReview with a request and its uid: nothing can be answered but HTTP 400."""


class TooDeep(ValueError):  # noqa: N818
    """The body is nested too deeply to be decoded."""


class InvalidRequest(ValueError):  # noqa: N818
    """The request has a uid to answer to, and a field of the wrong type."""

    def __init__(self, api_version: str, uid: str, message: str) -> None:
        super().__init__(message)
        self.api_version = api_version
        self.uid = uid


class GroupVersionKind(msgspec.Struct, frozen=True):
    """``request.kind``."""

    group: str = ""
    version: str = ""
    kind: str = ""


class UserInfo(msgspec.Struct, frozen=True):
    """``request.userInfo``."""

    username: str | None = None


class Request(msgspec.Struct, frozen=True):
    """Fields of an AdmissionRequest that decide what the webhook does."""

    uid: str
    kind: GroupVersionKind = GroupVersionKind()
    name: str | None = None
    namespace: str | None = None
    operation: str = ""
    dryRun: bool | None = None  # noqa: N815 (Kubernetes' name)
    userInfo: UserInfo | None = None  # noqa: N815

    @property
    def username(self) -> str:
        """Who asks, "" where nobody is named."""
        return (self.userInfo and self.userInfo.username) or ""

    @property
    def is_namespace(self) -> bool:
        """Whether the request is about a core Namespace."""
        return self.kind.kind == "Namespace" and not self.kind.group

    @property
    def namespace_to_look_up(self) -> str:
        """The Namespace that goes along, "" for none.

        A Namespace is not in itself: server-side apply fills ``namespace`` with the object's own name, which Gatekeeper
        empties.
        """
        return "" if self.is_namespace else self.namespace or ""


class _Envelope(msgspec.Struct):
    kind: str
    apiVersion: str  # noqa: N815
    request: msgspec.Raw


class _Identity(msgspec.Struct):
    uid: str


class Review(msgspec.Struct, frozen=True):
    """One AdmissionReview: ``raw`` is the JSON of its ``request``."""

    api_version: str
    request: Request
    raw: bytes


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_request = msgspec.json.Decoder(Request).decode
_decode_identity = msgspec.json.Decoder(_Identity).decode


def decode(body: bytes | bytearray) -> Review:
    """Decode a request body. Raises NotDecodable, TooDeep, InvalidRequest."""
    try:
        envelope = _decode_envelope(body)
    except RecursionError as error:
        raise TooDeep("the AdmissionReview is nested too deeply") from error
    # UnicodeDecodeError: msgspec validates the UTF-8 of the strings that it returns.
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotDecodable(f"not an AdmissionReview: {error}") from error
    if envelope.kind != "AdmissionReview" or envelope.apiVersion not in API_VERSIONS:
        raise NotDecodable(
            f"{cut(envelope.apiVersion)} {cut(envelope.kind)} is not an AdmissionReview of "
            f"{' or '.join(sorted(API_VERSIONS))}"
        )
    raw = bytes(envelope.request)
    try:
        request = _decode_request(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _invalid(envelope.apiVersion, raw, error) from error
    if not request.uid:
        raise NotDecodable("the AdmissionReview's request has no uid")
    return Review(envelope.apiVersion, request, raw)


def _invalid(api_version: str, raw: bytes, error: Exception) -> ValueError:
    try:
        uid = _decode_identity(raw).uid
    except (msgspec.DecodeError, UnicodeDecodeError):
        uid = ""
    if not uid:
        return NotDecodable(f"the AdmissionReview's request: {error}")
    return InvalidRequest(api_version, uid, f"the AdmissionReview's request: {error}")

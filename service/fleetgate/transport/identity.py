"""Who calls: the cluster and the role that a client certificate names.

With mutual TLS the certificate's URI SAN is ``spiffe://<trust domain>/cluster/<name>/<role>`` for callers of one
cluster and ``spiffe://<trust domain>/fleet/<role>`` for callers that may name any. The name comes from the certificate
and never from a message; a message that names another cluster is refused by the core.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

_URI = re.compile(
    r"spiffe://(?P<domain>[a-z0-9._-]{1,255})/(?:cluster/(?P<cluster>[A-Za-z0-9][A-Za-z0-9._-]{0,252})|fleet)"
    r"/(?P<role>[a-z][a-z0-9-]{0,62})"
)
_CACHE_LIMIT = 4096
"""Certificates remembered at a time: more than the connections that are allowed."""


class IdentityInvalid(Exception):  # noqa: N818 (it names the identity's state)
    """A certificate names no cluster and role."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller. ``role`` is as the method x role table has it; ``cluster`` is None for callers of no single cluster."""

    role: str
    cluster: str | None = None


LOCAL = Identity("local")
"""Plaintext on a loopback address: whoever is on the machine."""

ANONYMOUS = Identity("anonymous")
"""TLS without client certificates."""


def parse(uris: Sequence[str], trust_domain: str = "") -> Identity:
    """Read the URI SANs of a certificate. Raises IdentityInvalid unless there is exactly one and it is well-formed."""
    if len(uris) != 1:
        raise IdentityInvalid(f"a client certificate needs exactly one URI SAN, this one has {len(uris)}")
    match = _URI.fullmatch(uris[0])
    if match is None:
        raise IdentityInvalid(
            f"the URI SAN {uris[0]!r} is neither spiffe://<trust domain>/cluster/<name>/<role> "
            "nor spiffe://<trust domain>/fleet/<role>"
        )
    if trust_domain and match["domain"] != trust_domain:
        raise IdentityInvalid(f"the URI SAN {uris[0]!r} is not of the trust domain {trust_domain!r}")
    if match["cluster"] is None:
        return Identity(f"fleet/{match['role']}")
    return Identity(f"cluster/{match['role']}", match["cluster"])


class Identities:
    """Identities of certificates, each certificate parsed once. Thread-safe: a lost race parses twice."""

    def __init__(self, trust_domain: str = "") -> None:
        self._trust_domain = trust_domain
        self._known: dict[bytes, Identity | IdentityInvalid] = {}

    def of(self, auth_context: Mapping[str, Sequence[bytes]]) -> Identity:
        """Identity of a call's peer, of ``ServicerContext.auth_context()``. Raises IdentityInvalid."""
        pem = auth_context.get("x509_pem_cert")
        if not pem:
            raise IdentityInvalid("the call carries no client certificate")
        known = self._known.get(pem[0])
        if known is None:
            if len(self._known) >= _CACHE_LIMIT:
                self._known.clear()
            known = self._known[pem[0]] = self._parse(pem[0])
        if isinstance(known, IdentityInvalid):
            raise known.with_traceback(None)
        return known

    def _parse(self, pem: bytes) -> Identity | IdentityInvalid:
        try:
            return parse(_uri_names(pem), self._trust_domain)
        except IdentityInvalid as error:
            return error
        except ValueError as error:
            return IdentityInvalid(f"the client certificate cannot be read: {error}")


def _uri_names(pem: bytes) -> list[str]:
    extensions = x509.load_pem_x509_certificate(pem).extensions
    try:
        names = extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        return []
    assert isinstance(names, x509.SubjectAlternativeName)  # noqa: S101 (narrows the type; the OID says so)
    return names.get_values_for_type(x509.UniformResourceIdentifier)

"""What the endpoints were told about how to answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

DEFAULT_GATEKEEPER_NAMESPACE = "gatekeeper-system"


class OnUnavailable(StrEnum):
    """What an unavailable service means for the request under review."""

    FAILURE_POLICY = "failure-policy"
    DENY = "deny"
    ALLOW = "allow"


class OnOversize(StrEnum):
    """What a body beyond a limit means for the request under review."""

    DENY = "deny"
    FAILURE_POLICY = "failure-policy"


class ErrorsAs(StrEnum):
    """What a review that failed means for the request."""

    DENY_500 = "deny-500"
    FAILURE_POLICY = "failure-policy"


@dataclass(frozen=True, slots=True)
class ExemptNamespaces:
    """Namespaces that may carry Gatekeeper's ignore label: names, prefixes and suffixes of names."""

    names: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()

    def __contains__(self, name: str) -> bool:
        return name in self.names or name.startswith(self.prefixes) or name.endswith(self.suffixes)


@dataclass(frozen=True, slots=True)
class AdmitOptions:
    """``default_timeout`` (seconds) holds where the API server sends no ``?timeout=``. With ``authenticate`` a request
    without a client certificate is refused; ``client_names`` are the common names it may have, any where empty.
    ``gatekeeper_namespace`` is where Gatekeeper's own service accounts live.
    """

    on_unavailable: OnUnavailable = OnUnavailable.FAILURE_POLICY
    on_oversize: OnOversize = OnOversize.DENY
    errors_as: ErrorsAs = ErrorsAs.DENY_500
    default_timeout: float = 10.0
    authenticate: bool = False
    client_names: frozenset[str] = frozenset()
    gatekeeper_namespace: str = DEFAULT_GATEKEEPER_NAMESPACE
    exempt_namespaces: ExemptNamespaces = field(default_factory=ExemptNamespaces)

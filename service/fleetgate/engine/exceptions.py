"""What can go wrong in the core. Defined here, raised from Rust (``native/src/errors.rs``)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One defect of a policy file, where it is and how to mend it.

    ``line`` and ``column`` are 1-based and 0 where unknown; ``field`` is a path such as
    ``spec.match.kinds[0].apiGroups``.
    """

    code: str
    message: str
    path: str = ""
    line: int = 0
    column: int = 0
    field: str = ""
    hint: str = ""

    def __str__(self) -> str:
        """Render as ``path:line:column: field: message [code]`` and the hint on a line of its own."""
        place = ":".join([self.path, *(str(n) for n in (self.line, self.column) if n)]) if self.path else ""
        text = ": ".join(part for part in (place, self.field, f"{self.message} [{self.code}]") if part)
        return f"{text}\n  hint: {self.hint}" if self.hint else text


@dataclass(frozen=True, slots=True)
class RegoLocation:
    """A place in a module, or in a query, whose file is empty. ``row`` and ``col`` are 1-based."""

    file: str
    row: int
    col: int


@dataclass(frozen=True, slots=True)
class RegoDefect:
    """One thing that is wrong with a query, its modules or its documents, or went wrong in evaluating it."""

    code: str
    """OPA's code, such as ``rego_parse_error`` or ``eval_conflict_error``; ``rego_unsupported_error`` for what OPA does
    and fleetgate does not. Empty for documents that cannot be read, as in OPA."""
    message: str
    location: RegoLocation | None = None

    def __str__(self) -> str:
        """Render as ``file:row: code: message``, as OPA does."""
        if self.location is None:
            place = ""
        elif self.location.file:
            place = f"{self.location.file}:{self.location.row}"
        else:
            place = f"{self.location.row}:{self.location.col}"
        return ": ".join(part for part in (place, self.code, self.message) if part)


class EngineError(Exception):
    """Base of all errors of the core."""


class PolicyError(EngineError):
    """A bundle was refused; nothing was published."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("\n".join(map(str, diagnostics)))
        self.diagnostics = diagnostics


class InvalidRequest(EngineError):  # noqa: N818 (it names the request's state, as gRPC's INVALID_ARGUMENT)
    """A request, or JSON that it holds, does not decode."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class ClusterMismatch(EngineError):  # noqa: N818
    """The request names another cluster than the caller's certificate."""

    def __init__(self, certificate_cluster: str, request_cluster: str) -> None:
        super().__init__(f"the certificate is of cluster {certificate_cluster!r}, the request of {request_cluster!r}")
        self.certificate_cluster = certificate_cluster
        self.request_cluster = request_cluster


class RequestTooLarge(EngineError):  # noqa: N818
    """A batch has too many items or bytes."""

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit


class DeadlineExceeded(EngineError):  # noqa: N818
    """The deadline passed before the decision."""


class Overloaded(EngineError):  # noqa: N818
    """No evaluation context became free in time."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(f"all evaluation contexts are busy; try again in {retry_after_seconds:.3f} s")
        self.retry_after_seconds = retry_after_seconds


class RegoError(EngineError):
    """A query has no answer. ``code``, ``message`` and ``location`` are those of the first defect."""

    def __init__(self, defects: tuple[RegoDefect, ...], prints: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join(map(str, defects)))
        self.defects = defects
        self.prints = prints
        """Lines that ``print`` wrote before."""
        self.code = defects[0].code
        self.message = defects[0].message
        self.location = defects[0].location


class InternalError(EngineError):
    """A defect of fleetgate: a panic was caught at the FFI."""


class DialError(EngineError):
    """A cluster cannot be dialled, or its kubeconfig cannot be used."""

    def __init__(self, reason: str, message: str) -> None:
        """``reason`` is dns, refused, unreachable, tls, unauthorized, forbidden, timeout, exec, invalid or other."""
        super().__init__(message)
        self.reason = reason


class WriteError(EngineError):
    """An API server refused a request, or did not answer."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        """``code`` is the HTTP status (0: no answer), ``reason`` the API server's own, such as ``NotFound``."""
        super().__init__(message)
        self.code = code
        self.reason = reason

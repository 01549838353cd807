"""The status that Gatekeeper writes on templates and Constraints: ``byPod``, ``created`` of templates, and what audits
found.

An entry of ours has the shape of Gatekeeper 3.23's ``ConstraintTemplatePodStatus`` and ``ConstraintPodStatus``
(``apis/status/v1beta1``), empty fields left out as Go does. Entries of others stay: Gatekeeper may run beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleetgate.engine.exceptions import Diagnostic

OPERATIONS = ("generate", "status", "webhook")
"""What we do, in Gatekeeper's words."""

CREATE_ERROR, UPDATE_ERROR, INGEST_ERROR = "create_error", "update_error", "ingest_error"
_MAX_MESSAGE = 4096
_MAX_ERRORS = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a resource. ``location`` is ``line:column: field`` as far as it is known."""

    code: str
    message: str
    location: str = ""

    def to_json(self) -> dict[str, str]:
        """As the entry has it: ``code`` and ``message`` are always there."""
        found = {"code": self.code, "message": self.message[:_MAX_MESSAGE]}
        return {**found, "location": self.location} if self.location else found


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit found of a Constraint."""

    timestamp: str
    """When, as RFC 3339."""
    total: int
    """Violations in all."""
    violations: tuple[dict[str, Any], ...]
    """Some of them, in the order and with the fields of Gatekeeper's ``status.violations``."""

    def onto(self, status: Mapping[str, Any]) -> dict[str, Any]:
        """A status that says so. One that says the same keeps its time: nothing would be written for it alone."""
        says = status.get("totalViolations"), tuple(status.get("violations") or ())
        if "auditTimestamp" in status and says == (self.total, self.violations):
            return dict(status)
        found = {**status, "auditTimestamp": self.timestamp, "totalViolations": self.total}
        found["violations"] = list(self.violations)
        if not self.violations:
            del found["violations"]
        return found


def ingest_problems(diagnostics: Sequence[Diagnostic]) -> list[Problem]:
    """What a template is refused for, as Gatekeeper reports it."""
    return [
        Problem(INGEST_ERROR, f"Could not ingest Rego: {one.message} [{one.code}]", _place(one))
        for one in diagnostics[:_MAX_ERRORS]
    ]


def constraint_problems(diagnostics: Sequence[Diagnostic]) -> list[Problem]:
    """What a Constraint is refused for. Gatekeeper gives those no code."""
    return [
        Problem("", f"could not cache constraint: {one.message} [{one.code}]", _place(one))
        for one in diagnostics[:_MAX_ERRORS]
    ]


def of_template(template: Mapping[str, Any], writer: str, problems: Sequence[Problem]) -> dict[str, Any]:
    """The whole status of a template, with our entry in it."""
    metadata = _mapping(template, "metadata")
    entry = _entry(writer, "templateUID", metadata, problems)
    entries = _with(template, entry, "templateUID")
    created = any(not one.get("errors") for one in entries)
    return {**_mapping(template, "status"), "byPod": entries, "created": created}


def of_constraint(
    constraint: Mapping[str, Any], writer: str, problems: Sequence[Problem], audited: Audited | None = None
) -> dict[str, Any]:
    """The whole status of a Constraint, with our entry in it, and what an audit found where one looked."""
    metadata = _mapping(constraint, "metadata")
    entry = _entry(writer, "constraintUID", metadata, problems)
    if not problems:
        entry["enforced"] = True
    status = {**_mapping(constraint, "status"), "byPod": _with(constraint, entry, "constraintUID")}
    return audited.onto(status) if audited is not None else status


def _entry(writer: str, uid_name: str, metadata: Mapping[str, Any], problems: Sequence[Problem]) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": writer, uid_name: metadata.get("uid", ""), "operations": list(OPERATIONS)}
    if generation := metadata.get("generation"):
        entry["observedGeneration"] = generation
    if problems:
        entry["errors"] = [problem.to_json() for problem in problems]
    return {name: value for name, value in entry.items() if value != ""}


def _with(resource: Mapping[str, Any], entry: dict[str, Any], uid_name: str) -> list[dict[str, Any]]:
    """All entries, sorted by id; those of an object of this name that was there before are left out."""
    found = _mapping(resource, "status").get("byPod")
    others = [
        dict(one)
        for one in (found if isinstance(found, list) else ())
        if isinstance(one, Mapping)
        and one.get("id") != entry["id"]
        and one.get(uid_name, entry.get(uid_name)) == entry.get(uid_name)
    ]
    return sorted([*others, entry], key=lambda one: str(one.get("id", "")))


def _place(diagnostic: Diagnostic) -> str:
    numbers = ":".join(str(number) for number in (diagnostic.line, diagnostic.column) if number)
    return ": ".join(part for part in (numbers, diagnostic.field) if part)


def _mapping(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}

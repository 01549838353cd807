"""What each Constraint thinks of one object, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fleetgate_clients.audit.collect import duration, object_of
from fleetgate_clients.audit.document import details_of, parsed
from fleetgate_clients.audit.report import Effect, effect_of
from fleetgate_clients.inventory.text import kind_name
from fleetgate_clients.output.tables import wrapped
from fleetgate_clients.output.terminal import Paint

from .table import STYLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleetgate_proto.v1 import audit_pb2, review_pb2

_SHOWN_READS = 10
"""Objects read that the text lists; the JSON has all that are known."""


def explanation_lines(
    answer: audit_pb2.ExplainResponse, width: int | None, color: bool, *, matched: bool
) -> Iterator[str]:
    """Yield lines without newlines; ``matched`` leaves out Constraints that do not match."""
    paint, decision = Paint(color), answer.decision
    found = object_of(answer.object)
    denied = paint("denied", "red", "bold")
    verdict = paint("allowed", "green", "bold") if decision.allowed else denied
    yield f"{paint(found.cluster or 'no cluster', 'dim')}  {paint(str(found), 'bold')}  {verdict}"
    facts = [f"policies generation {decision.policy_generation.number}"]
    if decision.inventory_revision.number:
        facts.append(f"inventory revision {decision.inventory_revision.number}")
    yield paint(", ".join(facts), "dim")
    if decision.status_message:
        yield paint(decision.status_message)
    if decision.HasField("review_error"):
        yield from _indented(f"no answer: {decision.review_error.message}", width, paint, 2, "red")
    for constraint in answer.explanation.constraints:
        if constraint.matched or not matched:
            yield ""
            yield from _constraint_lines(constraint, width, paint)


def _constraint_lines(found: review_pb2.ConstraintExplanation, width: int | None, paint: Paint) -> Iterator[str]:
    effect = effect_of(found.enforcement_action, ())
    scope = "" if found.scope == "fleet" else f"  {paint(f'({found.scope})', 'dim')}"
    name = paint(f"{found.constraint_kind}/{found.constraint_name}", "bold")
    yield f"{_mark(found, paint)} {name}  {paint(found.enforcement_action, STYLES[effect])}{scope}  {_verdict(found)}"
    if found.HasField("error"):
        yield from _indented(found.error.message, width, paint, 4, "red")
    if not found.matched:
        criterion = found.criterion
        yield f"    {paint(criterion.name, 'yellow')}"
        yield from _labelled("expected", criterion.expected, width, paint)
        yield from _labelled("found", criterion.found, width, paint)
        return
    for one in found.violations:
        yield from _indented(one.violation.message, width, paint, 4, STYLES[Effect.DENY])
        for position in one.positions:
            yield from _indented(_place(position), width, paint, 6, "dim")
            if position.text:
                yield from _indented(position.text.strip(), width, paint, 8, "cyan")
    if found.parameters not in (b"", b"{}", b"null"):
        yield from _labelled("parameters", found.parameters.decode("utf-8", "replace"), width, paint)
    if found.read_objects:
        yield from _labelled("read", _reads(found), width, paint)
    if found.HasField("time"):
        yield f"    {paint('time', 'dim')} {duration(found.time) * 1000:.2f} ms"


def _mark(found: review_pb2.ConstraintExplanation, paint: Paint) -> str:
    if found.HasField("error"):
        return paint("!", "red", "bold")
    if not found.matched:
        return paint("-", "dim")
    return paint("x", "red", "bold") if found.violations else paint("o", "green", "bold")


def _verdict(found: review_pb2.ConstraintExplanation) -> str:
    if found.HasField("error"):
        return "gave no answer"
    if not found.matched:
        return "does not match"
    count = len(found.violations)
    return f"{count} violation{'' if count == 1 else 's'}" if count else "matches, no violation"


def _place(position: review_pb2.RegoPosition) -> str:
    place = ":".join([position.path, *(str(number) for number in (position.line, position.column) if number)])
    return f"at {place}, line {position.source_line} of {position.source}" if position.source_line else f"at {place}"


def _reads(found: review_pb2.ConstraintExplanation) -> str:
    names = [_read_name(read) for read in found.reads[:_SHOWN_READS]]
    more = found.read_objects - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")


def _read_name(read: review_pb2.ReadObject) -> str:
    return "/".join(part for part in (read.cluster, kind_name(read.kind), read.namespace, read.name) if part)


def _labelled(label: str, text: str, width: int | None, paint: Paint) -> Iterator[str]:
    room = None if width is None else max(1, width - 5 - len(label))
    first, *rest = wrapped(text, room)
    yield f"    {paint(label, 'dim')} {first}"
    yield from (f"{'':{5 + len(label)}}{line}" for line in rest)


def _indented(text: str, width: int | None, paint: Paint, indent: int, style: str) -> Iterator[str]:
    room = None if width is None else max(1, width - indent)
    yield from (f"{'':{indent}}{paint(line, style)}" for line in wrapped(text, room))


def explanation_document(answer: audit_pb2.ExplainResponse, *, matched: bool) -> dict[str, Any]:
    """The explanation as JSON has it; ``matched`` leaves out Constraints that do not match."""
    found, decision = object_of(answer.object), answer.decision
    names = {
        "cluster": found.cluster,
        "group": found.group,
        "version": found.version,
        "kind": found.kind,
        "namespace": found.namespace,
        "name": found.name,
    }
    return {
        "apiVersion": "fleetgate.dev/v1",
        "kind": "Explanation",
        "object": {key: value for key, value in names.items() if value},
        "allowed": decision.allowed,
        **({"error": decision.review_error.message} if decision.HasField("review_error") else {}),
        "policies": {"generation": decision.policy_generation.number, "digest": decision.policy_generation.digest},
        "constraints": [
            _constraint_document(constraint)
            for constraint in answer.explanation.constraints
            if constraint.matched or not matched
        ],
    }


def _constraint_document(found: review_pb2.ConstraintExplanation) -> dict[str, Any]:
    document: dict[str, Any] = {
        "constraintKind": found.constraint_kind,
        "constraintName": found.constraint_name,
        "scope": found.scope,
        "enforcementAction": found.enforcement_action,
        "matched": found.matched,
    }
    if not found.matched:
        criterion = found.criterion
        document["criterion"] = {
            "name": criterion.name,
            "expected": criterion.expected,
            "found": criterion.found,
        }
    if found.parameters:
        document["parameters"] = parsed(found.parameters.decode("utf-8", "replace"))
    if found.HasField("error"):
        document["error"] = found.error.message
    document["violations"] = [_violation_document(one) for one in found.violations]
    document["reads"] = [_read_name(read) for read in found.reads]
    document["readObjects"] = found.read_objects
    if found.HasField("time"):
        document["seconds"] = duration(found.time)
    return document


def _violation_document(one: review_pb2.ExplainedViolation) -> dict[str, Any]:
    positions = [
        {
            "path": position.path,
            "line": position.line,
            "column": position.column,
            "source": position.source,
            "sourceLine": position.source_line,
            "text": position.text,
        }
        for position in one.positions
    ]
    details = details_of(one.violation.details)
    return {
        "message": one.violation.message,
        **({"details": parsed(details)} if details else {}),
        "positions": positions,
    }

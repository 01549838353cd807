"""The trend: what there was before, beside what there is."""

from __future__ import annotations

import pytest
from fleetgate.audit.runs import compare, trend
from fleetgate_proto.v1 import audit_pb2


def _summary(**counts: int | tuple[int, int]) -> audit_pb2.AuditSummary:
    """Violations by Constraint, and what there was before."""
    found = audit_pb2.AuditSummary()
    for name, count in counts.items():
        now, before = count if isinstance(count, tuple) else (count, None)
        found.constraints.add(
            cluster="west",
            scope="fleet",
            constraint_kind="K",
            constraint_name=name,
            violations=now,
            violations_before=before,
        )
    return found


def _before(summary: audit_pb2.AuditSummary) -> dict[str, int | None]:
    return {
        one.constraint_name: one.violations_before if one.HasField("violations_before") else None
        for one in summary.constraints
    }


def test_a_run_is_compared_with_the_one_before() -> None:
    run = _summary(a=3, b=0, new=1)
    compare(run, _summary(a=1, b=2, gone=5))
    assert _before(run) == {"a": 1, "b": 2, "new": None}
    compare(run, None)
    assert _before(run) == {"a": 1, "b": 2, "new": None}


@pytest.mark.parametrize(
    ("now", "last", "expected"),
    [
        (_summary(a=3), _summary(a=(2, 1)), {"a": 2}),
        (_summary(a=2), _summary(a=(2, 1)), {"a": 1}),
        (_summary(a=2, b=1), _summary(a=(2, 1)), {"a": 2, "b": None}),
        (_summary(a=2), _summary(a=2), {"a": None}),
        (_summary(a=2), None, {"a": None}),
    ],
    ids=["it-changed", "it-is-that-run", "a-new-constraint", "the-first-run", "no-run"],
)
def test_how_things_stand_is_compared_with_another_state(
    now: audit_pb2.AuditSummary, last: audit_pb2.AuditSummary | None, expected: dict[str, int | None]
) -> None:
    trend(now, last)
    assert _before(now) == expected

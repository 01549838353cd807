"""What several outputs say of a report: its rows by cluster and Constraint, its totals, its trend."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from fleetgate_clients.audit.report import ConstraintName, ConstraintResult, Effect, Report, effect_of


@dataclass(frozen=True, slots=True)
class Row:
    """A Constraint in a cluster. ``result`` is None where the run did not come so far as to sum it up."""

    cluster: str
    constraint: ConstraintName
    effect: Effect
    violations: int
    result: ConstraintResult | None

    @property
    def trend(self) -> str:
        """``+3``, ``-1``, ``=``, or "" where there was no run before."""
        if self.result is None or self.result.before is None:
            return ""
        change = self.violations - self.result.before
        return f"{change:+d}" if change else "="


def rows(report: Report) -> list[Row]:
    """Every Constraint of every cluster: by cluster, those that deny first, then by name."""
    counted: dict[tuple[str, ConstraintName], Counter[Effect]] = {}
    for (cluster, constraint, effect), count in report.counts.found.items():
        counted.setdefault((cluster, constraint), Counter())[effect] += count
    results = {(result.cluster, result.constraint): result for result in report.constraints}
    found = []
    for cluster, constraint in dict.fromkeys([*results, *counted]):
        result = results.get((cluster, constraint))
        effects = counted.get((cluster, constraint), Counter())
        said = effect_of(result.action, ()) if result is not None else Effect.OTHER
        effect = next((effect for effect in Effect if effects[effect]), said)
        found.append(Row(cluster, constraint, effect, effects.total(), result))
    order = list(Effect)
    return sorted(
        found,
        key=lambda row: (
            row.cluster,
            order.index(row.effect),
            row.constraint.kind,
            row.constraint.name,
            row.constraint.scope,
        ),
    )


def number(count: int, noun: str, plural: str = "") -> str:
    """``1 object``, ``1,200 objects``."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def totals(report: Report) -> str:
    """``12 deny, 3 warn``; ``no violations``, or of those that are asked for none."""
    parts = [f"{report.counts.of(effect):,} {effect}" for effect in Effect if report.counts.of(effect)]
    return ", ".join(parts) or (f"no violations first seen since {report.since}" if report.since else "no violations")

"""What becomes of a disagreement between the engines."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import cast

import pytest
from fleetgate.engine import Decision, Engine
from fleetgate.telemetry.metrics import Metrics
from fleetgate.transport.disagreements import DisagreementLog
from prometheus_client import generate_latest


@dataclass
class _Decided:
    """A decision as the log reads it; the core's own cannot be made to disagree from here."""

    generation: int
    disagreements: list[tuple[str, str]] = field(default_factory=list)
    compared: int = 3
    decision_id: str = "d1"
    cluster: str = "eu-1"


def _take(log: DisagreementLog, decided: _Decided) -> None:
    log.review(cast("Decision", decided))


def test_each_is_counted_and_one_per_template_and_generation_logged(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    log = DisagreementLog(metrics)
    with caplog.at_level(logging.WARNING, "fleetgate.transport.disagreements"):
        _take(log, _Decided(1))
        assert caplog.records == []
        for generation in (1, 1, 2, 1):
            _take(log, _Decided(generation, [("A", "one"), ("A", "two"), ("B", "one")]))
    fields = [record.__dict__["fields"] for record in caplog.records]
    assert [(one["generation"], one["constraint_kind"], one["constraint_name"]) for one in fields] == [
        (1, "A", "one"),
        (1, "B", "one"),
        (2, "A", "one"),
        (2, "B", "one"),
    ]
    assert {(one["decision_id"], one["cluster"]) for one in fields} == {("d1", "eu-1")}
    text = generate_latest(metrics.registry).decode()
    assert 'fleetgate_engine_disagreements_total{template="A"} 8.0' in text
    assert 'fleetgate_engine_disagreements_total{template="B"} 4.0' in text
    assert "fleetgate_engine_comparisons_total 15.0" in text


def test_what_was_not_compared_counts_nothing() -> None:
    metrics = Metrics()
    _take(DisagreementLog(metrics), _Decided(1, compared=0))
    assert "fleetgate_engine_comparisons_total 0.0" in generate_latest(metrics.registry).decode()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_from_0_to_1(share: float) -> None:
    with pytest.raises(ValueError, match="cross_check"):
        Engine(contexts=1, cross_check=share)

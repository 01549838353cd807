"""Durations and objectives as people write them."""

import pytest
from fleetgate_clients.loadtest.units import Objective, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("500ms", 0.5), ("250us", 0.00025), ("1.5m", 90), ("2h", 7200), (" 1s ", 1)],
)
def test_a_duration_has_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["10", "s", "-1s", "1 s", "1s2", "", "1d", "ten seconds"])
def test_what_is_not_a_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="for instance 10s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "objective"),
    [
        ("p99=10ms", Objective("p99", 0.01)),
        ("p99.9<1s", Objective("p99.9", 1)),
        ("max <= 2s", Objective("max", 2)),
        ("mean=500us", Objective("mean", 0.0005)),
    ],
)
def test_an_objective_bounds_a_quantile(text: str, objective: Objective) -> None:
    assert Objective.parse(text) == objective


@pytest.mark.parametrize("text", ["p99", "p100=1s", "p=1s", "p99>1s", "median=1s", "p99=10"])
def test_what_is_not_an_objective_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an objective|not a duration"):
        Objective.parse(text)

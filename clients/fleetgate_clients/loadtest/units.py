"""Values as people write them on a command line: ``10s``, ``p99=10ms``."""

import re
from dataclasses import dataclass

_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>us|ms|s|m|h)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_OBJECTIVE = re.compile(r"(?P<quantile>p\d{1,2}(?:\.\d+)?|max|mean)\s*(?:=|<=|<)\s*(?P<bound>\S+)")


def parse_duration(text: str) -> float:
    """Seconds of ``500us``, ``10ms``, ``1.5s``, ``2m``, ``1h``; raises ValueError for anything else."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write a number and us, ms, s, m or h, for instance 10s")
    return float(match["number"]) * _SECONDS[match["unit"]]


@dataclass(frozen=True)
class Objective:
    """A bound on latency: ``quantile`` is ``p50`` … ``p99.99``, ``mean`` or ``max``; ``seconds`` the most it may be."""

    quantile: str
    seconds: float

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """Read ``p99=10ms`` (also ``p99<10ms``, ``max<=1s``); raises ValueError for anything else."""
        match = _OBJECTIVE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not an objective: write for instance p99=10ms, mean=2ms or max=1s")
        return cls(match["quantile"], parse_duration(match["bound"]))

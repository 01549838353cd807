"""What becomes of disagreements between the engine that decides and the one that cross-checks.

Each is counted. One per template and generation is logged, with what it takes to find the review again, never its
object.
"""

from __future__ import annotations

import logging
import threading

from fleetgate.engine import Decision
from fleetgate.telemetry.metrics import Metrics

_LOGGER = logging.getLogger(__name__)


class DisagreementLog:
    """Counts and logs disagreements. Thread-safe."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._logged: dict[str, int] = {}
        """The newest generation for which a template was logged."""

    def review(self, decision: Decision) -> None:
        """Take note of what the cross-check of a decision found, if it was cross-checked."""
        if not decision.compared:
            return
        self._metrics.compared(decision.compared)
        for template, constraint in decision.disagreements:
            self._metrics.disagreed(template)
            if self._is_first(template, decision.generation):
                _LOGGER.warning(
                    "the engines disagree on a constraint; the answer of the first stands",
                    extra={
                        "fields": {
                            "decision_id": decision.decision_id,
                            "cluster": decision.cluster,
                            "generation": decision.generation,
                            "constraint_kind": template,
                            "constraint_name": constraint,
                        }
                    },
                )

    def _is_first(self, template: str, generation: int) -> bool:
        with self._lock:
            if self._logged.get(template, -1) >= generation:
                return False
            self._logged[template] = generation
            return True

"""The recorded reviews through both engines: they agree, and the answers are what they are without the second."""

from __future__ import annotations

import json
from pathlib import Path

from fleetgate_proto.v1 import review_pb2
from prometheus_client.parser import text_string_to_metric_families

from tests.support.serving import TIMEOUT, Serve, Server

_ROOT = Path(__file__).parents[2]
_RECORDED = sorted((_ROOT / "tests" / "data" / "recorded").glob("[0-9]*.json"))


def _answers(server: Server) -> list[review_pb2.ReviewResponse]:
    found = []
    for path in _RECORDED:
        request = json.dumps(json.loads(path.read_bytes())["request"]).encode()
        answer = server.review.Review(review_pb2.ReviewRequest(admission_request=request), timeout=TIMEOUT)
        for changing in ("decision_id", "policy_generation", "inventory_revision"):
            answer.ClearField(changing)
        found.append(answer)
    return found


def _counted(server: Server, name: str) -> float | None:
    """The sum of a counter's series; none where it does not exist."""
    families = {family.name: family for family in text_string_to_metric_families(server.get("/metrics")[1])}
    return sum(sample.value for sample in families[name].samples) if name in families else None


def test_the_engines_agree_on_recorded_reviews(serve: Serve) -> None:
    policies = f"--policies={_ROOT / 'policies'}"
    alone = serve(policies)
    expected = _answers(alone)
    assert any(answer.violations for answer in expected)
    assert _counted(alone, "fleetgate_engine_comparisons") == 0

    checked = serve(policies, "--evaluation-cross-check=1.0")
    assert _answers(checked) == expected
    assert (_counted(checked, "fleetgate_engine_comparisons") or 0) > 100
    assert _counted(checked, "fleetgate_engine_disagreements") == 0

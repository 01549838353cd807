"""gatekeeper-library as tests find it: absent data skip a test, or fail it where they are required."""

from __future__ import annotations

import os

import pytest

from tests.differential.library import conformance


def need_library() -> None:
    """Skip the test where gatekeeper-library is absent; ``FLEETGATE_CONFORMANCE_REQUIRED=1`` makes that a failure."""
    if conformance().is_dir():
        return
    missing = f"conformance data are absent: {conformance()} (FLEETGATE_CONFORMANCE)"
    if os.environ.get("FLEETGATE_CONFORMANCE_REQUIRED") == "1":
        pytest.fail(missing)
    pytest.skip(missing)

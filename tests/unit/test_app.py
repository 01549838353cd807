"""What `fleetgate serve` does about the interpreter once everything is wired."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest
from fleetgate import app


@pytest.fixture
def interpreter() -> Iterator[None]:
    """Its settings as they were, afterwards."""
    seconds = sys.getswitchinterval()
    yield
    gc.unfreeze()
    sys.setswitchinterval(seconds)


@pytest.mark.usefixtures("interpreter")
def test_collections_leave_out_what_the_service_is_made_of() -> None:
    """A full one looks at what came since, and reviews do not wait for it."""
    before = len(gc.get_objects())
    app._never_pause()
    assert len(gc.get_objects()) < before / 100
    assert gc.isenabled()


@pytest.mark.usefixtures("interpreter")
def test_what_comes_later_is_still_collected() -> None:
    """Nothing leaks."""
    app._never_pause()
    ring: list[object] = []
    ring.append(ring)
    del ring
    assert gc.collect() >= 1

"""Servers of tests, and what they are given."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.serving import DATA, Serve, serving


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start servers that live as long as the test: ``serve("--policies=x", ...)``."""
    with ExitStack() as stack:
        yield lambda *arguments, **named: stack.enter_context(serving(tmp_path, *arguments, **named))


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A private copy of the policies `labels`: a Pod needs the label owner (deny) and team (warn)."""
    return Path(shutil.copytree(DATA / "labels", tmp_path / "policies"))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The CA that servers and clients trust."""
    return Authority(tmp_path_factory.mktemp("authority"))

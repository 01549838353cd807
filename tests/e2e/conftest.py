"""What the end-to-end tests share: two API servers, a service for both, and a webhook for each.

Every test file works in Namespaces of its own (see `tests/support/tenants.py`): one that breaks its webhook on purpose
disturbs nobody.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleetgate.engine import Engine, Feeds

from tests.support.certificates import Authority
from tests.support.kubeapiserver import Cluster, Fleet, start_fleet
from tests.support.stack import Service, Webhook, running_service, running_webhook


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two clusters, `west` and `east`."""
    with start_fleet(tmp_path_factory.mktemp("fleet"), ["west", "east"]) as running:
        yield running


@pytest.fixture(scope="session")
def west(fleet: Fleet) -> Cluster:
    """The cluster that most tests use."""
    return fleet["west"]


@pytest.fixture(scope="session")
def east(fleet: Fleet) -> Cluster:
    """The other cluster."""
    return fleet["east"]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The CA of every certificate of ours in these tests."""
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, policies: Path, authority: Authority) -> Iterator[Service]:
    """One service for both clusters."""
    with running_service(tmp_path_factory.mktemp("service"), policies, authority) as running:
        yield running


@pytest.fixture(scope="session")
def west_webhook(
    tmp_path_factory: pytest.TempPathFactory, west: Cluster, service: Service, authority: Authority
) -> Iterator[Webhook]:
    """The webhook of `west`."""
    with running_webhook(tmp_path_factory.mktemp("webhook"), west, service.target, authority) as running:
        yield running


@pytest.fixture
def engine() -> Engine:
    """An engine of this process, for tests without a service."""
    return Engine(contexts=1)


@pytest.fixture
def feeds(engine: Engine) -> Iterator[Feeds]:
    """Its feeds."""
    running = Feeds(engine)
    yield running
    running.close()


@pytest.fixture(scope="session")
def policies() -> Path:
    """The policies of these tests; nobody changes them."""
    return Path(__file__).parent / "policies"


@pytest.fixture
def editable_policies(policies: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(policies, tmp_path / "policies"))

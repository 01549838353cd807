"""The log of calls that were refused because of who called."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from fleetgate.engine.exceptions import ClusterMismatch, InvalidRequest
from fleetgate.transport import refusals
from fleetgate.transport.identity import IdentityInvalid
from fleetgate.transport.refusals import Refusals
from fleetgate.transport.roles import RoleForbidden

CONTEXT: Any = SimpleNamespace(peer=lambda: "ipv4:192.0.2.1:7")


def test_a_window_has_each_cause_once_and_no_more_than_a_hundred(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    now = 1000.0
    monkeypatch.setattr(refusals.time, "monotonic", lambda: now)
    log = Refusals().log
    for _ in range(3):
        log("a/B", RoleForbidden("/a/B", "fleet/reader"), CONTEXT)
        log("a/C", RoleForbidden("/a/C", "fleet/reader"), CONTEXT, "ab" * 16)
    assert [record.getMessage() for record in caplog.records] == [
        "call refused: role 'fleet/reader' may not call /a/B",
        "call refused: role 'fleet/reader' may not call /a/C",
    ]
    assert vars(caplog.records[1])["fields"] == {"method": "a/C", "peer": "ipv4:192.0.2.1:7", "trace_id": "ab" * 16}
    for number in range(500):
        log("a/B", IdentityInvalid(f"name {number}"), CONTEXT)
    assert len(caplog.records) == 100
    now += 10.0
    log("a/B", RoleForbidden("/a/B", "fleet/reader"), CONTEXT)
    assert len(caplog.records) == 101


def test_other_errors_are_no_refusals(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    Refusals().log("a/B", InvalidRequest("object", "is no JSON"), CONTEXT)
    assert not caplog.records


def test_what_the_caller_chose_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    Refusals().log("a/B", ClusterMismatch("eu-1", "x" * 1_000_000), CONTEXT)
    assert len(caplog.records[0].getMessage()) < 400

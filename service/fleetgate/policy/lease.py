"""Who of several replicas writes into clusters: the one that holds a Lease on the hub (``coordination.k8s.io/v1``).

As client-go elects leaders. Times are those of our own clock, and count from what we saw: a Lease is given up by its
holder ``renew_seconds`` after the last renewal that it began, and taken over by another only when nothing of it changed
for ``lease_seconds``. A write that is under way takes less than what lies between.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from fleetgate.engine.exceptions import WriteError
from fleetgate.engine.feeds import Feeds

_LOGGER = logging.getLogger(__name__)

LEASE_SECONDS = 15.0
_RENEW_SHARE = 2 / 3
_RETRY_SHARE = 2 / 15
_REQUEST_SECONDS = 3.0


class Lease:
    """One Lease, wanted for as long as this runs. A thread. Thread-safe."""

    def __init__(
        self,
        feeds: Feeds,
        cluster: str,
        namespace: str,
        name: str,
        *,
        identity: str,
        lease_seconds: float = LEASE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``cluster`` is the connection to the hub; ``identity`` is this replica's alone."""
        self._feeds, self._cluster, self._namespace, self._name = feeds, cluster, namespace, name
        self._identity, self._seconds, self._clock = identity, lease_seconds, clock
        self._held_until = float("-inf")
        self._seen: object = None
        self._seen_at = 0.0
        self._problem = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def start(self) -> None:
        """Begin to want it. The hub is connected."""
        self._thread.start()

    def close(self) -> None:
        """Give it back, so that another replica need not wait."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self.held():
            self._held_until = float("-inf")
            try:
                current = self._read()
                if current is not None and _holder(current) == self._identity:
                    self._write("update", current, {"holderIdentity": "", "leaseDurationSeconds": 1})
            except WriteError as error:
                _LOGGER.info("the Lease was not given back; it ends by itself: %s", error)

    def held(self) -> bool:
        """Whether this replica may write now."""
        return self._clock() < self._held_until

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.step()
            except WriteError as error:
                self._say(logging.WARNING, str(error))
            except Exception:
                _LOGGER.exception("asking for the Lease failed; it is tried again")
            self._stop.wait(self._seconds * _RETRY_SHARE)

    def step(self) -> None:
        """Renew the Lease, take it, or see who has it. Raises WriteError."""
        began, was_held = self._clock(), self.held()
        current = self._read()
        if current is None:
            self._write("create", self._named({}), self._spec(None))
        elif _holder(current) == self._identity or self._is_free(current, began):
            self._write("update", current, self._spec(current))
        else:
            self._held_until = float("-inf")
            self._say(logging.INFO, f"{_holder(current)} writes")
            return
        self._held_until = began + self._seconds * _RENEW_SHARE
        if not was_held:
            _LOGGER.info("this replica writes into clusters", extra={"fields": {"lease": self._name}})
        self._problem = ""

    def _is_free(self, current: Mapping[str, Any], now: float) -> bool:
        """Whether nobody has it, or its holder has not renewed it for as long as it lasts."""
        if not _holder(current):
            return True
        seen = current.get("metadata", {}).get("resourceVersion")
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
        lasts = current.get("spec", {}).get("leaseDurationSeconds")
        seconds = float(lasts) if isinstance(lasts, int) and lasts > 0 else self._seconds
        return now - self._seen_at >= seconds

    def _read(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self._request("get", self._named({})))
        except WriteError as error:
            if error.code == 404:
                return None
            raise
        return found

    def _spec(self, current: Mapping[str, Any] | None) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = dict(current.get("spec", {})) if current else {}
        if spec.get("holderIdentity") != self._identity:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + (1 if current else 0)
        spec.update(holderIdentity=self._identity, leaseDurationSeconds=max(1, round(self._seconds)), renewTime=now)
        return spec

    def _write(self, verb: str, current: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
        """The resourceVersion of what was read goes along: of two replicas that write at once, one is refused."""
        self._request(verb, {**current, "spec": {**current.get("spec", {}), **spec}})

    def _named(self, more: Mapping[str, Any]) -> dict[str, Any]:
        metadata = {"namespace": self._namespace, "name": self._name}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, **more}

    def _request(self, verb: str, one: Mapping[str, Any]) -> bytes:
        body = json.dumps(one).encode()
        return self._feeds.write(self._cluster, verb, body, timeout_seconds=_REQUEST_SECONDS)

    def _say(self, level: int, words: str) -> None:
        if words != self._problem:
            _LOGGER.log(level, "this replica does not write into clusters: %s", words)
        self._problem = words


def _holder(current: Mapping[str, Any]) -> str:
    return str(current.get("spec", {}).get("holderIdentity") or "")

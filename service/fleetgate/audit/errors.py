"""What can go wrong with audits apart from the engine's own errors and the history's."""

from __future__ import annotations


class ContinuousAuditOff(Exception):  # noqa: N818 (it names the audit's state)
    """There is no continuous audit to ask."""

    def __init__(self) -> None:
        super().__init__("the continuous audit is off (--audit-interval-seconds 0): ask RunAudit")


class WatchEnded(Exception):  # noqa: N818
    """A watch is ended by the service; it, or another replica, may be asked again."""

    def __init__(self, why: str = "the service is stopping") -> None:
        super().__init__(why)


class WatchTooSlow(Exception):  # noqa: N818
    """A watcher does not read what happens as fast as it happens."""

    retry_after_seconds = 1.0

    def __init__(self) -> None:
        super().__init__("the watch is cut off: it reads more slowly than violations come and go; watch again")


class TooManyStreams(Exception):  # noqa: N818
    """As many audit streams are open as may be."""

    retry_after_seconds = 5.0

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} audit streams are open, as many as there may be (--audit-streams)")

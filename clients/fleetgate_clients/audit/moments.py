"""Points in time as people give them: ``24h``, ``7d``, ``2026-11-30``, RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import typer

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGE = re.compile(r"(\d{1,6})([smhdw])")


def moment_of(text: str, now: datetime) -> datetime:
    """Return the moment, in UTC, that an age or a date names. Raises typer.BadParameter."""
    if age := _AGE.fullmatch(text.strip()):
        return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither an age (30m, 24h, 7d) nor a date (2026-11-30)") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

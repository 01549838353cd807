"""Compare a case's violations with what its assertions say, in gator's words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .patterns import Pattern, PatternError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .model import Assertion


_NO_COUNT = 'invalid yaml: assertion.violation, if set, must be a nonnegative integer, "yes", or "no"'


def unmet(assertion: Assertion, messages: Sequence[str]) -> str:
    """Return why the violations with these messages do not satisfy ``assertion``; empty where they do."""
    try:
        pattern = Pattern(assertion.message) if assertion.message is not None else None
    except PatternError as error:
        return f"message contains invalid regular expression: {error}: {assertion.message!r}"
    count = sum(1 for message in messages if pattern is None or pattern.found_in(message))
    match assertion.violations:
        case "yes":
            met, want = count > 0, "at least 1"
        case "no":
            met, want = count == 0, "none"
        case int(number) if number >= 0:
            met, want = count == number, f"exactly {number}"
        case _:
            return f"{_NO_COUNT}: got messages [{' '.join(messages)}]"
    if met:
        return ""
    containing = f" containing {json.dumps(assertion.message)}" if assertion.message is not None else ""
    return (
        f"unexpected number of violations: got {count} violations{containing} but want {want}: "
        f"got messages [{' '.join(messages)}]"
    )

"""The Test Anything Protocol, version 14 (https://testanything.org/tap-version-14-specification.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .junit import flat_cases
from .reports import Outcome
from .terminal import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .reports import SuiteReport


def tap_text(suites: Sequence[SuiteReport]) -> str:
    """Return one test point per case, named ``path: test: case``."""
    lines: list[str] = []
    for suite in suites:
        for test, name, outcome, seconds, problem in flat_cases(suite):
            parts = [suite.path, *([test] if test else []), *([name] if name != suite.path else [])]
            result = "not ok" if outcome is Outcome.FAILED else "ok"
            skip = " # SKIP" if outcome is Outcome.SKIPPED else ""
            lines.append(f"{result} {len(lines) + 1} - {_description(': '.join(parts))}{skip}")
            block = [f"  duration_ms: {seconds * 1000:.3f}"]
            if problem:
                block += ["  message: |-", *(f"    {printable(line)}" for line in problem.splitlines())]
            lines[-1] += "\n" + "\n".join(["  ---", *block, "  ..."])
    return "\n".join(["TAP version 14", f"1..{len(lines)}", *lines]) + "\n"


def _description(text: str) -> str:
    return printable(text).replace("\\", "\\\\").replace("#", "\\#")

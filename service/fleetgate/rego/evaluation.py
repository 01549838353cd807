"""Evaluate a query and return its bindings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, Literal

from fleetgate.engine import evaluate_rego

from . import exact_json

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS: Final = 60.0


class _Absent:
    """No input at all, which is not null."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = _Absent()


def evaluate(
    query: str,
    modules: Mapping[str, str] | None = None,
    *,
    data: Mapping[str, Any] | None = None,
    input: Any = ABSENT,  # noqa: A002 (Rego's name)
    rego_version: Literal["v0", "v1"] = "v1",
    strict_builtin_errors: bool = False,
    timeout: float = TIMEOUT_SECONDS,
) -> list[dict[str, Any]]:
    """Return the answers of a query, each a dictionary of its variables' values; none where it is undefined.

    ``modules`` are texts by file name. ``data`` and ``input`` are what JSON can say; without ``input`` a reference to
    it is undefined. Values are plain Python: sets are sorted lists, keys of objects are strings, integers are ``int``,
    other numbers ``float``, or :class:`decimal.Decimal` where a double is not exactly the number; all are taken too.

    What ``print`` writes goes to standard error. ``timeout`` is in seconds.

    Raises :class:`~fleetgate.engine.RegoError` with OPA's code, message and location (None where there is none): for
    what does not parse or compile, for conflicts, for errors of built-ins where ``strict_builtin_errors`` says so, and
    ``eval_cancel_error`` when the time is up. Raises TypeError and ValueError for what JSON cannot say.
    """
    if rego_version not in {"v0", "v1"}:
        raise ValueError(f"rego_version is 'v0' or 'v1', not {rego_version!r}")
    documents = [] if data is None else [("data.json", (), exact_json.write(data).encode())]
    given = None if isinstance(input, _Absent) else ("input.json", exact_json.write(input).encode())
    answers = evaluate_rego(
        query,
        list((modules or {}).items()),
        data=documents,
        input=given,
        v0=rego_version == "v0",
        strict=strict_builtin_errors,
        timeout_seconds=timeout,
    )
    for line in answers.prints:
        print(line, file=sys.stderr)  # noqa: T201 (it is what the policy prints)
    return [answer["bindings"] for answer in exact_json.read(answers.json)]

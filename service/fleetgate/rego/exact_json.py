"""JSON whose numbers are not rounded."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

_DIGITS: Final = 400
"""Longer integers stay decimals: Python converts digits in quadratic time and refuses many."""

_LONG: Final = 10**_DIGITS

_INDENT: Final = "  "


class Number(str):
    """A number as it was written, to be written so again."""

    __slots__ = ()


def read(text: bytes) -> Any:
    """Read JSON into ``int``, ``float`` where a double is exactly the number, and ``Decimal``."""
    return json.loads(text, parse_int=_integer, parse_float=_fraction)


def read_as_written(text: bytes) -> Any:
    """Read JSON with numbers as :class:`Number`."""
    return json.loads(text, parse_int=Number, parse_float=Number)


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _DIGITS else Decimal(text)


def _fraction(text: str) -> int | float | Decimal:
    number = Decimal(text)
    if "." not in text and number.adjusted() < sys.float_info.dig and number == number.to_integral_value():
        return int(number)
    double = float(text)
    return double if Decimal(repr(double)) == number else number


def write(value: Any, *, indent: bool = False) -> str:
    """Write JSON: compact, or two spaces a level, in the way of Go's encoder, which escapes ``<``, ``>`` and ``&``.

    Raises TypeError for what JSON has no word for, ValueError for numbers that are not finite.
    """
    return "".join(_parts(value, "\n" if indent else ""))


def _parts(value: Any, line: str) -> Iterator[str]:
    match value:
        case Number():
            yield value
        case None | bool() | str():
            yield _scalar(value)
        case int():
            yield str(Decimal(value)) if abs(value) >= _LONG else int.__repr__(value)
        case float() if math.isfinite(value):
            yield float.__repr__(value)
        case Decimal() if value.is_finite():
            yield str(value)
        case float() | Decimal():
            raise ValueError(f"{value} is no number of JSON")
        case Mapping():
            yield from _object(value, line)
        case list() | tuple():
            yield from _array(value, line)
        case _:
            raise TypeError(f"{type(value).__name__} is no type of JSON")


def _scalar(value: str | bool | None) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        for character in "<>&\u2028\u2029":
            text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _object(value: Mapping[str, Any], line: str) -> Iterator[str]:
    inner = line and line + _INDENT
    colon = ": " if line else ":"
    for index, (key, item) in enumerate(value.items()):
        if not isinstance(key, str):
            raise TypeError(f"keys of JSON are text, not {type(key).__name__}")
        yield f"{',' if index else '{'}{inner}{_scalar(key)}{colon}"
        yield from _parts(item, inner)
    yield f"{line}}}" if value else "{}"


def _array(value: list[Any] | tuple[Any, ...], line: str) -> Iterator[str]:
    inner = line and line + _INDENT
    for index, item in enumerate(value):
        yield f"{',' if index else '['}{inner}"
        yield from _parts(item, inner)
    yield f"{line}]" if value else "[]"

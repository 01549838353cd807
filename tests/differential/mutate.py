"""Changes to JSON of the kind that bring a policy off its path: dropped, null, of another type, extreme, doubled."""

from __future__ import annotations

import json
from collections.abc import Iterable
from random import Random

from tests.differential.world import Json

NUMBERS: tuple[Json, ...] = (
    0, 1, -1, 2, 7, 80, 443, 1000, 999999, 1000000, 1000001, 20971520, 2147483648, 5000000000, 9007199254740991,
    9007199254740993, 12345678901234567, 9223372036854775807, 9223372036854775808, 18446744073709551616,
    100000000000000000000, 1e21, 1e300, 1.0, 1.5, 0.1, 0.0001, 0.00001, 1e2, 1e6, 1000000.5, -0.0, 123456789.125, 3e-7,
)  # fmt: skip
STRINGS = (
    "", " ", "a", "A", "0", "1", "-1", "true", "null", "*", "a*", "*/", "/", "prod", "default", "https://example.com/",
    "100m", "1", "0.5", "2Gi", "1Ki", "1e3", "100Mi", "1G", "-1Mi", "9999999999999999999Ti", "1.5Gi", "m",
    "é", "é", "日本", "\u200b", "\U0001f600", "ß", "İ", "\u2028", "a\nb", "a\tb", 'q"q', "back\\slash", "%d", "%v%s",
    "{}",     "\x00", "\x7f", "\u200btag:latest", "repo:latest", "repo@sha256:abc", "a" * 300, "runtime/default",
    "10.0.0.1", "1.2.3",
)  # fmt: skip
EMPTY = ("{}", "[]", '""', "null", "[{}]", '{"": ""}', "[null]", "[[]]")
"""As JSON text: a container that is inserted is changed afterwards."""


class Vocabulary:
    """Values seen below each key, so that a change can also be one that a policy's author thought of."""

    def __init__(self, objects: Iterable[Json]) -> None:
        self._values: dict[str, list[str]] = {}
        self._keys: dict[str, list[str]] = {}
        for item in objects:
            self._learn("", item)
        self._all = sorted(self._values)

    def _learn(self, parent: str, value: Json) -> None:
        if isinstance(value, dict):
            known = self._keys.setdefault(parent, [])
            for key, item in value.items():
                if key not in known:
                    known.append(key)
                values = self._values.setdefault(key, [])
                text = json.dumps(item)
                if text not in values:
                    values.append(text)
                self._learn(key, item)
        elif isinstance(value, list):
            for item in value:
                self._learn(parent, item)

    def value(self, rng: Random, key: str) -> Json:
        """Return a value that stood below a key somewhere, or below any key where nobody used this one."""
        texts = self._values.get(key) or self._values[rng.choice(self._all)]
        return json.loads(rng.choice(texts))

    def key(self, rng: Random, parent: str) -> str:
        """Return a key that stood in an object below ``parent``, or any."""
        return rng.choice(self._keys.get(parent) or self._all)


def mutated(rng: Random, text: str, vocabulary: Vocabulary, *, times: int) -> Json:
    """Return the JSON value in ``text``, changed so many times."""
    value = json.loads(text)
    for _ in range(times):
        value = _change(rng, value, "", vocabulary)
    return value


def _change(rng: Random, value: Json, key: str, vocabulary: Vocabulary) -> Json:
    """Change one place: descend at random, then change what is found there."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        chosen = rng.choice(list(value))
        if rng.random() < 0.12:
            del value[chosen]
        else:
            value[chosen] = _change(rng, value[chosen], chosen, vocabulary)
        return value
    if isinstance(value, list) and value and rng.random() < 0.8:
        index = rng.randrange(len(value))
        roll = rng.random()
        if roll < 0.1:
            del value[index]
        elif roll < 0.25:
            value.insert(index, _copy(value[index]))
        else:
            value[index] = _change(rng, value[index], key, vocabulary)
        return value
    return _replacement(rng, value, key, vocabulary)


def _replacement(rng: Random, value: Json, key: str, vocabulary: Vocabulary) -> Json:
    if isinstance(value, dict) and rng.random() < 0.5:
        added = vocabulary.key(rng, key)
        return {**value, added: vocabulary.value(rng, added)}
    if isinstance(value, str) and rng.random() < 0.35:
        return _other_text(rng, value)
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.35:
        # What is no number any more is no JSON.
        larger = value * 1000003 if abs(value) < 1e300 else value
        return rng.choice((value + 1, value - 1, -value, larger, value + 0.5, str(value)))
    make = rng.choices(
        (
            lambda: vocabulary.value(rng, key),
            lambda: json.loads(rng.choice(EMPTY)),
            lambda: rng.choice(NUMBERS),
            lambda: rng.choice(STRINGS),
            lambda: rng.choice((True, False, None)),
            lambda: rng.choice(
                ([value], {"name": value}, {key or "x": value}, [value, _copy(value)], str(value)[:200])
            ),
        ),
        (30, 12, 20, 18, 8, 12),
    )[0]
    return make()


def _copy(value: Json) -> Json:
    return json.loads(json.dumps(value))


def _other_text(rng: Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return rng.choice(
        (
            text[:at],
            text[at:],
            text.upper(),
            text.title(),
            f" {text}",
            f"{text}{rng.choice(STRINGS)}",
            f"{rng.choice(STRINGS)}{text}",
            text[:at] + rng.choice(STRINGS) + text[at:],
        )
    )

"""Changes to the Rego of templates: tokens and lines dropped, doubled, swapped and replaced."""

from __future__ import annotations

import re
from random import Random

_TOKEN = re.compile(
    r'"(?:[^"\\\n]|\\.)*"|`[^`]*`|#[^\n]*|[A-Za-z_][A-Za-z_0-9]*|\d+(?:\.\d+)?|:=|==|!=|<=|>=|\s+|.', re.DOTALL
)
_COMPARISONS = ("==", "!=", "<", ">", "<=", ">=", "=", ":=")
_WORDS = (
    "not",
    "some",
    "with",
    "as",
    "else",
    "default",
    "true",
    "false",
    "null",
    "input",
    "data",
    "_",
    "in",
    "every",
    "if",
    "contains",
    "import",
    "set()",
    "1",
    "0",
    "{}",
    "[]",
    '""',
)
_CALLS = (
    "count",
    "sum",
    "max",
    "min",
    "sort",
    "abs",
    "round",
    "to_number",
    "upper",
    "lower",
    "trim",
    "split",
    "concat",
    "startswith",
    "endswith",
    "contains",
    "sprintf",
    "json.marshal",
    "object.get",
    "is_string",
    "is_array",
    "any",
    "all",
    "type_name",
    "array.concat",
    "replace",
    "substring",
    "re_match",
    "regex.match",
    "walk",
    "set_diff",
    "cast_string",
    "glob.match",
    "units.parse",
    "numbers.range",
    "object.union",
    "json.unmarshal",
)


def mutated_rego(rng: Random, text: str, *, times: int) -> str:
    """Return the module, changed so many times."""
    for _ in range(times):
        text = _lines(rng, text) if rng.random() < 0.2 else _tokens(rng, text)
    return text


def _lines(rng: Random, text: str) -> str:
    lines = text.split("\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(3):
        case 0:
            del lines[one]
        case 1:
            lines.insert(other, lines[one])
        case _:
            lines[one], lines[other] = lines[other], lines[one]
    return "\n".join(lines)


def _tokens(rng: Random, text: str) -> str:
    tokens = _TOKEN.findall(text)
    places = [index for index, token in enumerate(tokens) if not token.isspace() and not token.startswith("#")]
    if not places:
        return text
    at, other = rng.choice(places), rng.choice(places)
    token = tokens[at]
    if token in _COMPARISONS and rng.random() < 0.7:
        tokens[at] = rng.choice(_COMPARISONS)
    elif at + 1 < len(tokens) and tokens[at + 1] == "(" and rng.random() < 0.6:
        tokens[at] = rng.choice(_CALLS)
    else:
        match rng.randrange(6):
            case 0:
                tokens[at] = ""
            case 1:
                tokens[at] = f"{token} {token}"
            case 2:
                tokens[at], tokens[other] = tokens[other], token
            case 3:
                tokens[at] = tokens[other]
            case 4:
                tokens[at] = f"{rng.choice(_WORDS)} {token}"
            case _:
                tokens[at] = rng.choice(_WORDS)
    return "".join(tokens)

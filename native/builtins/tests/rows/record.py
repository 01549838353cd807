"""Asks OPA again for the answers of the rows in this folder.

Usage: record.py ORACLE FILE…, where ORACLE is the program of tests/oracle/opa. A row is a call, {"name": …, "args": […]},
with its answer: "result", or "undefined": true, or "error". Add a call without an answer and run this to have it answered.
"""

import json
import subprocess
import sys
from pathlib import Path


class Number(float):
    """A number that keeps its text."""

    text: str

    def __new__(cls, text: str) -> "Number":
        number = super().__new__(cls, 0.0)
        number.text = text
        return number

    def __repr__(self) -> str:
        return self.text


def number(text: str) -> Number:
    return Number(text)


def dumps(value: object) -> str:
    if isinstance(value, Number):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{dumps(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dumps, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def loads(text: str) -> dict[str, object]:
    row: dict[str, object] = json.loads(text, parse_float=number, parse_int=number)
    return row


def main(oracle: str, files: list[str]) -> None:
    for file in map(Path, files):
        rows = [loads(line) for line in file.read_text("utf-8").splitlines() if line]
        calls = "".join(dumps({"op": "call", "name": row["name"], "args": row["args"]}) + "\n" for row in rows)
        done = subprocess.run([oracle], input=calls.encode(), stdout=subprocess.PIPE, check=True)
        answers = [loads(line) for line in done.stdout.decode().splitlines()]
        lines = []
        for row, answer in zip(rows, answers, strict=True):
            if "failure" in answer:
                raise SystemExit(f"{file}: {row}: {answer['failure']}")
            lines.append(dumps({"name": row["name"], "args": row["args"], **answer}) + "\n")
        file.write_text("".join(lines), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

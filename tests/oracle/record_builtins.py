"""Ask OPA for the answers to calls of built-ins, and write them into the files of calls.

A file holds one call a line, ``{"name": …, "args": […]}``; what else stands in a line is replaced by OPA's answer:
``result`` (a Rego term), ``error`` (code and message), ``printed`` (lines), or nothing where the call is undefined.

usage: record_builtins.py ORACLE FILE…    where ORACLE is the program built from tests/oracle/opa
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ARGS = '"args": '


def call(line: str) -> tuple[str, str]:
    """Name and operands of a line, the operands as they are written: a number's text counts."""
    start = line.index(ARGS) + len(ARGS)
    _, end = json.JSONDecoder().raw_decode(line, start)
    return json.loads(line)["name"], line[start:end]


def record(oracle: str, path: Path) -> int:
    """Fill in the answers of one file; the number of calls."""
    calls = [call(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    questions = "".join(f'{{"op": "call", "name": {json.dumps(name)}, "args": {args}}}\n' for name, args in calls)
    done = subprocess.run([oracle], input=questions, capture_output=True, check=True, encoding="utf-8")
    lines = []
    for (name, args), text in zip(calls, done.stdout.splitlines(), strict=True):
        answer: dict[str, Any] = json.loads(text)
        if "failure" in answer:
            raise SystemExit(f"{path}: {name}({args}): {answer['failure']}")
        if "error" in answer:
            answer["error"] = {key: answer["error"][0][key] for key in ("code", "message")}
        rest = "".join(f", {json.dumps(key)}: {json.dumps(value)}" for key, value in sorted(answer.items()))
        lines.append(f'{{"name": {json.dumps(name)}, {ARGS}{args}{rest}}}\n')
    path.write_text("".join(lines), encoding="utf-8")
    return len(lines)


def main() -> None:
    """Record every file named."""
    oracle, *files = sys.argv[1:]
    for file in files:
        print(f"{file}: {record(oracle, Path(file))} calls")


if __name__ == "__main__":
    main()

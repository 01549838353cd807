"""`fleetgate eval` as a user runs it. What is expected is what OPA 1.22 prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FLEETGATE = Path(sys.executable).with_name("fleetgate")

POLICY = """\
package policy

deny contains message if {
    some name in input.names
    not name in data.allowed
    message := sprintf("%s is not allowed", [name])
}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "policy.rego").write_text(POLICY)
    (tmp_path / "input.json").write_text('{"names": ["a", "b", "c"]}')
    (tmp_path / "allowed.yaml").write_text("allowed: [a, yes]\n")
    (tmp_path / "tree" / "inner").mkdir(parents=True)
    (tmp_path / "tree" / "top.json").write_text('{"top": 1}')
    (tmp_path / "tree" / "inner" / "x.yaml").write_text("deep: 2\n")
    (tmp_path / "tree" / "README").write_text("neither\n")
    return tmp_path


def evaluate(*arguments: str, cwd: Path | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FLEETGATE, "eval", *arguments], capture_output=True, text=True, timeout=100, check=False, cwd=cwd, input=stdin
    )


def test_json_has_the_shape_of_opa() -> None:
    done = evaluate("x := 1; x + 1 > 1")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "result": [
            {
                "expressions": [
                    {"value": True, "text": "x := 1", "location": {"row": 1, "col": 1}},
                    {"value": True, "text": "x + 1 > 1", "location": {"row": 1, "col": 9}},
                ],
                "bindings": {"x": 1},
            }
        ]
    }
    assert evaluate("input.x").stdout == "{}\n"
    (answer,) = json.loads(evaluate("false").stdout)["result"]
    assert "bindings" not in answer
    assert answer["expressions"][0]["value"] is False


def test_policy_data_and_input_of_files(files: Path) -> None:
    done = evaluate("-d", "policy.rego", "-d", "allowed.yaml", "-i", "input.json", "-f", "values",
                    "data.policy.deny", cwd=files)  # fmt: skip
    assert json.loads(done.stdout) == [["b is not allowed", "c is not allowed"]]


def test_directories_and_places_of_data(files: Path) -> None:
    done = evaluate("-d", "tree", "-d", "a.b:tree/top.json", "-f", "raw", "data", cwd=files)
    assert done.stdout == '{"a":{"b":{"top":1}},"inner":{"deep":2},"top":1}\n'


def test_input_and_query_from_standard_input() -> None:
    assert evaluate("-I", "-f", "raw", "input.a", stdin='{"a": "text"}').stdout == "text\n"
    assert evaluate("-I", "-f", "raw", "input.a", stdin="a: 7\n").stdout == "7\n"
    assert evaluate("--stdin", "-f", "raw", stdin="1 + 1").stdout == "2\n"


def test_numbers_are_printed_as_they_are() -> None:
    numbers = "[1.0,1e6,12345678901234567890,0.10000000000000000001]"
    assert evaluate("-I", "-f", "raw", "input", stdin=numbers).stdout == f"{numbers}\n"


def test_formats() -> None:
    query = 'x = ["a<b", 2][_]; y := {x}'
    assert evaluate("-f", "bindings", query).stdout == (
        '{\n  "x": "a\\u003cb",\n  "y": [\n    "a\\u003cb"\n  ]\n}\n{\n  "x": 2,\n  "y": [\n    2\n  ]\n}\n'
    )
    assert evaluate("-f", "discard", query).stdout == '{\n  "result": "discarded"\n}\n'
    assert evaluate("-f", "values", "1; [2]").stdout == "[\n  1,\n  [\n    2\n  ]\n]\n"
    assert evaluate("-f", "raw", '1; "x"; {"k": "<"}').stdout == '1 x {"k":"\\u003c"}\n'


def test_pretty_is_a_table_a_value_or_undefined() -> None:
    assert evaluate("-f", "pretty", 'x = [1, 2][_]; longer := "abc"; x * 2').stdout == (
        "┌───────┬────────┬───┐\n"
        "│ x * 2 │ longer │ x │\n"
        "├───────┼────────┼───┤\n"
        '│ 2     │ "abc"  │ 1 │\n'
        '│ 4     │ "abc"  │ 2 │\n'
        "└───────┴────────┴───┘\n"
    )
    assert evaluate("-f", "pretty", '{"a": 1}').stdout == '{\n  "a": 1\n}\n'
    assert evaluate("-f", "pretty", "input.x").stdout == "undefined\n"


def test_errors_as_json_and_as_text(files: Path) -> None:
    (files / "conflict.rego").write_text("package c\np := 1\np := 2\n")
    done = evaluate("-d", "conflict.rego", "data.c.p", cwd=files)
    assert done.returncode == 2
    assert json.loads(done.stdout) == {
        "errors": [
            {
                "message": "rule data.c.p produced conflicting values",
                "code": "eval_conflict_error",
                "location": {"file": "conflict.rego", "row": 3, "col": 1},
            }
        ]
    }
    done = evaluate("-f", "pretty", "foo(1)")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "1 error occurred: 1:1: rego_type_error: undefined function foo\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-d", "missing.rego", "1"], "stat missing.rego: no such file or directory"),
        (["-d", "broken.json", "1"], "broken.json: unexpected end of JSON at byte 2"),
        (["-d", "list.yaml", "1"], "list.yaml: document must be of type object"),
        (["-d", "tree/top.json", "-d", "other.json", "1"], "other.json: merge error: conflicting values at data.top"),
    ],
)
def test_what_cannot_be_loaded(files: Path, arguments: list[str], message: str) -> None:
    (files / "broken.json").write_text("[1")
    (files / "list.yaml").write_text("- 1\n")
    (files / "other.json").write_text('{"top": 3}')
    done = evaluate(*arguments, cwd=files)
    assert done.returncode == 2
    assert json.loads(done.stdout) == {"errors": [{"message": message}]}


def test_rules_where_data_is_are_refused(files: Path) -> None:
    (files / "rule.rego").write_text("package tree\ntop := 2\n")
    done = evaluate("-d", "rule.rego", "-d", "tree:tree", "data.tree", cwd=files)
    (error,) = json.loads(done.stdout)["errors"]
    assert error["message"] == "conflicting rule for data path tree/top found"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["1"], 0),
        (["input.x"], 0),
        (["--fail", "1"], 0),
        (["--fail", "input.x"], 1),
        (["--fail-defined", "1"], 1),
        (["--fail-defined", "input.x"], 0),
        (["--fail", "foo(1)"], 2),
        (["--fail", "--fail-defined", "1"], 2),
        (["--stdin", "1"], 2),
        ([], 2),
        (["-i", "missing.json", "1"], 2),
        (["--timeout", "soon", "1"], 2),
        (["-f", "nothing", "1"], 2),
    ],
)
def test_exit_codes(arguments: list[str], code: int) -> None:
    assert evaluate(*arguments).returncode == code


def test_package_import_version_and_strictness(files: Path) -> None:
    (files / "old.rego").write_text("package old.rules\np[x] { x := 1 }\n")
    shared = ("-d", "old.rego", "-f", "raw", "--v0-compatible")
    assert evaluate(*shared, "--package", "old.rules", "p", cwd=files).stdout == "[1]\n"
    assert evaluate(*shared, "--import", "data.old.rules as r", "r.p", cwd=files).stdout == "[1]\n"
    assert evaluate("-d", "old.rego", "1", cwd=files).returncode == 2
    assert evaluate('to_number("a")').stdout == "{}\n"
    done = evaluate("--strict-builtin-errors", 'to_number("a")')
    assert json.loads(done.stdout)["errors"][0]["code"] == "eval_builtin_error"


def test_what_is_printed_goes_to_standard_error() -> None:
    done = evaluate("-f", "raw", 'print("seen", input.x); 1')
    assert (done.stdout, done.stderr) == ("true 1\n", "seen <undefined>\n")


def test_the_time_is_limited() -> None:
    done = evaluate("--timeout", "50ms", "count([1 | numbers.range(1, 3000)[_]; numbers.range(1, 3000)[_]])")
    assert done.returncode == 2
    assert json.loads(done.stdout)["errors"][0]["code"] == "eval_cancel_error"

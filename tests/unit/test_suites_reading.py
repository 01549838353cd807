"""Suite files: found, parsed with gator's scalars, refused with a place."""

from __future__ import annotations

from pathlib import Path

import pytest
from fleetgate.suites.discovery import PathError, candidate_files
from fleetgate.suites.model import Assertion, Case
from fleetgate.suites.reading import SuiteError, read_suite

HEAD = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\n"


def write(directory: Path, text: str) -> Path:
    path = directory / "suite.yaml"
    path.write_text(text)
    return path


def case_of(directory: Path, case: str) -> Case:
    text = f"{HEAD}tests:\n- name: t\n  template: t.yaml\n  constraint: c.yaml\n  cases:\n  - {case}\n"
    suite = read_suite(write(directory, text), "suite.yaml")
    assert suite is not None
    return suite.tests[0].cases[0]


def test_every_field(tmp_path: Path) -> None:
    suite = read_suite(
        write(
            tmp_path,
            HEAD
            + """\
metadata: {name: ignored}
skip: false
tests:
- name: first
  template: a/template.yaml
  constraint: a/constraint.yaml
  expansion: a/expansion.yaml
  unknown: {is: [ignored]}
  cases:
  - name: one
    object: a/object.yaml
    inventory: [a/x.yaml, a/y.yaml]
    assertions:
    - violations: 3
    - message: "^m$"
    skip: true
- name: second
  template: b.yaml
  constraint: c.yaml
  invalid: true
  skip: True
""",
        ),
        "shown/suite.yaml",
    )
    assert suite is not None
    first, second = suite.tests
    assert (suite.shown, suite.skip) == ("shown/suite.yaml", False)
    assert (first.name, first.template, first.constraint) == ("first", "a/template.yaml", "a/constraint.yaml")
    assert first.expansion == "a/expansion.yaml"
    assert first.cases == (
        Case("one", "a/object.yaml", ("a/x.yaml", "a/y.yaml"), (), (Assertion(3), Assertion("yes", "^m$")), skip=True),
    )
    assert (second.invalid, second.skip, second.cases) == (True, True, ())


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("yes", "yes"),
        ("no", "no"),
        ('"yes"', "yes"),
        ("0", 0),
        ("12", 12),
        ("null", "yes"),
        ("~", "yes"),
        ("", "yes"),
        ("-1", -1),
        ("maybe", "maybe"),
        ("Yes", "Yes"),
        ("on", "on"),
        ('"3"', "3"),
    ],
)
def test_violations_are_strings_where_yaml_1_1_sees_booleans(tmp_path: Path, written: str, read: int | str) -> None:
    case = case_of(tmp_path, f"{{name: c, object: o.yaml, assertions: [{{violations: {written}}}]}}")
    assert case.assertions == (Assertion(read),)


@pytest.mark.parametrize("written", ["true", "False", "1.5", "[1]", "{}", "0x10", "2147483648"])
def test_other_violations_are_refused_with_their_place(tmp_path: Path, written: str) -> None:
    with pytest.raises(SuiteError) as refused:
        case_of(tmp_path, f"{{name: c, object: o.yaml, assertions: [{{violations: {written}}}]}}")
    assert str(refused.value) == (
        'suite.yaml:8:57: tests[0].cases[0].assertions[0].violations: must be "yes", "no" or a nonnegative integer'
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("skip: yes\n", "suite.yaml:3:7: skip: must be true or false"),
        ("tests: {}\n", "suite.yaml:3:8: tests: must be a list"),
        ("tests: [x]\n", "suite.yaml:3:9: tests[0]: must be a mapping"),
        ("tests: [{name: [x]}]\n", "suite.yaml:3:16: tests[0].name: must be a string"),
        ("tests: [{name: 1}]\n", "suite.yaml:3:16: tests[0].name: must be a string"),
    ],
)
def test_wrong_types_are_refused_with_their_place(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SuiteError) as refused:
        read_suite(write(tmp_path, HEAD + text), "suite.yaml")
    assert str(refused.value) == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"tests: [\n", "suite.yaml:4:1: invalid YAML: did not find expected node content"),
        (b"\xff\xfe\x00", "suite.yaml: invalid YAML: "),
    ],
)
def test_yaml_errors_name_the_place(tmp_path: Path, text: bytes, problem: str) -> None:
    path = tmp_path / "suite.yaml"
    path.write_bytes(HEAD.encode() + text)
    with pytest.raises(SuiteError) as refused:
        read_suite(path, "suite.yaml")
    assert str(refused.value).startswith(problem)


@pytest.mark.parametrize(
    "text",
    ["", "kind: Pod\n", "- test.gatekeeper.sh\n", "# test.gatekeeper.sh/Suite\nkind: Suite\napiVersion: v1\n"],
)
def test_other_files_are_no_suites(tmp_path: Path, text: str) -> None:
    assert read_suite(write(tmp_path, text), "suite.yaml") is None


def test_deep_nesting_is_refused_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"suite\.yaml:3: invalid YAML: nested too deeply"):
        read_suite(write(tmp_path, HEAD + "tests: " + "[" * 100_000), "suite.yaml")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b/suite.yaml", "a/suite.yml", "top.yaml", "a/notes.txt", "a/deep/suite.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("kind: Suite\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_directory_is_not_recursive(tree: Path) -> None:
    assert [shown for _, shown in candidate_files(".")] == ["top.yaml"]
    assert [shown for _, shown in candidate_files("a")] == ["a/suite.yml"]


def test_three_dots_are_the_tree_sorted_by_path(tree: Path) -> None:
    assert [shown for _, shown in candidate_files("./...")] == [
        "a/deep/suite.yaml",
        "a/suite.yml",
        "b/suite.yaml",
        "top.yaml",
    ]
    assert [shown for _, shown in candidate_files(f"{tree}/a/...")] == [
        f"{tree}/a/deep/suite.yaml",
        f"{tree}/a/suite.yml",
    ]


def test_a_file_is_itself(tree: Path) -> None:
    assert candidate_files("a/suite.yml") == [(Path("a/suite.yml"), "a/suite.yml")]


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ("gone", "gone: no such file or directory"),
        ("gone/...", "gone: no such file or directory"),
        ("top.yaml/...", "top.yaml: not a directory"),
        ("a/notes.txt", r"a/notes\.txt: a suite's file ends in \.yaml or \.yml"),
    ],
)
def test_other_paths_are_refused(tree: Path, argument: str, problem: str) -> None:
    with pytest.raises(PathError, match=f"^{problem}"):
        candidate_files(argument)

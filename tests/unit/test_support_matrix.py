"""The support matrix is true to the tests, and the page to the matrix."""

from __future__ import annotations

import pytest

from tests import matrix

ROW = """
- title: T
  rows:
    - {{feature: F, state: {state}, tests: [{tests}]}}
"""


def test_the_page_is_generated_from_the_source() -> None:
    assert matrix.PAGE.read_text() == matrix.page(matrix.load(matrix.SOURCE.read_text())), "run `make matrix`"


def test_every_state_occurs() -> None:
    rows = [row for section in matrix.load(matrix.SOURCE.read_text()) for row in section.rows]
    assert {row.state for row in rows} == set(matrix.STATES)


@pytest.mark.parametrize(
    "test",
    [
        "tests/unit/test_support_matrix.py::test_every_state_occurs",
        "native/core/src/compatibility.rs::each_switch_turns_alone_and_back",
    ],
)
def test_tests_are_found(test: str) -> None:
    assert matrix.exists(test)


@pytest.mark.parametrize(
    "test",
    [
        "tests/unit/test_support_matrix.py::test_no_such_test",
        "tests/unit/test_support_matrix.py::ROW",
        "tests/unit/no_such_file.py::test_every_state_occurs",
        "native/core/src/compatibility.rs::choose",
        "tests/unit",
    ],
)
def test_what_is_no_test_is_not_found(test: str) -> None:
    assert not matrix.exists(test)


@pytest.mark.parametrize(
    ("state", "tests", "problem"),
    [
        ("equal", "tests/unit/test_support_matrix.py::test_gone", "there is no test"),
        ("equal", "", "no test shows it"),
        ("perhaps", "", "no state 'perhaps'"),
        ("not yet", "", "compatibility.numbers: no row"),
    ],
)
def test_a_wrong_source_is_refused(state: str, tests: str, problem: str) -> None:
    with pytest.raises(matrix.MatrixError, match=problem):
        matrix.page(matrix.load(ROW.format(state=state, tests=tests)))

"""``--run``: which tests and cases to run, as gator's filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .patterns import Pattern, PatternError

if TYPE_CHECKING:
    from .model import Case, Test


class SelectionError(Exception):
    """A ``--run`` value that is no filter."""


class Selection:
    """``TEST//CASE`` wants both to match; one expression without ``//`` wants either. Empty takes everything."""

    def __init__(self, run: str = "") -> None:
        parts = run.split("//") if run else []
        if len(parts) > 2:
            raise SelectionError('a filter has at most one "//"')
        try:
            self._patterns = [Pattern(part) for part in parts]
        except PatternError as error:
            raise SelectionError(f"{run!r} is no RE2 regular expression: {error}") from error

    def takes_test(self, test: Test) -> bool:
        """Say whether to run ``test`` at all."""
        match self._patterns:
            case [either]:
                return either.found_in(test.name) or any(either.found_in(case.name) for case in test.cases)
            case [of_test, _]:
                return of_test.found_in(test.name)
        return True

    def takes_case(self, test: Test, case: Case) -> bool:
        """Say whether to run ``case`` of ``test``."""
        match self._patterns:
            case [either]:
                return either.found_in(case.name) or either.found_in(test.name)
            case [of_test, of_case]:
                return of_test.found_in(test.name) and of_case.found_in(case.name)
        return True

"""OPA's own language cases: read from its Go module, run through an evaluator, judged as OPA's own test judges them."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Protocol

from tests.differential.oracle import BUILD, Oracle
from tests.differential.world import Json

LATER = ("graphql", "jwt", "cryptox509", "cryptoparsersa", "providers-aws", "regoparsemodule", "rendertemplate",
         "netlookupipaddr")  # fmt: skip
"""Families that are left for later: folders whose names begin so."""


class EvaluationError(Exception):
    """What an evaluator raises: OPA's code, its message, and the module and row where there is a place."""

    def __init__(self, code: str, message: str, file: str = "", row: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.place = f"{file}:{row}: " if file else ""

    @property
    def text(self) -> str:
        """The error as OPA prints it."""
        return f"{self.place}{self.code}: {self.message}"


class Refused(Exception):  # noqa: N818 (not an error: an answer)
    """An evaluator says that it does not do this, and why."""


class Evaluate(Protocol):
    """An evaluator of Rego. Returns bindings; raises EvaluationError and Refused."""

    def __call__(
        self,
        query: str,
        modules: dict[str, str],
        *,
        data: Json,
        input: Json,  # noqa: A002 (the name of OPA)
        rego_version: str,
        strict_builtin_errors: bool,
    ) -> list[dict[str, Json]]:
        """Evaluate ``query``. ``input`` is :data:`ABSENT` where there is none."""
        ...


ABSENT = object()
"""No input at all, which is not null."""


class Verdict(StrEnum):
    """What an evaluator made of a case."""

    RIGHT = "right"
    REFUSED = "refused"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Case:
    """One case. ``fields`` are those of OPA's files."""

    version: str
    """``v0`` or ``v1``."""
    file: str
    """Below the version's folder."""
    fields: dict[str, Json]

    @property
    def folder(self) -> str:
        """The family."""
        return self.file.rpartition("/")[0].partition("/")[0]

    @property
    def later(self) -> bool:
        """Whether its family is left for later."""
        return self.folder.startswith(LATER)

    @property
    def title(self) -> str:
        """Name it."""
        return f"{self.version}/{self.file}: {self.fields['note']}"


@dataclass(frozen=True, slots=True)
class Judged:
    """A case, what became of it, and why."""

    case: Case
    verdict: Verdict
    reason: str = ""


@dataclass
class Report:
    """What became of many cases."""

    judged: list[Judged] = field(default_factory=list)

    def of(self, verdict: Verdict, *, later: bool | None = None) -> list[Judged]:
        """Return the cases with a verdict, of the families left for later, of the others, or of both."""
        return [one for one in self.judged if one.verdict is verdict and later in {None, one.case.later}]

    def by_folder(self) -> dict[str, Counter[str]]:
        """Count verdicts per family."""
        folders: dict[str, Counter[str]] = {}
        for one in self.judged:
            folders.setdefault(one.case.folder, Counter())[one.verdict.value] += 1
        return dict(sorted(folders.items()))

    def lines(self) -> list[str]:
        """Return a table of the families that are not right throughout, and the totals."""
        rows = [
            f"{folder:34} {counts['right']:5} right {counts['refused']:5} refused {counts['wrong']:5} wrong"
            for folder, counts in self.by_folder().items()
            if counts["refused"] or counts["wrong"]
        ]
        total = Counter(one.verdict.value for one in self.judged)
        return [*rows, f"{'all':34} {total['right']:5} right {total['refused']:5} refused {total['wrong']:5} wrong"]


def directory() -> Path:
    """Return where OPA's Go module keeps its cases."""
    module = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", "github.com/open-policy-agent/opa"],
        cwd=BUILD.parent / "opa",
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return Path(module.stdout.strip(), "v1", "test", "cases", "testdata")


def cases(oracle: Oracle, testdata: Path) -> list[Case]:
    """Read every case."""
    found = []
    for version in ("v0", "v1"):
        answer = oracle.ask({"op": "cases", "dir": str(testdata / version)})
        found += [
            Case(version, item["file"], {key: value for key, value in item.items() if key != "file"})
            for item in answer["cases"]
        ]
    return found


def judge(evaluate: Evaluate, cases: Iterable[Case]) -> Report:
    """Run cases. An exception that an evaluator may not raise is a wrong answer."""
    return Report([_judged(evaluate, case) for case in cases])


def _judged(evaluate: Evaluate, case: Case) -> Judged:
    fields = case.fields
    query = fields["query"]
    given = fields.get("input", ABSENT)
    if "input_term" in fields:
        # A term can be what JSON cannot say, such as a set.
        query, given = f"{query} with input as {fields['input_term']}", ABSENT
    try:
        bindings = evaluate(
            query,
            {f"test-{index}.rego": text for index, text in enumerate(fields.get("modules", ()))},
            data=fields.get("data", {}),
            input=given,
            rego_version=case.version,
            strict_builtin_errors=fields.get("strict_error", False),
        )
    except Refused as refused:
        return Judged(case, Verdict.REFUSED, str(refused))
    except EvaluationError as error:
        return _judged_error(case, error)
    except Exception as error:  # noqa: BLE001 (whatever else it is, it is wrong)
        return Judged(case, Verdict.WRONG, f"{type(error).__name__}: {error}")
    return _judged_bindings(case, bindings)


def _judged_error(case: Case, error: EvaluationError) -> Judged:
    wanted_code, wanted_text = case.fields.get("want_error_code"), case.fields.get("want_error")
    if wanted_code is None and wanted_text is None:
        return Judged(case, Verdict.WRONG, f"unexpected error: {error.text}")
    if wanted_text is not None and wanted_text not in error.text:
        return Judged(case, Verdict.WRONG, f"expected {wanted_text!r}, got {error.text!r}")
    if wanted_code is not None and wanted_code != error.code:
        return Judged(case, Verdict.WRONG, f"expected code {wanted_code}, got {error.code}: {error.message}")
    return Judged(case, Verdict.RIGHT)


def _judged_bindings(case: Case, bindings: list[dict[str, Json]]) -> Judged:
    fields = case.fields
    if "want_error" in fields or "want_error_code" in fields:
        wanted = fields.get("want_error", fields.get("want_error_code"))
        return Judged(case, Verdict.WRONG, f"expected the error {wanted!r}, got {_shown(bindings)}")
    if "want_result" not in fields:
        defined = bool(bindings)
        right = fields.get("want_defined", defined) == defined
        return Judged(case, Verdict.RIGHT if right else Verdict.WRONG, "" if right else f"defined: {defined}")
    kept = [_kept(case, row) for row in bindings]
    if {_canonical(row) for row in fields["want_result"]} == {_canonical(row) for row in kept}:
        return Judged(case, Verdict.RIGHT)
    return Judged(case, Verdict.WRONG, f"expected {_shown(fields['want_result'])}, got {_shown(kept)}")


def _kept(case: Case, row: dict[str, Json]) -> dict[str, Json]:
    if case.fields.get("ignore_generated_vars"):
        row = {name: value for name, value in row.items() if not name.startswith("__localq")}
    if case.fields.get("sort_bindings"):
        return {name: sorted(value, key=order) for name, value in row.items()}
    return row


def _shown(value: Json) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) < 400 else f"{text[:400]}…"


def order(value: Json) -> tuple[Json, ...]:
    """Return a key that sorts JSON as OPA does: null, booleans, numbers, strings, arrays, objects."""
    match value:
        case None:
            return (0,)
        case bool():
            return (1, value)
        case int() | float() | Decimal():
            return (2, Decimal(str(value)))
        case str():
            return (3, value.encode())
        case list():
            return (4, tuple(order(item) for item in value))
        case _:
            pairs = sorted((order(key), order(item)) for key, item in value.items())
            return (5, tuple(key for key, _ in pairs), tuple(pairs))


def _canonical(value: Json) -> Json:
    """Return something hashable that is equal for equal JSON: numbers by their value, true unlike 1."""
    return order(value)


class OracleEvaluator:
    """OPA itself, which must be right throughout: it proves the reader and the judge."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle

    def __call__(
        self,
        query: str,
        modules: dict[str, str],
        *,
        data: Json,
        input: Json,  # noqa: A002 (the name of OPA)
        rego_version: str,
        strict_builtin_errors: bool,
    ) -> list[dict[str, Json]]:
        """Evaluate by OPA."""
        request = {"op": "eval", "modules": list(modules.values()), "query": query, "data": data,
                   "version": rego_version, "strict": strict_builtin_errors}  # fmt: skip
        if input is not ABSENT:
            request["input"] = input
        answer = self._oracle.ask(request)
        if "errors" in answer:
            first = answer["errors"][0]
            raise EvaluationError(first["code"], first["message"], next(iter(modules), ""), first.get("row", 0))
        result: list[dict[str, Json]] = answer["result"]
        return result


class FleetgateEvaluator:
    """``fleetgate.rego`` as an evaluator."""

    REFUSAL = "rego_unsupported_error"
    """The code of what fleetgate does not do and says so; the message is the reason."""

    def __init__(self, module: ModuleType) -> None:
        self._rego = module

    def __call__(
        self,
        query: str,
        modules: dict[str, str],
        *,
        data: Json,
        input: Json,  # noqa: A002 (the name of OPA)
        rego_version: str,
        strict_builtin_errors: bool,
    ) -> list[dict[str, Json]]:
        """Evaluate by fleetgate."""
        given = {} if input is ABSENT else {"input": input}
        try:
            bindings: list[dict[str, Json]] = self._rego.evaluate(
                query,
                modules,
                data=data,
                rego_version=rego_version,
                strict_builtin_errors=strict_builtin_errors,
                **given,
            )
        except self._rego.RegoError as error:
            if error.code == self.REFUSAL:
                raise Refused(error.message) from error
            # A location is OPA's: file, row, col; there may be none.
            place = error.location
            raise EvaluationError(
                error.code, error.message, getattr(place, "file", ""), getattr(place, "row", 0)
            ) from error
        return bindings

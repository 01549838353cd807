"""gatekeeper-library under the linter: every finding there is one that its authors would accept.

Where the data are looked for is said in ``test_gatekeeper_library``.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fleetgate.engine import lint_files

DEFAULT = Path(__file__).parents[3] / "shared" / "conformance"
REFUSALS = "FG0"

EXPECTED = {"horizontalpodautoscaler": {"FG211"}, "requiredannotations": {"FG209"}}
"""Template → codes of warnings and errors beside refusals: a message that prints six values and is given five, and a
parameter ``message`` that nothing reads."""


@pytest.fixture(scope="module")
def library() -> Path:
    path = Path(os.environ.get("FLEETGATE_CONFORMANCE") or DEFAULT, "gatekeeper-library")
    if path.is_dir():
        return path
    missing = f"conformance data are absent: {path} (FLEETGATE_CONFORMANCE)"
    if os.environ.get("FLEETGATE_CONFORMANCE_REQUIRED") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


def test_the_library_has_the_findings_that_it_deserves(library: Path) -> None:
    found: dict[str, set[str]] = {}
    runs = 0
    for template in sorted(library.glob("*/*/template.yaml")):
        for constraint in sorted(template.parent.glob("samples/*/constraint*.yaml")):
            report = lint_files([(str(path), path.read_bytes()) for path in (template, constraint)])
            assert (report.templates, report.constraints) == (1, 1)
            codes = {one.code for one in report.findings if not one.code.startswith(REFUSALS)}
            found.setdefault(template.parent.name, set()).update(codes - {"FG113", "FG213"})
            runs += 1
    assert len(found) == 33
    assert runs == 43
    assert {name: codes for name, codes in found.items() if codes} == EXPECTED

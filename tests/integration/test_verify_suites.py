"""`fleetgate verify` as a user runs it, held against what gator answered (tests/data/gator)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

FLEETGATE = Path(sys.executable).with_name("fleetgate")
ROOT = Path(__file__).parents[2]
GATOR = ROOT / "tests" / "data" / "gator"
STRUCTURE = re.compile(r"\s*(=== |--- |ok\t|FAIL|PASS|unexpected number of violations)")


def verify(*arguments: str, cwd: Path = GATOR) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FLEETGATE, "verify", *arguments], capture_output=True, text=True, timeout=100, check=False, cwd=cwd
    )


def without_times(text: str) -> list[str]:
    return [re.sub(r"\t\(?\d+\.\d{3}s\)?$", "", line) for line in text.splitlines() if line]


def structure(lines: list[str]) -> list[str]:
    """Keep verdicts and counts; how an error is worded is each tool's own."""
    return [line for line in lines if STRUCTURE.match(line)]


def test_verdicts_are_gators_case_by_case() -> None:
    done = verify("suites/...", "-v")
    assert structure(without_times(done.stdout)) == structure((GATOR / "verify.txt").read_text().splitlines())
    assert done.returncode == 1
    assert done.stderr == ""


def test_numbers_are_those_of_gatekeeper() -> None:
    # gator passes this suite: numbers of a review are doubles there, with their text.
    assert verify("numbers").returncode == 0


def test_a_binding_that_is_undefined_ends_its_body() -> None:
    assert verify("undefined").returncode == 0  # gator passes this suite


def test_the_policy_library_passes() -> None:
    done = verify("policies/...", cwd=ROOT)
    assert without_times(done.stdout) == [
        "ok\tpolicies/allowed-registries/suite.yaml",
        *(
            f"ok\tpolicies/fleet/{name}/suite.yaml"
            for name in (
                "accelerators",
                "consistent-global-services",
                "external-names",
                "no-drift",
                "required-objects",
                "unique-host",
            )
        ),
        "ok\tpolicies/no-public-load-balancer/suite.yaml",
        "ok\tpolicies/required-labels/suite.yaml",
        "ok\tpolicies/required-limits/suite.yaml",
        "ok\tpolicies/unique-ingress-host/suite.yaml",
        "PASS",
    ]
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("template", "old", "new"),
    [
        ("allowed-registries", "spec.initContainers", "spec.other"),
        ("allowed-registries", 'concat("/", [trim_suffix(registry, "/"), ""])', 'trim_suffix(registry, "/")'),
        ("required-limits", "holder.resources.limits", "holder.resources.requests"),
        ("required-labels", '"^(?:"', '"(?:"'),
        ("no-public-load-balancer", "== wanted.value", "!= wanted.value"),
        ("unique-ingress-host", "not itself(namespace, name)", "namespace != input.review.namespace"),
        (
            "fleet/unique-host",
            "cluster != input.cluster.name\n            known.namespace[namespace][version].Ingress",
            "known.namespace[namespace][version].Ingress",
        ),
        ("fleet/consistent-global-services", "  global(namesake, other)\n", ""),
        ("fleet/required-objects", "  not reviewed(cluster, wanted, namespace)\n", ""),
        ("fleet/no-drift", "  not item.aggregationRule\n", ""),
        ("fleet/accelerators", '  endswith(prefix, "/")\n', '  endswith(prefix, "-")\n'),
        ("fleet/external-names", 'endswith(target, sprintf(".%v", [allowed]))', "endswith(target, allowed)"),
    ],
)
def test_the_library_s_suites_notice_a_wrong_policy(tmp_path: Path, template: str, old: str, new: str) -> None:
    policy = tmp_path / Path(template).name
    shutil.copytree(ROOT / "policies" / template, policy)
    text = (policy / "template.yaml").read_text()
    assert text.count(old) == 1
    (policy / "template.yaml").write_text(text.replace(old, new))
    done = verify(str(policy), cwd=tmp_path)
    assert done.returncode == 1
    assert "--- FAIL" in done.stdout


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("template-does-not-load", ["refused/template.yaml:", "constraint should have failed schema validation"]),
        ("invalid-without-saying-so", ["adding constraint", "refused/wrong-enum.yaml:", "spec.parameters.what[0]"]),
        ("not-a-template", ["suites/pod.yaml:1: not a ConstraintTemplate"]),
        ("not-a-constraint", ["suites/pod.yaml:1: not a Constraint"]),
        ("template-is-not-there", ["refused/gone.yaml: No such file or directory"]),
    ],
)
def test_problems_name_the_file(test: str, said: list[str]) -> None:
    done = verify("suites/refused", "--run", f"^{test}$//")
    assert done.returncode == 1
    for text in said:
        assert text in done.stdout


def test_run_selects_tests_and_cases() -> None:
    done = verify("suites/...", "--run", "^counts$//^exactly$", "-v")
    assert done.returncode == 0
    ran = [line for line in without_times(done.stdout) if "RUN" in line]
    assert ran == ["=== RUN   counts", "    === RUN   exactly"]
    outcomes = {line.partition("\t")[0] for line in done.stdout.splitlines() if "suite.yaml" in line}
    assert outcomes == {"ok", "SKIP"}  # the other suites ran nothing
    assert done.stderr == ""


@pytest.mark.parametrize("run", ["^no-such-test$//", "^counts$//^no-such-case$", "no-such-name", "^counts$//^skipped$"])
def test_run_that_selects_nothing_is_said(run: str) -> None:
    done = verify("suites/...", "--run", run)
    assert done.returncode == 0  # as gator
    assert done.stderr == f"warning: no case to run matches --run {run}\n"
    lines = without_times(done.stdout)
    assert lines[-1] == "SKIP"
    assert all(line.startswith("SKIP") for line in lines)


def test_every_format_tells_the_same() -> None:
    suites = json.loads(verify("suites/...", "-o", "json").stdout)
    cases = [(case["name"], case["outcome"]) for suite in suites for test in suite["tests"] for case in test["cases"]]
    assert ("exactly", "passed") in cases
    assert ("too-many", "failed") in cases
    assert ("skipped", "skipped") in cases
    failed = sum(1 for _, outcome in cases if outcome == "failed") + sum(
        1 for suite in suites for test in suite["tests"] if test["outcome"] == "failed" and not test["cases"]
    )

    junit = ET.fromstring(verify("suites/...", "-o", "junit").stdout)  # noqa: S314 (our own output)
    assert junit.get("failures") == str(failed)
    tap = verify("suites/...", "-o", "tap").stdout.splitlines()
    assert sum(1 for line in tap if line.startswith("not ok ")) == failed
    assert tap[1] == f"1..{junit.get('tests')}"


def test_a_suite_that_does_not_parse_fails_alone(tmp_path: Path) -> None:
    head = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\n"
    (tmp_path / "a.yaml").write_text(f"{head}tests: {{}}\n")
    (tmp_path / "b.yaml").write_text(f"{head}tests: []\n")
    done = verify(".", cwd=tmp_path)
    assert without_times(done.stdout) == ["FAIL\ta.yaml", "  a.yaml:3:8: tests: must be a list", "SKIP\tb.yaml", "FAIL"]
    assert done.returncode == 1


def test_expansion_is_refused_and_not_ignored(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(
        "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\n"
        "tests: [{name: t, template: t.yaml, constraint: c.yaml, expansion: e.yaml, cases: []}]\n"
    )
    done = verify("suite.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "expansion is not supported yet" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone"], "error: gone: no such file or directory"),
        (["suites/pod.yaml/..."], "error: suites/pod.yaml: not a directory"),
        (["suites/...", "--run", "("], "error: '(' is no RE2 regular expression"),
        (["suites/...", "--run", "a//b//c"], 'error: a filter has at most one "//"'),
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], said: str) -> None:
    done = verify(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stdout == ""


def test_no_suite_at_all_is_said(tmp_path: Path) -> None:
    done = verify(".", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == "warning: no Suite in .\n"
    assert done.stdout == ""

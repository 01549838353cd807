"""`fleetgate lint` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FLEETGATE = Path(sys.executable).with_name("fleetgate")
ROOT = Path(__file__).parents[2]

TEMPLATE = """\
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: nohostnetwork
spec:
  crd:
    spec:
      names:
        kind: NoHostNetwork
  targets:
    - target: admission.k8s.gatekeeper.sh
      rego: |
        package nohostnetwork
        violation[{"msg": "no"}] {
          input.review.object.spec.hostNetwork
        }
"""

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"

CONSTRAINT = """\
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: NoHostNetwork
metadata:
  name: no-host-network
spec:
  match:
    kinds:
      - apiGroups: ["v1"]
        kinds: [Pod]
"""


def lint(*arguments: str, cwd: Path = ROOT, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FLEETGATE, "lint", *arguments], capture_output=True, text=True, timeout=100, check=False, cwd=cwd, input=stdin
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "constraint.yaml").write_text(CONSTRAINT)
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "broken.yaml").write_text("]")
    (tmp_path / "suite.yaml").write_text("apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\ntests: []\n")
    return tmp_path


def test_the_policy_library_is_clean() -> None:
    done = lint("policies/")
    assert done.stdout == "ok: 11 templates, 6 constraints, nothing found (4 less severe)\n"
    assert (done.returncode, done.stderr) == (0, "")


def test_text_shows_the_place(files: Path) -> None:
    done = lint(".", cwd=files)
    assert done.stdout.splitlines() == [
        'constraint.yaml:8:21: warning[FG102] "v1" is no API group: it never matches',
        '  8 |       - apiGroups: ["v1"]',
        "    |                     ^",
        '    = hint: the group of Pods, Services and Namespaces is ""',
        "1 warning in 1 template, 1 constraint (1 less severe)",
    ]
    assert (done.returncode, done.stderr) == (1, "")


def test_what_is_refused_is_found_with_its_place(files: Path) -> None:
    (files / "template.yaml").write_text(TEMPLATE.replace("spec.hostNetwork", "spec.hostNetwork ]"))
    done = lint(".", "-o", "json", cwd=files)
    found = json.loads(done.stdout)["findings"]
    assert [(one["code"], one["path"], one["line"], one["column"]) for one in found] == [
        ("FG102", "constraint.yaml", 8, 21),
        ("FG007", "template.yaml", 15, 48),
    ]
    assert found[1]["severity"] == "error"
    assert done.returncode == 1


KUSTOMIZATION = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"


@pytest.mark.parametrize("directory", [".", "./..."])
def test_a_directory_with_what_serve_refuses_is_refused_in_its_words(files: Path, directory: str) -> None:
    (files / "chart").mkdir()
    (files / "chart" / "values.yaml").write_text("replicas: 3\n")
    (files / "kustomization.yaml").write_text(KUSTOMIZATION)
    (files / "pods.yaml").write_text(f"{TEMPLATE.replace('host', 'guest').replace('Host', 'Guest')}---\n{POD}")
    done = lint(directory, "-o", "json", "--fail-on", "error", cwd=files)
    found = [one for one in json.loads(done.stdout)["findings"] if one["code"] != "FG102"]
    assert [(one["code"], one["severity"], one["path"], one["line"], one["message"]) for one in found] == [
        ("FG002", "error", "chart/values.yaml", 1, "Object 'apiVersion' is missing"),
        ("FG002", "error", "kustomization.yaml", 2, "Kustomization (kustomize.config.k8s.io/v1beta1) is not a policy"),
        ("FG002", "error", "pods.yaml", 19, "Pod (v1) is not a policy"),
    ]
    assert done.returncode == 1
    served = subprocess.run(
        [FLEETGATE, "serve", "--insecure", "--policies=.", "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0"],
        capture_output=True, text=True, timeout=100, check=False, cwd=files,
    )  # fmt: skip
    assert served.returncode == 2
    told = " ".join(served.stderr.split())
    for one in found:
        assert f"error[unsupported_kind]: {one['message']} --> {one['path']}:{one['line']}:{one['column']} " in told
    assert lint(directory, "--ignore", "FG002", "--ignore", "FG102", cwd=files).returncode == 0


def test_a_refused_document_is_found_once(files: Path) -> None:
    (files / "wrong.yaml").write_text("apiVersion: mutations.gatekeeper.sh/v1\nkind: Assign\nmetadata: {name: a}\n")
    (files / "pod.yaml").write_text(POD)
    found = json.loads(lint(".", "-o", "json", cwd=files).stdout)["findings"]
    assert [one["path"] for one in found if one["code"] == "FG002"] == ["pod.yaml", "wrong.yaml"]


def test_files_that_are_named_may_hold_other_things(files: Path) -> None:
    """What ``kustomize build`` or ``helm template`` renders."""
    (files / "rendered.yaml").write_text(f"{TEMPLATE}---\n{POD}---\n{KUSTOMIZATION}")
    (files / "empty").mkdir()
    for arguments in (["rendered.yaml"], ["rendered.yaml", "empty"]):
        assert lint(*arguments, cwd=files).returncode == 0
    assert lint("-", cwd=files, stdin=(files / "rendered.yaml").read_text()).returncode == 0


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 1),
        (["--fail-on", "error"], 0),
        (["--fail-on", "never"], 0),
        (["--fail-on", "info"], 1),
        (["--ignore", "FG102"], 0),
        (["--ignore", "group-never-matches"], 0),
        (["--ignore", "FG102", "--fail-on", "info"], 1),
        (["--severity", "error"], 1),
    ],
)
def test_exit_codes(files: Path, options: list[str], code: int) -> None:
    assert lint(".", *options, cwd=files).returncode == code


def test_severity_says_what_is_printed(files: Path) -> None:
    done = lint(".", "--severity", "info", "-o", "json", cwd=files)
    assert [one["code"] for one in json.loads(done.stdout)["findings"]] == ["FG113", "FG102"]


def test_standard_input(files: Path) -> None:
    done = lint("-", "-o", "github", cwd=files, stdin=f"{TEMPLATE}---\n{CONSTRAINT}")
    assert done.stdout.startswith("::warning file=<stdin>,line=25,col=21,title=FG102 group-never-matches::")
    assert done.returncode == 1


def test_silence(files: Path) -> None:
    silenced = CONSTRAINT.replace('["v1"]', '["v1"] # fleetgate:ignore FG102 a test')
    (files / "constraint.yaml").write_text(silenced)
    assert lint(".", cwd=files).returncode == 0
    annotated = CONSTRAINT.replace(
        "name: no-host-network", "name: no-host-network\n  annotations:\n    fleetgate.dev/lint-ignore: FG102"
    )
    (files / "constraint.yaml").write_text(annotated)
    assert lint(".", cwd=files).returncode == 0
    (files / "constraint.yaml").write_text(silenced.replace('"v1"', '""'))
    done = lint(".", cwd=files)
    assert "warning[FG301] FG102 is silenced here" in done.stdout
    assert done.returncode == 1


def test_sarif_has_every_rule_and_the_finding(files: Path) -> None:
    log = json.loads(lint(".", "-o", "sarif", cwd=files).stdout)
    (run,) = log["runs"]
    (result,) = run["results"]
    rules = run["tool"]["driver"]["rules"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "FG102"
    assert len(rules) == len({rule["id"] for rule in rules}) >= 40


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to look at"),
        (["missing.yaml"], "missing.yaml: no such file or directory"),
        (["--explain", "FG99"], "there is no code 'FG99'"),
        (["--ignore", "unscoped-mach", "policies"], "did you mean unscoped-match?"),
        (["policies", "-o", "xml"], "xml"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str) -> None:
    done = lint(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_a_path_without_policies_is_told(tmp_path: Path) -> None:
    done = lint(str(tmp_path))
    assert done.returncode == 0
    assert "no policies in" in done.stderr


def test_explain_prints_the_page() -> None:
    done = lint("--explain", "FG101")
    assert done.stdout == (ROOT / "docs" / "lint" / "FG101.md").read_text()
    assert lint("--explain", "unscoped-match").stdout == done.stdout


def test_list_names_every_code() -> None:
    done = lint("--list")
    assert done.returncode == 0
    codes = [line.split()[0] for line in done.stdout.splitlines()[1:]]
    assert codes == sorted(page.stem for page in (ROOT / "docs" / "lint").iterdir())


def test_what_the_yaml_parser_does_not_survive_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "tag.yaml").write_text("a: [!x,b]\n")
    completed = lint("tag.yaml", cwd=tmp_path)
    assert completed.returncode == 1
    assert completed.stdout.startswith("tag.yaml:1:4: error[FG001]")
    assert "panicked" not in completed.stdout + completed.stderr


def test_names_cannot_steer_the_terminal(files: Path) -> None:
    (files / "constraint.yaml").write_text(CONSTRAINT.replace('"v1"', '"\\x1b[2J/v1"'))
    done = lint(".", cwd=files)
    assert "FG102" in done.stdout
    assert "\x1b" not in done.stdout + lint(".", "-o", "github", cwd=files).stdout


def test_help_starts_with_examples() -> None:
    done = lint("--help")
    assert done.stdout.startswith("Examples:\n  fleetgate lint policies/")

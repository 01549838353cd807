"""The thin distribution alone: no server, no native module, only what its metadata asks for."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from fleetgate_clients.output.audit import Format, Look, write
from packaging.requirements import Requirement

from tests.support import audit_runs as runs

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def thin(thin_wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with both thin wheels and exactly the distributions that they require; its ``bin``."""
    home = tmp_path_factory.mktemp("thin")
    venv.create(home, symlinks=True, with_pip=False)
    (site,) = (home / "lib").glob("python*/site-packages")
    for required in required_by("fleetgate-clients") - {"fleetgate-clients", "fleetgate-proto"}:
        link(distribution(required), site)
    install = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(home / "bin" / "python")]
    subprocess.run(
        [*install, "install", "--quiet", "--no-index", "--no-deps", *map(str, thin_wheels.values())], check=True
    )
    return home / "bin"


def required_by(name: str) -> set[str]:
    """Names of everything that a distribution requires, itself included, without extras."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop().lower().replace("_", "-")
        if current in found:
            continue
        found.add(current)
        for text in distribution(current).requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def link(installed: Distribution, site: Path) -> None:
    """Make an installed distribution's files appear in another site-packages, one by one: some share folders."""
    for file in installed.files or []:
        if file.parts[0] == ".." or "__pycache__" in file.parts:
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to(str(installed.locate_file(file)))


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=120, check=False, cwd="/", env=environment
    )


def test_there_is_no_server_in_it(thin: Path) -> None:
    assert "fleetgate" not in required_by("fleetgate-clients")
    result = run(thin / "python", "-c", "import fleetgate")
    assert result.returncode == 1
    assert "No module named 'fleetgate'" in result.stderr


def test_help_shows_the_thin_verbs_and_what_is_missing(thin: Path) -> None:
    result = run(thin / "fleetgate", "--help")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Examples:")
    for verb in ("audit", "whatif", "explain", "history", "convert", "webhook", "loadtest"):
        assert f"\n  {verb} " in result.stdout
    assert "Not installed (pip install fleetgate)" in result.stdout
    assert "warning" not in result.stderr


def test_a_verb_of_the_server_says_what_to_install(thin: Path) -> None:
    result = run(thin / "fleetgate", "serve")
    assert result.returncode == 2
    assert "pip install fleetgate" in result.stderr


@pytest.mark.parametrize("package", ["fleetgate_clients", "fleetgate_proto"])
def test_every_module_imports_with_the_declared_dependencies_only(thin: Path, package: str) -> None:
    script = (
        "import importlib, pkgutil, sys\n"
        f"package = importlib.import_module({package!r})\n"
        "names = [found.name for found in pkgutil.walk_packages(package.__path__, package.__name__ + '.')]\n"
        "for name in names: importlib.import_module(name)\n"
        "print(len(names))\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'fleetgate']\n"
    )
    result = run(thin / "python", "-W", "error", "-c", script)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) >= 5


def test_an_audit_of_files_says_what_to_install(thin: Path) -> None:
    result = run(thin / "fleetgate", "audit", "-f", "policies.yaml")
    assert result.returncode == 2
    assert "pip install fleetgate" in result.stderr


def test_reports_are_converted_without_a_server(thin: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text("".join(write(runs.report(), Format.JSON, Look())))
    result = run(thin / "fleetgate", "convert", report, "-o", "html")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "".join(write(runs.report(), Format.HTML, Look()))


@pytest.mark.parametrize("verb", ["audit", "convert", "webhook", "loadtest"])
def test_the_help_of_a_thin_verb_starts_with_examples(thin: Path, verb: str) -> None:
    result = run(thin / "fleetgate", verb, "--help")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Examples:")


def test_the_load_test_gets_as_far_as_the_network(thin: Path, tmp_path: Path) -> None:
    review = tmp_path / "review.json"
    review.write_text('{"kind": "AdmissionReview", "request": {"uid": "1"}}')
    common = ("--reviews", review, "--rate", "1", "--timeout", "1s")
    result = run(thin / "fleetgate", "loadtest", "--address", "127.0.0.1:1", "--insecure", *common)
    assert result.returncode == 2
    assert "no connection to 127.0.0.1:1" in result.stderr

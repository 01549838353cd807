"""What the wheels hold. A builder drops what it cannot follow (a symlink, a path outside) without a word."""

from __future__ import annotations

import tomllib
from email import message_from_bytes
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from tests.packaging.conftest import ROOT

pytestmark = pytest.mark.timeout(900)


def contents(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def sources(package: Path) -> set[str]:
    """Every module, type marker, page and data file of a package in the working tree, as a wheel names them."""
    patterns = ("*.py", "*.pyi", "*.md", "*.json", "*.css", "*.js", "py.typed")
    files = [file for pattern in patterns for file in package.rglob(pattern)]
    return {file.relative_to(package.parent).as_posix() for file in files}


def without_metadata(names: set[str]) -> set[str]:
    return {name for name in names if ".dist-info/" not in name}


def test_the_server_holds_its_modules_the_core_and_its_types_and_nothing_else(server_wheel: Path) -> None:
    names = without_metadata(contents(server_wheel))
    assert "fleetgate/_native.pyi" in names
    assert "fleetgate/py.typed" in names
    assert names == sources(ROOT / "service" / "fleetgate") | {"fleetgate/_native.abi3.so"}


def test_one_wheel_serves_every_python_from_3_11_on(wheels: dict[str, Path]) -> None:
    assert "-cp311-abi3-linux_" in wheels["server"].name
    assert wheels["clients"].name.endswith("-py3-none-any.whl")
    assert wheels["proto"].name.endswith("-py3-none-any.whl")


@pytest.mark.parametrize(("distribution", "package"), [("clients", "fleetgate_clients"), ("proto", "fleetgate_proto")])
def test_a_thin_wheel_holds_its_modules_and_nothing_else(
    thin_wheels: dict[str, Path], distribution: str, package: str
) -> None:
    names = without_metadata(contents(thin_wheels[distribution]))
    assert f"{package}/py.typed" in names
    assert names == sources(ROOT / distribution / package)


@pytest.mark.parametrize("distribution", ["server", "clients", "proto"])
def test_metadata_says_what_pyproject_says(wheels: dict[str, Path], distribution: str) -> None:
    project = tomllib.loads((ROOT / ("" if distribution == "server" else distribution) / "pyproject.toml").read_text())
    with ZipFile(wheels[distribution]) as archive:
        (metadata_name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(metadata_name))
    assert metadata["Version"] == project["project"]["version"]
    assert metadata["Requires-Python"] == ">=3.11"
    required = {str(Requirement(text)) for text in metadata.get_all("Requires-Dist", [])}
    extras = project["project"].get("optional-dependencies", {})
    assert set(metadata.get_all("Provides-Extra", [])) == set(extras)
    assert required == {str(Requirement(text)) for text in project["project"]["dependencies"]} | {
        str(Requirement(f'{text}; extra == "{extra}"')) for extra, texts in extras.items() for text in texts
    }


def test_the_command_belongs_to_the_thin_distribution_and_the_server_adds_verbs(wheels: dict[str, Path]) -> None:
    assert "[console_scripts]" in entry_points(wheels["clients"])
    server = entry_points(wheels["server"])
    assert "[console_scripts]" not in server
    assert "[fleetgate.commands]" in server
    assert "[fleetgate.engine]" in server


def entry_points(wheel: Path) -> str:
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/entry_points.txt"))
        return archive.read(name).decode()

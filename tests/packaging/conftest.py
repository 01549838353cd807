"""The wheels as users get them, built once per run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def server_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distribution `fleetgate`, built from the working tree without a network."""
    out = tmp_path_factory.mktemp("server-wheel")
    # The profile that `make build` took is compiled already.
    profile = ["--release"] if (ROOT / ".venv" / ".native-release").exists() else ["--profile", "dev"]
    maturin = Path(sys.executable).with_name("maturin")
    _run([str(maturin), "build", "--locked", *profile, "--compatibility", "linux", "--out", str(out)])
    return _one(out, "fleetgate-")


@pytest.fixture(scope="session")
def thin_wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The distributions in `clients` and `proto`, by those names."""
    out = tmp_path_factory.mktemp("thin-wheels")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    _run([*pip, "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out), "./proto", "./clients"])
    return {"clients": _one(out, "fleetgate_clients-"), "proto": _one(out, "fleetgate_proto-")}


@pytest.fixture(scope="session")
def wheels(server_wheel: Path, thin_wheels: dict[str, Path]) -> dict[str, Path]:
    """All three: `server`, `clients`, `proto`."""
    return {"server": server_wheel, **thin_wheels}


def _run(command: list[str]) -> None:
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}{result.stderr}"


def _one(directory: Path, prefix: str) -> Path:
    (found,) = directory.glob(f"{prefix}*.whl")
    return found

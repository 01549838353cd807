"""docker-compose.yml and what it starts, as far as that goes without Docker."""

from __future__ import annotations

import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.packaging.conftest import ROOT

DEV_CA = ROOT / "deploy" / "compose" / "dev_ca.py"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


def run_dev_ca(directory: Path) -> str:
    return subprocess.run(
        [sys.executable, str(DEV_CA), str(directory)], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def names(file: Path) -> list[str]:
    extension = certificate(file).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(name.value) for name in extension.value]


def test_the_development_authority_issues_what_the_services_need(tmp_path: Path) -> None:
    assert "issued" in run_dev_ca(tmp_path)
    assert names(tmp_path / "server.crt") == ["server", "localhost"]
    assert names(tmp_path / "webhook.crt") == ["webhook", "localhost"]
    assert names(tmp_path / "webhook-client.crt") == ["spiffe://dev.fleetgate.invalid/cluster/dev/webhook"]
    authority = certificate(tmp_path / "ca.crt")
    for name in ("server", "webhook", "webhook-client", "admin-client"):
        certificate(tmp_path / f"{name}.crt").verify_directly_issued_by(authority)
        key = (tmp_path / f"{name}.key").stat()
        assert key.st_mode & 0o077 == 0, "a private key is for its owner"
        # The pair fits together.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / f"{name}.crt", tmp_path / f"{name}.key")


def test_good_certificates_survive_a_restart_and_a_missing_one_renews_them_all(tmp_path: Path) -> None:
    run_dev_ca(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert "still good" in run_dev_ca(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    (tmp_path / "webhook.crt").unlink()
    assert "issued" in run_dev_ca(tmp_path)
    certificate(tmp_path / "webhook.crt").verify_directly_issued_by(certificate(tmp_path / "ca.crt"))
    assert (tmp_path / "ca.crt").read_bytes() != before["ca.crt"]


def test_a_curve_that_every_client_speaks(tmp_path: Path) -> None:
    run_dev_ca(tmp_path)
    key = certificate(tmp_path / "server.crt").public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"


def test_what_is_mounted_from_the_checkout_exists(compose: dict[str, Any]) -> None:
    mounts = [
        mount.split(":")[0]
        for service in compose["services"].values()
        for mount in service.get("volumes", [])
        if mount.startswith("./")
    ]
    assert len(mounts) >= 6
    missing = [mount for mount in mounts if not (ROOT / mount).exists()]
    assert not missing


def test_ours_are_hardened_and_published_on_loopback_only(compose: dict[str, Any]) -> None:
    for name in ("server", "webhook"):
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "healthcheck" in service
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_base_image_alone_starts_by_default(compose: dict[str, Any]) -> None:
    always = {name for name, service in compose["services"].items() if "profiles" not in service}
    assert always == {"dev-ca", "server", "webhook"}
    optional = {name: service["profiles"] for name, service in compose["services"].items() if "profiles" in service}
    assert optional == {"collector": ["observability"], "prometheus": ["observability"]}

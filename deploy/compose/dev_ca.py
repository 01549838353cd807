"""A certificate authority for development: writes what the services of docker-compose.yml need into one directory.

FOR DEVELOPMENT ONLY: the authority's key lies beside the certificates, and whoever can read the volume can make any
identity. In a cluster use cert-manager, SPIRE or your own authority.

Run as a program: ``dev_ca.py DIRECTORY [UID]``. Files that are still good for a week are kept, so that a restart does
not invalidate what clients already trust. UID becomes their owner.
"""

from __future__ import annotations

import datetime
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALIDITY = datetime.timedelta(days=90)
RENEW_BEFORE = datetime.timedelta(days=7)
TRUST_DOMAIN = "dev.fleetgate.invalid"


@dataclass(frozen=True)
class Leaf:
    """A certificate to issue: DNS names it serves, or the SPIFFE path that a client is known by."""

    name: str
    hosts: tuple[str, ...] = ()
    identity: str = ""


LEAVES = (
    Leaf("server", hosts=("server", "localhost")),
    Leaf("webhook", hosts=("webhook", "localhost")),
    # What the webhook shows to the server: the cluster it speaks for, and its role.
    Leaf("webhook-client", identity="cluster/dev/webhook"),
    # For the health check and for applying policies by hand.
    Leaf("admin-client", identity="fleet/admin"),
)


def main() -> int:
    """Issue what is missing."""
    directory = Path(sys.argv[1])
    owner = int(sys.argv[2]) if len(sys.argv) > 2 else None
    directory.mkdir(parents=True, exist_ok=True)
    if all(_still_good(directory / f"{name}.crt") for name in ("ca", *(leaf.name for leaf in LEAVES))):
        print("the certificates are still good")
        return 0
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name("fleetgate development CA")
    authority = (
        _builder(subject, subject, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(directory / "ca.key", _pem(key), owner)
    for leaf in LEAVES:
        leaf_key = ec.generate_private_key(ec.SECP256R1())
        certificate = _leaf_builder(leaf, subject, leaf_key).sign(key, hashes.SHA256())
        _write(directory / f"{leaf.name}.key", _pem(leaf_key), owner)
        _write(directory / f"{leaf.name}.crt", certificate.public_bytes(serialization.Encoding.PEM), owner)
    # Last: its presence says that the others are there.
    _write(directory / "ca.crt", authority.public_bytes(serialization.Encoding.PEM), owner)
    print(f"issued {', '.join(leaf.name for leaf in LEAVES)} in {directory}, valid for {VALIDITY.days} days")
    return 0


def _still_good(file: Path) -> bool:
    if not file.is_file():
        return False
    expires = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
    return expires > datetime.datetime.now(datetime.UTC) + RENEW_BEFORE


def _leaf_builder(leaf: Leaf, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in leaf.hosts]
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    if leaf.identity:
        names.append(x509.UniformResourceIdentifier(f"spiffe://{TRUST_DOMAIN}/{leaf.identity}"))
        usage = ExtendedKeyUsageOID.CLIENT_AUTH
    return (
        _builder(_name(leaf.name), issuer, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks of containers and hosts differ a little.
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + VALIDITY)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(file: Path, content: bytes, owner: int | None) -> None:
    """Replace a file at once: services reread certificates when they change, and must never see half of one."""
    scratch = file.with_suffix(file.suffix + ".new")
    scratch.touch(mode=0o600)
    scratch.write_bytes(content)
    if owner is not None:
        os.chown(scratch, owner, owner)
    if file.suffix == ".crt":
        scratch.chmod(0o644)
    scratch.rename(file)


if __name__ == "__main__":
    sys.exit(main())

"""Certificates of the listeners, read again when their files change.

A change touches no connection that is open. What cannot be used (a key that does not belong to its certificate, half a
rotation, garbage) is reported once and the certificates before stay.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_LOGGER = logging.getLogger(__name__)
_MAX_PEM_BYTES = 1024 * 1024

Fingerprint = tuple[tuple[int, int, int], ...]


class CertificateInvalid(Exception):  # noqa: N818 (it names the certificate's state)
    """The files hold no usable certificate, key or CA."""


class Pem(NamedTuple):
    """What the files hold. ``client_ca`` is None where none is given."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None


class CertificateFiles:
    """Certificate, key and client CA, followed as their files change. Thread-safe."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        client_ca: Path | None,
        *,
        loaded: Callable[[datetime], None] = lambda _: None,
        failed: Callable[[], None],
    ) -> None:
        """``loaded`` is told when the certificate in use expires, ``failed`` that a change could not be used.

        Raises CertificateInvalid.
        """
        self._paths = tuple(path for path in (certificate, key, client_ca) if path is not None)
        self._loaded, self._failed = loaded, failed
        self._lock = threading.Lock()
        self._seen = self._fingerprint()
        self.current = self._read()

    def changed(self) -> Pem | None:
        """What the files hold now, if that is something else and can be used."""
        with self._lock:
            try:
                seen = self._fingerprint()
                if seen == self._seen:
                    return None
                self._seen = seen
                self.current = self._read()
            except CertificateInvalid as error:
                self._failed()
                _LOGGER.error("certificates not reloaded, those before stay: %s", error)  # noqa: TRY400 (no defect)
                return None
            _LOGGER.info("certificates reloaded")
            return self.current

    def _fingerprint(self) -> Fingerprint:
        try:
            found = [path.stat() for path in self._paths]
        except OSError as error:
            raise CertificateInvalid(f"{error.filename}: {error.strerror}") from error
        return tuple((status.st_ino, status.st_size, status.st_mtime_ns) for status in found)

    def _read(self) -> Pem:
        certificate, key, *client_ca = (_pem(path) for path in self._paths)
        leaf = _certificates(self._paths[0], certificate)[0]
        _check_pair(self._paths[0], self._paths[1], leaf, key)
        if client_ca:
            _certificates(self._paths[2], client_ca[0])
        self._loaded(leaf.not_valid_after_utc)
        return Pem(certificate, key, client_ca[0] if client_ca else None)


def server_credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    """Credentials that follow the files: gRPC asks before each handshake."""

    def configuration(pem: Pem) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(pem.key, pem.certificate)], root_certificates=pem.client_ca)

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        changed = files.changed()
        return configuration(changed) if changed else None

    mutual = files.current.client_ca is not None
    return grpc.dynamic_ssl_server_credentials(
        configuration(files.current), fetch, require_client_authentication=mutual
    )


def _pem(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_PEM_BYTES + 1)
    except OSError as error:
        raise CertificateInvalid(f"{path}: {error.strerror}") from error
    if len(content) > _MAX_PEM_BYTES:
        raise CertificateInvalid(f"{path}: larger than {_MAX_PEM_BYTES} bytes")
    return content


def _certificates(path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise CertificateInvalid(f"{path}: no PEM certificate: {error}") from error


def _check_pair(certificate_path: Path, key_path: Path, leaf: x509.Certificate, key: bytes) -> None:
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError) as error:
        raise CertificateInvalid(f"{key_path}: no unencrypted PEM private key: {error}") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise CertificateInvalid(f"{key_path}: the key does not belong to the certificate {certificate_path}")
    if leaf.not_valid_after_utc < datetime.now(UTC):
        raise CertificateInvalid(f"{certificate_path}: expired at {leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}")

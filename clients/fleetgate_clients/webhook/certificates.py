"""The webhook's own certificate: who it is to the API server, and whom it believes to be one."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509


class ServingCertificate:
    """A TLS context made of files, made anew when they change.

    New connections take the newest context; those that stand keep theirs.
    """

    def __init__(self, cert: Path, key: Path, client_ca: Path | None) -> None:
        self._cert = cert
        self._key = key
        self._client_ca = client_ca
        self.context, self.not_after = self._load()

    def files(self) -> list[Path]:
        """The files it is made of."""
        return [self._cert, self._key, *([self._client_ca] if self._client_ca else [])]

    def reload(self) -> None:
        """Read the files again. Raises OSError or ValueError, the old context staying in use."""
        self.context, self.not_after = self._load()

    @property
    def seconds_left(self) -> float:
        """Seconds until it expires, negative afterwards."""
        return (self.not_after - datetime.now(UTC)).total_seconds()

    def _load(self) -> tuple[ssl.SSLContext, datetime]:
        for file in self.files():
            # For its error: OpenSSL's does not name the file.
            try:
                file.read_bytes()
            except OSError as error:
                raise ValueError(f"{file}: {error.strerror}") from error
        try:
            return self._context()
        except (OSError, ValueError) as error:
            raise ValueError(f"{', '.join(map(str, self.files()))}: {error}") from error

    def _context(self) -> tuple[ssl.SSLContext, datetime]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # As Gatekeeper; every API server that still gets fixes speaks it.
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self._cert, self._key)
        context.set_alpn_protocols(["http/1.1"])
        if self._client_ca:
            context.load_verify_locations(self._client_ca)
            # Not CERT_REQUIRED: probes of /healthz and /readyz come without a certificate; /v1/admit asks for it.
            context.verify_mode = ssl.CERT_OPTIONAL
        leaf = x509.load_pem_x509_certificates(self._cert.read_bytes())[0]
        return context, leaf.not_valid_after_utc

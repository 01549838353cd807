"""Exit 0 when a gRPC server reports SERVING; for health checks in containers.

Run as a program: ``grpc_health.py HOST:PORT CA_FILE [CERTIFICATE KEY]``. Uses grpc.health.v1 by its wire format, so
that the thin image, which has no stubs for it, can ask too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import grpc

# HealthCheckResponse{status: SERVING}: field 1, varint 1.
SERVING = b"\x08\x01"
TIMEOUT_SECONDS = 3


def main() -> int:
    """Ask for the health of the server as a whole."""
    address, ca, *pair = sys.argv[1:]
    certificate, key = (Path(path).read_bytes() for path in pair) if pair else (None, None)
    credentials = grpc.ssl_channel_credentials(Path(ca).read_bytes(), key, certificate)
    with grpc.secure_channel(address, credentials) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            answer = check(b"", timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            print(error.code().name, error.details(), file=sys.stderr)
            return 1
    return 0 if answer == SERVING else 1


if __name__ == "__main__":
    sys.exit(main())

"""The verb is cheap to show and needs nothing of the server."""

import subprocess
import sys

import pytest

HEAVY = ("grpc", "aiohttp", "opentelemetry", "msgspec", "yaml", "cryptography", "google.protobuf", "fleetgate")


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("fleetgate_clients.webhook.command", HEAVY),
        ("fleetgate_clients.webhook.app", ("fleetgate", "kubernetes_asyncio")),
    ],
)
def test_imports(module: str, absent: tuple[str, ...]) -> None:
    code = f"import sys, {module}\nprint(*(name for name in {absent!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

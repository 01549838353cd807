"""The fleet of API servers leaves nothing behind, however it ends."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.kubeapiserver import build
from tests.support.processes import eventually

pytestmark = pytest.mark.e2e


def close_stdin(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()


@pytest.mark.parametrize(
    ("end", "exit_code"),
    [
        pytest.param(close_stdin, 0, id="standard input closes"),
        pytest.param(lambda process: process.send_signal(signal.SIGTERM), 0, id="SIGTERM"),
        pytest.param(lambda process: process.kill(), -signal.SIGKILL, id="SIGKILL"),
    ],
)
def test_no_api_server_outlives_it(
    tmp_path: Path, end: Callable[[subprocess.Popen[bytes]], None], exit_code: int
) -> None:
    command = [str(build().testfleet), "--dir", str(tmp_path), "--cluster", "short-lived"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        servers = psutil.Process(process.pid).children()

        assert [cluster["name"] for cluster in ready["clusters"]] == ["short-lived"]
        assert [server.name() for server in servers] == ["kube-apiserver"]

        end(process)

        assert process.wait(20) == exit_code
        eventually(lambda: not any(server.is_running() for server in servers), "its API server is gone")


def test_a_broken_api_server_is_reported_and_everything_stopped(tmp_path: Path) -> None:
    command = [str(build().testfleet), "--dir", str(tmp_path), "--cluster", "broken", "--kube-apiserver", "/bin/false"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None

        assert process.wait(60) == 1
        assert b"cluster broken: kube-apiserver exited before it was ready" in process.stderr.read()

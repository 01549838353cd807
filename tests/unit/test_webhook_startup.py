"""What `fleetgate webhook` says when it cannot start."""

import json
import logging
from collections.abc import Iterator

import pytest
import typer
from fleetgate_clients.webhook.command import webhook
from typer.testing import CliRunner

from tests.support.certificates import Authority
from tests.support.webhook_client import NAMESPACE


@pytest.fixture(autouse=True)
def _outside_of_a_pod_and_with_pytests_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    directory = tmp_path_factory.mktemp("files")
    pair = Authority(directory / "ca").issue("webhook")
    other = Authority(directory / "other").issue("webhook")
    namespaces = directory / "namespaces.json"
    namespaces.write_text(json.dumps(NAMESPACE))
    broken = directory / "broken.yaml"
    broken.write_text("a: [")
    return {
        "cert": str(pair.certificate),
        "key": str(pair.key),
        "other_key": str(other.key),
        "namespaces": str(namespaces),
        "broken": str(broken),
    }


NAMED = ["--cluster=c", "--server=127.0.0.1:1", "--server-insecure"]
PLAIN = ["--insecure", "--listen=127.0.0.1:0"]
FROM = ["--namespaces-from={namespaces}"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give --cluster NAME"),
        (["--cluster=c", *PLAIN, *FROM], "no server is named"),
        ([*NAMED, *PLAIN], "there is no source of Namespaces"),
        ([*NAMED, *FROM], "HTTPS only: give --tls-cert and --tls-key"),
        ([*NAMED, "--insecure", "--listen=0.0.0.0:0", *FROM], "--insecure is for loopback only"),
        ([*NAMED, "--insecure", *FROM], "--insecure is for loopback only"),
        ([*NAMED, *PLAIN, "--tls-cert={cert}", *FROM], "exclude each other"),
        ([*NAMED, *PLAIN, *FROM, "--kubeconfig=/x"], "exclude each other"),
        ([*NAMED, *PLAIN, *FROM, "--client-cn=x"], "--client-cn needs --client-ca"),
        ([*NAMED, *PLAIN, "--context=x", *FROM], "give --kubeconfig too"),
        ([*NAMED, *PLAIN, "--namespaces-from=/does/not/exist"], "/does/not/exist: no such file"),
        ([*NAMED, *PLAIN, "--namespaces-from={broken}"], "broken.yaml"),
        ([*NAMED, *PLAIN, "--kubeconfig=/does/not/exist"], "webhook: /does/not/exist: No such file"),
        ([*NAMED, *PLAIN, "--kubeconfig={namespaces}"], "no context is chosen"),
        ([*NAMED, "--insecure", "--listen=nowhere", *FROM], "write HOST:PORT"),
        ([*NAMED, *PLAIN, "--timeout=10", *FROM], "invalid duration '10'"),
        ([*NAMED, *PLAIN, "--trace-sample-ratio=2", *FROM], "not between 0 and 1"),
        (
            [*NAMED, "--tls-cert=/does/not/exist", "--tls-key={key}", *FROM],
            "/does/not/exist: No such file or directory\n",
        ),
        ([*NAMED, "--tls-cert={cert}", "--tls-key={other_key}", *FROM], "KEY_VALUES_MISMATCH"),
        (["--cluster=c", "--server=pdp:1", "--server-insecure", *PLAIN, *FROM], "pdp:1 is not"),
        (["--cluster=c", "--server=pdp:1", "--server-cert={cert}", *PLAIN, *FROM], "needs its key"),
        (
            ["--cluster=c", "--server=pdp:1", "--server-ca=/does/not/exist", *PLAIN, *FROM],
            "exist) cannot be used: No such file",
        ),
    ],
)
def test_it_says_why_it_does_not_start(files: dict[str, str], arguments: list[str], says: str) -> None:
    app = typer.Typer()
    app.command()(webhook)
    done = CliRunner().invoke(app, [argument.format(**files) for argument in arguments])
    assert done.exit_code == 2, done.output
    assert says in done.stderr
    assert "Traceback" not in done.stderr

"""The command itself: what its help shows, what it costs, and what it says when it is used wrongly."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fleetgate_clients import cli
from typer.testing import CliRunner

FLEETGATE = Path(sys.executable).with_name("fleetgate")
HEAVY = ("grpc", "opentelemetry", "pydantic", "rich", "fleetgate._native", "aiohttp", "yaml", "re2")


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FLEETGATE, *arguments], capture_output=True, text=True, timeout=60, check=False, **options)


def test_help_starts_with_examples_of_installed_verbs() -> None:
    help_text = run("--help")
    assert help_text.returncode == 0
    assert help_text.stdout.startswith("Examples:\n  fleetgate verify policies/...")
    examples = help_text.stdout.partition("\n\n")[0]
    for verb in ("verify", "test", "lint", "eval", "serve", "webhook", "loadtest", "config"):
        assert f"fleetgate {verb} " in examples


def test_help_lists_verbs_under_the_distribution_that_brings_them() -> None:
    text = run("--help").stdout
    version = importlib.metadata.version("fleetgate")
    thin, _, server = text.partition(f"Verbs of fleetgate {version}:")
    assert f"Verbs of fleetgate-clients {version}:" in thin
    assert "webhook" in thin
    assert "  verify " in server
    assert "Not installed" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        *(
            [verb, "--help"]
            for verb in ("verify", "test", "lint", "eval", "audit", "whatif", "explain", "history", "convert")
        ),
    ],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    script = textwrap.dedent(f"""
        import sys
        from fleetgate_clients.cli import main
        sys.argv = ["fleetgate", *{arguments!r}]
        try:
            main()
        except SystemExit as end:
            assert not end.code, end.code
        print("LOADED", *sorted(name for name in sys.modules if name.startswith({HEAVY!r})))
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED"


@pytest.mark.parametrize(("typed", "suggested"), [("verfy", "'verify'"), ("webhok", "'webhook'"), ("serv", "'serve'")])
def test_unknown_verb_names_the_nearest(typed: str, suggested: str) -> None:
    done = run(typed)
    assert done.returncode == 2
    assert f"there is no verb '{typed}'. Did you mean {suggested}" in done.stderr


def test_unknown_verb_cannot_steer_the_terminal() -> None:
    done = run("\x1b[2Jgone")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr


def test_unknown_option_names_the_nearest() -> None:
    done = run("verify", "--ouptut", "json", ".")
    assert done.returncode == 2
    assert "--ouptut" in done.stderr
    assert "--output" in done.stderr


SAYING = """
import sys
from fleetgate_clients import cli
app = cli.build_app()
@app.command("say")
def say() -> None:
    sys.stdout.write("x" * {length})
    raise SystemExit({code})
cli.build_app = lambda: app
sys.argv = ["fleetgate", "say"]
cli.main()
"""
"""A verb that says more or less than is gathered before it is written."""


def say(redirection: str, length: int, code: int) -> tuple[int, bytes]:
    script = SAYING.format(length=length, code=code)
    command = ["bash", "-c", f"{redirection}; exit ${{PIPESTATUS[0]}}", sys.executable, script]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("length", [10, 1_000_000])
@pytest.mark.parametrize("code", [0, 1])
def test_a_reader_that_goes_away_is_no_violation(length: int, code: int) -> None:
    # It is gone before anything is said.
    assert say('{ sleep 0.3; "$0" -c "$1"; } | true', length, code) == (141, b"")


@pytest.mark.parametrize("length", [10, 1_000_000])
def test_output_that_cannot_be_written_is_an_error(length: int) -> None:
    message = b"error: the output cannot be written: No space left on device\n"
    assert say('"$0" -c "$1" > /dev/full', length, 0) == (2, message)


@pytest.mark.parametrize("code", [0, 1])
def test_a_closed_output_is_no_violation(code: int) -> None:
    assert say('"$0" -c "$1" >&-', 1_000_000, code) == (code, b"")


def test_version_names_every_distribution() -> None:
    lines = run("--version").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["fleetgate", "fleetgate-clients", "fleetgate-proto"]


def test_completion_offers_the_verbs() -> None:
    environment = {"_FLEETGATE_COMPLETE": "complete_bash", "COMP_WORDS": "fleetgate ver", "COMP_CWORD": "1"}
    assert run(env=environment).stdout.split() == ["verify"]


class EntryPoints:
    """The entry points of an installation without the server, or with one that does not load."""

    def __init__(self, *kept: importlib.metadata.EntryPoint) -> None:
        self.kept = kept

    def __call__(self, *, group: str) -> tuple[importlib.metadata.EntryPoint, ...]:
        assert group == cli.ENTRY_POINT_GROUP
        return self.kept


@pytest.fixture
def thin() -> importlib.metadata.EntryPoint:
    found = importlib.metadata.entry_points(group=cli.ENTRY_POINT_GROUP)
    return next(entry_point for entry_point in found if entry_point.name == "clients")


def test_thin_installation_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, thin: importlib.metadata.EntryPoint
) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", EntryPoints(thin))
    app = cli.build_app()
    refused = CliRunner().invoke(app, ["verify", "policies/..."])
    assert refused.exit_code == 2
    assert "the verb 'verify' belongs to the distribution 'fleetgate'. Install it: pip install fleetgate" in (
        refused.stderr
    )
    help_text = CliRunner().invoke(app, ["--help"]).stdout
    assert "Not installed (pip install fleetgate):\n  serve, config, verify, test" in help_text
    assert "fleetgate verify" not in help_text


def test_broken_distribution_does_not_take_the_others_away(
    monkeypatch: pytest.MonkeyPatch, thin: importlib.metadata.EntryPoint
) -> None:
    broken = importlib.metadata.EntryPoint("server", "fleetgate.no_such_module:register", cli.ENTRY_POINT_GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", EntryPoints(broken, thin))
    app = cli.build_app()
    done = CliRunner().invoke(app, ["loadtest", "--help"])
    assert done.exit_code == 0
    assert "No module named 'fleetgate.no_such_module'" in done.stderr


@pytest.fixture
def extra(tmp_path: Path) -> dict[str, str]:
    """An environment with one more installed distribution that brings verbs."""
    (tmp_path / "extra.py").write_text(
        textwrap.dedent("""
            def register(app):
                app.command("hello")(hello)
                app.command("needy")(needy)

            def hello():
                print("hello")

            def needy():
                import no_such_core
        """)
    )
    information = tmp_path / "extra-1.5.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.5\n")
    (information / "entry_points.txt").write_text("[fleetgate.commands]\nextra = extra:register\n")
    return {**os.environ, "PYTHONPATH": str(tmp_path)}


def test_any_distribution_can_bring_verbs(extra: dict[str, str]) -> None:
    assert "Verbs of extra 1.5:\n  hello" in run("--help", env=extra).stdout
    assert run("hello", env=extra).stdout == "hello\n"


def test_a_verb_that_misses_something_says_so(extra: dict[str, str]) -> None:
    done = run("needy", env=extra)
    assert done.stderr == "error: No module named 'no_such_core'\n"
    assert done.returncode == 2

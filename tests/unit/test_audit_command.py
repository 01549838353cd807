"""``fleetgate audit`` in front of a service that gives set answers over real gRPC."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from fleetgate_clients.audit import local
from fleetgate_clients.audit.progress import Lines
from fleetgate_clients.cli import build_app
from fleetgate_proto.v1 import audit_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from typer.testing import CliRunner

from tests.support import audit_runs as runs
from tests.support.scripted_audit_service import ScriptedAudits, of_watch, scripted_audits

FLEETGATE = Path(sys.executable).with_name("fleetgate")
PLAIN = ("--insecure", "--color=never")


@pytest.fixture
def service() -> Iterator[ScriptedAudits]:
    with scripted_audits() as running:
        yield running


def run(*arguments: str) -> Any:
    return CliRunner().invoke(build_app(), ["audit", *arguments])


def ask(service: ScriptedAudits, *arguments: str) -> Any:
    return run(*arguments, "--server", service.address, *PLAIN)


def test_the_scope_is_what_the_options_say(service: ScriptedAudits) -> None:
    service.answers = runs.messages()
    done = ask(
        service,
        *("--clusters", "stage=prod", "--cluster", "a", "--cluster", "b", "--constraint", "K8sRequiredLabels"),
        *("-n", "team-a", "--kind", "pods", "-o", "json"),
    )
    assert done.exit_code == 1
    (request,) = service.asked
    assert request.scope == audit_pb2.AuditScope(
        clusters=["a", "b"],
        cluster_selector="stage=prod",
        constraints=["K8sRequiredLabels"],
        namespaces=["team-a"],
        kinds=["pods"],
    )
    assert json.loads(done.stdout)["summary"]["violations"] == {"deny": 3, "warn": 2, "dryrun": 1, "other": 0}


# --- exit codes ------------------------------------------------------------------------------------------------------

DENIES, WARNS = runs.VIOLATIONS[:1], runs.VIOLATIONS[2:3]


@pytest.mark.parametrize(
    ("options", "arguments", "code"),
    [
        ({"violations": ()}, (), 0),
        ({"violations": DENIES}, (), 1),
        ({"violations": DENIES, "incomplete": {"stage": "STALE"}}, (), 3),
        ({"violations": DENIES, "ends": False}, ("--exit-zero",), 3),
        ({"violations": WARNS}, (), 0),
        ({"violations": WARNS}, ("--fail-on-warn",), 4),
        ({"violations": WARNS}, ("--fail-on-warn", "--exit-zero"), 0),
        ({"violations": DENIES + WARNS}, ("--fail-on-warn",), 1),
        ({"violations": DENIES}, ("--exit-zero",), 0),
    ],
)
@pytest.mark.parametrize("output", ["table", "jsonl"])
def test_exit_codes(
    service: ScriptedAudits, options: dict[str, Any], arguments: tuple[str, ...], code: int, output: str
) -> None:
    service.answers = runs.messages(**options)
    assert ask(service, *arguments, "-o", output).exit_code == code


def test_the_help_says_what_the_exit_codes_mean() -> None:
    text = " ".join(run("--help").stdout.split())
    for words in ("0 clean", "1 violations with the action deny", "2 wrong usage", "3 partial", "4 violations"):
        assert words in text


def test_what_is_refused_is_told_with_each_defect_and_exit_code_2(service: ScriptedAudits) -> None:
    service.error, service.defects = grpc.StatusCode.INVALID_ARGUMENT, [("scope.kinds", "no\nsuch kind")]
    done = ask(service)
    assert done.exit_code == 2
    assert "INVALID_ARGUMENT: refused \\x1b[31m" in done.stderr
    assert "  scope.kinds: no" in done.stderr
    assert "\x1b" not in done.stderr


def test_a_stream_that_breaks_is_a_partial_report(service: ScriptedAudits) -> None:
    service.answers, service.error = runs.messages(ends=False), grpc.StatusCode.UNAVAILABLE
    done = ask(service, "-o", "json")
    assert done.exit_code == 3
    report = json.loads(done.stdout)
    assert not report["complete"]
    assert report["reason"].startswith("UNAVAILABLE")
    assert len(report["violations"]) == len(runs.VIOLATIONS)


def test_nobody_there_is_exit_code_2() -> None:
    done = run("--server", "127.0.0.1:1", *PLAIN)
    assert (done.exit_code, "UNAVAILABLE" in done.stderr) == (2, True)


# --- what chooses nothing is no clean bill ---------------------------------------------------------------------------

NO_CLUSTER = [
    audit_pb2.RunAuditResponse(started=audit_pb2.AuditStarted(run_id=runs.RUN_ID, started_at=runs.STARTED)),
    audit_pb2.RunAuditResponse(summary=audit_pb2.AuditSummary(run_id=runs.RUN_ID, ended_at=runs.ENDED)),
]


@pytest.mark.parametrize("output", ["table", "json", "jsonl", "csv"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--clusters", "stage=prodution"), "error: no cluster matches --clusters stage=prodution\n"),
        ((), "error: the service knows no cluster\n"),
        (("--exit-zero",), "error: the service knows no cluster\n"),
    ],
)
def test_no_cluster_is_exit_code_2(
    service: ScriptedAudits, arguments: tuple[str, ...], words: str, output: str
) -> None:
    service.answers = NO_CLUSTER
    done = ask(service, *arguments, "-o", output)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", words)


@pytest.mark.parametrize("arguments", [("--watch",), ("--since", "1h")])
def test_no_cluster_to_follow_is_exit_code_2(service: ScriptedAudits, arguments: tuple[str, ...]) -> None:
    service.answers = of_watch(NO_CLUSTER)
    done = ask(service, *arguments, "--clusters", "stage=prodution")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no cluster matches --clusters stage=prodution" in done.stderr


@pytest.mark.parametrize("output", ["table", "json"])
def test_a_constraint_that_is_nowhere_is_exit_code_2(service: ScriptedAudits, output: str) -> None:
    service.answers = runs.messages(violations=())
    service.constraints = [runs.REGISTRIES, runs.LABELS]
    done = ask(service, "--constraint", runs.HOSTS[0], "--constraint", "AllowedRegistries/our-only", "-o", output)
    assert (done.exit_code, done.stdout) == (2, "")
    words = "no Constraint matches --constraint AllowedRegistries/our-only; did you mean AllowedRegistries/ours-only?"
    assert done.stderr == f"error: {words}\n"


def test_a_constraint_that_an_unreadable_cluster_may_have_is_partial(service: ScriptedAudits) -> None:
    reasons = dict.fromkeys(("prod-eu1", "stage"), "nothing of it was judged yet")
    service.answers = runs.messages(violations=(), incomplete=reasons)
    done = ask(service, "--constraint", "Other")
    assert done.exit_code == 3
    assert "warning: no Constraint matches --constraint Other" in done.stderr


def test_a_kind_or_namespace_without_objects_is_told(service: ScriptedAudits) -> None:
    *first, last = runs.messages(violations=())
    for cluster in last.summary.clusters:
        cluster.objects = 0
    service.answers = [*first, last]
    done = ask(service, "--kind", "Pode", "-n", "team-x")
    assert done.exit_code == 0
    assert "warning: no object that a Constraint could match is chosen by --kind Pode --namespace team-x" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--server", "127.0.0.1:1", "-f", "x.yaml"),
        ("--server", "127.0.0.1:1", "--context", "x"),
        ("-f", "x.yaml", "--since", "1h"),
        ("-f", "x.yaml", "--watch"),
        ("-f", "x.yaml", "--kubeconfig", "config"),
        ("--server", "127.0.0.1:1", "--exec-command", "aws"),
        ("-f", "x.yaml", "--clusters", "stage=prod"),
        ("--server", "127.0.0.1:1", "--watch", "--since", "1h"),
        ("--server", "127.0.0.1:1", "--watch", "-o", "json"),
        ("--server", "127.0.0.1:1", "-o", "pdf"),
        ("--server", "127.0.0.1:1", "--since", "yesterday", *PLAIN),
        ("--server", "127.0.0.1:1", "--baseline", "/gone.json", *PLAIN),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stderr


def test_without_an_engine_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "ENTRY_POINT_GROUP", "fleetgate.no-such-group")
    done = run("-f", "x.yaml")
    assert done.exit_code == 2
    assert "pip install fleetgate" in done.stderr


# --- baseline, since -------------------------------------------------------------------------------------------------


def test_a_baseline_lets_known_violations_pass(service: ScriptedAudits, tmp_path: Path) -> None:
    baseline = tmp_path / "report.json"
    service.answers = list(runs.messages(violations=runs.VIOLATIONS[1:]))
    baseline.write_text(ask(service, "-o", "json").stdout)
    assert ask(service, "--baseline", str(baseline)).exit_code == 0
    service.answers = runs.messages()
    done = ask(service, "--baseline", str(baseline))
    assert done.exit_code == 1
    assert "1 new, 5 known by the baseline, 0 fixed since" in done.stdout


def test_since_asks_what_is_violated_now_and_keeps_what_is_younger(service: ScriptedAudits) -> None:
    now = int(time.time())
    found = tuple(
        runs.violation("c", runs.POD, "n", name, runs.HOSTS, "no", first_seen=stamp)
        for name, stamp in {
            "old": Timestamp(seconds=now - 7_200),
            "young": Timestamp(seconds=now - 60),
            "unknown": None,
        }.items()
    )
    service.answers, service.holds = of_watch(runs.messages(violations=found)), True
    done = ask(service, "--since", "1h", "-o", "jsonl")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["type"] for line in lines] == ["run", "violation", "violation", "summary"]
    assert [line["name"] for line in lines[1:3]] == ["young", "unknown"]
    assert done.exit_code == 1
    assert service.ended.wait(10), "the stream was left open"


def test_since_with_nothing_new_is_not_without_violations(service: ScriptedAudits, tmp_path: Path) -> None:
    old = runs.violation("stage", runs.POD, "n", "old", runs.HOSTS, "no", first_seen=runs.STARTED)
    service.answers = list(of_watch(runs.messages(violations=(old,))))
    words = "no violations first seen since 2026-11-25T00:00:00Z: 1,200 objects in 2 clusters"
    done = ask(service, "--since", "2026-11-25")
    assert (done.exit_code, words in done.stdout) == (0, True)
    report = tmp_path / "report.json"
    report.write_text(ask(service, "--since", "2026-11-25", "-o", "json").stdout)
    converted = CliRunner().invoke(build_app(), ["convert", str(report), "-o", "table"])
    assert words in converted.stdout


def test_since_without_an_end_is_partial(service: ScriptedAudits) -> None:
    service.answers = [message for message in of_watch(runs.messages()) if message.HasField("existing")]
    done = ask(service, "--since", "1h")
    assert (done.exit_code, done.stdout, "cut off" in done.stderr) == (3, "", True)


def test_no_answer_at_all_is_exit_code_2(service: ScriptedAudits) -> None:
    done = ask(service, "-o", "json")
    assert (done.exit_code, done.stdout) == (2, "")


# --- watch -----------------------------------------------------------------------------------------------------------


def changes() -> audit_pb2.WatchAuditResponse:
    new = audit_pb2.ViolationChange(
        direction=audit_pb2.ViolationChange.DIRECTION_NEW, violation=runs.VIOLATIONS[5], at=runs.ENDED
    )
    fixed = audit_pb2.ViolationChange(
        direction=audit_pb2.ViolationChange.DIRECTION_FIXED, violation=runs.VIOLATIONS[0], at=runs.ENDED
    )
    return audit_pb2.WatchAuditResponse(changes=audit_pb2.ViolationChanges(changes=[new, fixed]))


def test_watch_shows_what_comes_and_goes(service: ScriptedAudits) -> None:
    service.answers = [*of_watch(runs.messages()), changes()]
    done = ask(service, "--watch")
    assert done.exit_code == 3
    assert "cut off" in done.stderr
    new, fixed = done.stdout.splitlines()[-2:]
    assert new.startswith("+  2026-11-18T11:06:44.250Z  stage  v1/Pod default/=cmd  warn,deny  ScopedPolicy/odd")
    assert fixed.startswith("-  2026-11-18T11:06:44.250Z  prod-eu1  networking.k8s.io/v1/Ingress team-a/web  deny")
    assert "\x1b" not in done.stdout


def test_watch_as_json_lines(service: ScriptedAudits) -> None:
    service.answers = [*of_watch(runs.messages(violations=())), changes()]
    lines = [json.loads(line) for line in ask(service, "-w", "-o", "jsonl").stdout.splitlines()]
    assert [line["type"] for line in lines] == ["run", "summary", "new", "fixed"]
    assert lines[2]["message"] == runs.HOSTILE


def test_an_interrupt_ends_the_run_on_both_sides(service: ScriptedAudits) -> None:
    service.answers, service.holds = runs.messages(ends=False), True
    with subprocess.Popen(
        [FLEETGATE, "audit", "--server", service.address, "-o", "jsonl", *PLAIN],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as running:
        assert running.stdout is not None
        assert b'"type":"run"' in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=20)
    assert running.returncode == 130
    assert service.ended.wait(10)


# --- progress --------------------------------------------------------------------------------------------------------


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    lines = Lines()
    lines.start(1_000)
    for second in range(1, 25):
        clock[0] = float(second)
        lines.update(audit_pb2.AuditProgress(objects_done=second * 20, objects=1_000, violations=second))
    assert capsys.readouterr().err.splitlines() == [
        "audited 200 of 1,000 objects, 10 violations, 20 objects/s, 40s left",
        "audited 400 of 1,000 objects, 20 violations, 20 objects/s, 30s left",
    ]


def test_one_is_not_many(capsys: pytest.CaptureFixture[str]) -> None:
    Lines(seconds=0).update(audit_pb2.AuditProgress(objects_done=1, objects=1, violations=1))
    assert capsys.readouterr().err.startswith("audited 1 of 1 object, 1 violation, ")


def test_progress_is_a_bar_on_a_terminal_and_never_in_the_output(service: ScriptedAudits) -> None:
    def slowly() -> Iterator[audit_pb2.RunAuditResponse]:
        for message in runs.messages():
            time.sleep(0.15)
            yield message

    service.answers = slowly()
    primary, secondary = pty.openpty()
    with subprocess.Popen(
        [FLEETGATE, "audit", "--server", service.address, "-o", "json", *PLAIN],
        stdout=subprocess.PIPE,
        stderr=secondary,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    ) as running:
        os.close(secondary)
        shown = b""
        while select.select([primary], [], [], 20)[0]:
            try:
                shown += os.read(primary, 65_536)
            except OSError:  # the other side is closed
                break
        out, _ = running.communicate(timeout=20)
    os.close(primary)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "/1200" in text
    assert "objects/s" in text
    assert running.returncode == 1
    assert json.loads(out)["kind"] == "AuditReport"

"""`make demo`: what it shows, and that it leaves nothing behind."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
DECISIONS = {"allowed", "warned", "denied"}


def demo(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, root / "deploy" / "demo" / "demo.py"], capture_output=True, text=True, timeout=100, check=False
    )


def test_demo_shows_every_decision_and_stops_what_it_started() -> None:
    done = demo(ROOT)
    assert done.returncode == 0, done.stderr
    rows = [re.split(r" {2,}", line.strip()) for line in done.stdout.splitlines()]
    # object, decision, time, constraint, message
    decisions = {row[0]: row[1:2] + row[3:5] for row in rows if len(row) >= 3 and row[1] in DECISIONS}
    assert decisions["create Pod storefront/web"][0] == "allowed"
    assert decisions["create Pod storefront/foreign-image"] == [
        "denied",
        "our-registries-only",
        "container nginx: image docker.io/library/nginx:1.29 does not come from an allowed registry "
        "(registry.example.com, registry.k8s.io)",
    ]
    assert decisions["create Pod storefront/no-limits"] == [
        "warned",
        "pods-are-limited",
        "container web has no cpu limit",
    ]
    assert decisions["create Namespace unowned"][:2] == ["denied", "namespaces-have-an-owner"]
    assert decisions["create Service payments/not-internal"][:2] == ["denied", "load-balancers-are-internal"]
    assert re.search(r"^\d+ allowed, \d+ warned, \d+ denied", done.stdout, re.MULTILINE)
    audited = done.stdout.partition("fleetgate audit")[2]
    assert "Pod storefront/foreign-image" in audited
    assert re.search(r"our-registries-only +deny", audited), audited
    assert "Try next:" in done.stdout
    started = [int(pid) for pid in re.findall(r"pid (\d+)", done.stdout)]
    assert len(started) == 2
    assert not [pid for pid in started if psutil.pid_exists(pid)]


def test_demo_says_what_is_wrong(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    broken = tmp_path / "policies" / "broken.yaml"
    broken.parent.mkdir()
    broken.write_text("apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: x}\n")
    done = demo(tmp_path)
    assert done.returncode == 1
    assert "fleetgate serve ended with exit code" in done.stderr
    assert "policies/broken.yaml:1" in done.stderr

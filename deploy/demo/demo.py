"""``make demo``: real admission decisions on this machine, without a cluster.

Starts ``fleetgate serve`` with the policies of ``policies/`` and ``fleetgate webhook`` as a cluster called ``dev``,
with certificates of an authority made for this run. Sends the AdmissionReviews that a real API server once sent
(``tests/data/recorded``) to the webhook, as that API server would, and shows what it answers. Stops what it started,
then audits the same objects as if all of them existed, without a server.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from admission import Answer, Decision, Webhook, created_objects, recorded_reviews
from fleetgate_clients.output.tables import Cell, Column, render_table
from fleetgate_clients.output.terminal import Color, Paint, printable, wants_color, width_of
from processes import DemoError, Process, free_port

ROOT = Path(__file__).resolve().parents[2]
FLEETGATE = Path(sys.executable).with_name("fleetgate")
RECORDED = ROOT / "tests" / "data" / "recorded"
POLICIES = ROOT / "policies"
ALLOWED_SHOWN = 8
AUDIT_FOUND_VIOLATIONS = 1
STYLES = {Decision.ALLOWED: "green", Decision.WARNED: "yellow", Decision.DENIED: "red"}

NEXT = """\
Try next:
  .venv/bin/fleetgate verify policies/...   run the suites of these policies
  .venv/bin/fleetgate explain -f policies/ FILE
                                            why an object is denied, or why not
  make demo                                 again, after setting enforcementAction: deny in
                                            policies/constraints/required-limits.yaml
  .venv/bin/fleetgate --help                everything else
"""


def main() -> int:
    """Run the demo; return the exit code."""
    paint = Paint(wants_color(Color.AUTO, sys.stdout))
    try:
        with tempfile.TemporaryDirectory(prefix="fleetgate-demo-") as directory:
            answers = decide(Path(directory), paint)
            show(answers, paint)
            expect_all_decisions(answers)
            audit(Path(directory), paint)
    except DemoError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"{printable(line)}\n")
        return 1
    sys.stdout.write(f"\n{NEXT}")
    return 0


def decide(directory: Path, paint: Paint) -> list[Answer]:
    """Start both processes, send every recorded review, stop both."""
    issue_certificates(directory)
    service_port, metrics_port, webhook_port = free_port(), free_port(), free_port()
    serve = [
        FLEETGATE, "serve", f"--policies={POLICIES}",
        f"--listen=127.0.0.1:{service_port}", f"--metrics-listen=127.0.0.1:{metrics_port}",
        f"--tls-certificate={directory / 'server.crt'}", f"--tls-key={directory / 'server.key'}",
        f"--tls-client-ca={directory / 'ca.crt'}", "--drain-delay-seconds=0",
    ]  # fmt: skip
    webhook = [
        FLEETGATE, "webhook", "--cluster=dev", f"--namespaces-from={RECORDED / 'namespaces.yaml'}",
        f"--listen=127.0.0.1:{webhook_port}",
        f"--tls-cert={directory / 'webhook.crt'}", f"--tls-key={directory / 'webhook.key'}",
        f"--server=127.0.0.1:{service_port}", "--server-name=localhost", f"--server-ca={directory / 'ca.crt'}",
        f"--server-cert={directory / 'webhook-client.crt'}", f"--server-key={directory / 'webhook-client.key'}",
        "--drain-delay=0",
    ]  # fmt: skip
    with Process("serve", serve, directory / "serve.log") as service:
        service.wait_for_http(metrics_port, "/readyz")
        say(
            paint,
            "service",
            f"pid {service.pid}: gRPC with mutual TLS on 127.0.0.1:{service_port}, policies of policies/",
        )
        with Process("webhook", webhook, directory / "webhook.log") as admission:
            client = Webhook("127.0.0.1", webhook_port, directory / "ca.crt")
            admission.wait_until(client.is_ready)
            say(paint, "webhook", f"pid {admission.pid}: HTTPS on 127.0.0.1:{webhook_port}, for the cluster dev")
            reviews = recorded_reviews(RECORDED)
            say(paint, "reviews", f"{len(reviews)} that kube-apiserver sent, from tests/data/recorded")
            return [client.admit(review) for review in reviews]


def issue_certificates(directory: Path) -> None:
    """Make an authority and the certificates of both processes."""
    command = [sys.executable, str(ROOT / "deploy" / "compose" / "dev_ca.py"), str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoError(f"the certificates could not be made:\n{done.stderr}")


def show(answers: list[Answer], paint: Paint) -> None:
    """Print the table: all that was denied or warned about, some of what was allowed."""
    columns = (
        Column("OBJECT"), Column("DECISION"), Column("TIME"), Column("CONSTRAINT"), Column("MESSAGE", wraps=True),
    )  # fmt: skip
    rows: list[list[Cell | str]] = []
    allowed = [answer for answer in answers if answer.decision is Decision.ALLOWED]
    for answer in allowed[:ALLOWED_SHOWN]:
        rows.append([*head(answer), "", ""])
    for wanted in (Decision.WARNED, Decision.DENIED):
        for answer in answers:
            if answer.decision is wanted:
                first, *others = answer.lines
                rows.append([*head(answer), *first])
                rows.extend(["", "", "", *line] for line in others)
    sys.stdout.write("\n" + render_table(columns, rows, width=width_of(sys.stdout), color=paint.enabled))
    counts = Counter(answer.decision for answer in answers)
    summary = ", ".join(f"{paint(str(counts[decision]), STYLES[decision], 'bold')} {decision}" for decision in Decision)
    hidden = len(allowed) - min(len(allowed), ALLOWED_SHOWN)
    sys.stdout.write(f"\n{summary}" + (f" ({hidden} of the allowed ones not shown)\n" if hidden else "\n"))


def audit(directory: Path, paint: Paint) -> None:
    """Audit what was asked to be created, in its Namespaces."""
    objects = directory / "objects.ndjson"
    objects.write_text("".join(f"{one}\n" for one in created_objects(RECORDED)))
    files = (POLICIES, objects.name, RECORDED / "namespaces.yaml")
    command = [FLEETGATE, "audit", "--quiet", *(f"--filename={path}" for path in files)]
    sys.stdout.write("\n")
    say(paint, "audit", "the same objects, as if they existed: fleetgate audit -f policies/ -f objects.ndjson")
    sys.stdout.write("\n")
    sys.stdout.flush()
    done = subprocess.run(command, cwd=directory, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != AUDIT_FOUND_VIOLATIONS:
        raise DemoError(f"the audit ended with exit code {done.returncode}:\n{done.stderr}")


def head(answer: Answer) -> tuple[Cell | str, ...]:
    """Return the cells that name the object and its decision."""
    return answer.subject, Cell(answer.decision, STYLES[answer.decision]), Cell(answer.time, "dim")


def expect_all_decisions(answers: list[Answer]) -> None:
    """Raise DemoError unless every kind of decision was made and none is an error."""
    missing = [decision for decision in Decision if all(answer.decision is not decision for answer in answers)]
    if missing:
        raise DemoError(f"nothing was {' or '.join(missing)}: the policies or the recordings are not what they were")


def say(paint: Paint, what: str, text: str) -> None:
    """Print what was started."""
    sys.stdout.write(f"{paint(f'{what:8}', 'bold')} {printable(text)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""Many large requests at once, and what the metrics say about them."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from tests.support.canned_service import canned_service
from tests.support.certificates import Authority
from tests.support.processes import free_port
from tests.support.serving import http_get
from tests.support.webhook_client import admission_review, webhook_process

MIB = 1024 * 1024


def test_large_requests_at_once_share_a_bounded_memory(tmp_path: Path) -> None:
    body = json.dumps(admission_review(object={"data": "x" * (6 * MIB)})).encode()
    with canned_service() as service, webhook_process(tmp_path, [service.target]) as webhook:
        process = psutil.Process(webhook.process.pid)
        webhook.admit(body)
        before = process.memory_info().rss
        most = before
        with ThreadPoolExecutor(32) as pool:
            answers = [pool.submit(webhook.admit, body, query="?timeout=30s") for _ in range(64)]
            while not all(answer.done() for answer in answers):
                most = max(most, process.memory_info().rss)
        assert {answer.result().status for answer in answers} == {200}
        # Four at a time, each in a few copies (body, request, message, gRPC's own); 32 at a time would be 800 MiB.
        assert most - before < 240 * MIB


def test_metrics(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    pair = authority.issue("webhook")
    tls = (f"--tls-cert={pair.certificate}", f"--tls-key={pair.key}")
    port = free_port()
    arguments = (f"--metrics-listen=127.0.0.1:{port}",)
    with (
        canned_service() as service,
        webhook_process(tmp_path, [service.target], *arguments, tls=tls, ca=authority.file) as webhook,
    ):
        webhook.admit(admission_review())
        webhook.admit(b"{")
        webhook.admit(admission_review(namespace="gone"))
        status, text = http_get(port, "/metrics")
        assert status == 200
        counts = dict(
            re.findall(r'^fleetgate_webhook_request_duration_seconds_count\{.*outcome="(\w+)".*\} (\S+)$', text, re.M)
        )
        assert counts == {"allow": "1.0", "invalid": "1.0", "error": "1.0"}
        assert re.search(
            r'^rpc_client_call_duration_seconds_count\{.*status_code="OK".*\} 2.0$', text, re.M
        )  # the service is asked before a Namespace that is not found is missed
        assert re.search(r"^fleetgate_webhook_namespaces(_ratio)?\{.*\} 1.0$", text, re.M)
        expiry = re.search(r"^fleetgate_webhook_certificate_expiry_seconds\{.*\} (\S+)$", text, re.M)
        assert expiry is not None
        assert 80_000 < float(expiry[1]) < 87_000
        assert http_get(port, "/readyz")[0] == 200
        assert http_get(port, "/v1/admit")[0] == 404

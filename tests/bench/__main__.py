"""`make bench`: the core in process and the service around it, each against floors of the same run; and the cache.

Prints a table per part and, with ``--json FILE``, writes one document. Exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from fleetgate_clients.output.tables import Column, render_table

from tests.bench import audit, command, core, fleet, inventory, service, views, workload


def main() -> int:
    """Run the parts that were asked for."""
    options = _options()
    try:
        workload.directory()
        workload.conformance()
    except workload.WorkloadMissing as missing:
        print(f"error: {missing}", file=sys.stderr)
        return 2
    try:
        document, kept = _measure(options)
    except RuntimeError as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 2
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0 if kept else 1


def _measure(options: argparse.Namespace) -> tuple[dict[str, object], bool]:
    """Print a table per part; return the document and whether every bar was kept."""
    document: dict[str, object] = {"machine": _machine()}
    kept = True
    if options.only in {None, "core"}:
        document["core"] = in_process = core.measure()
        kept &= in_process["barKept"]
        print(_core_table(in_process))
    if options.only in {None, "inventory"}:
        document["inventory"] = cached = inventory.measure()
        kept &= cached["barKept"]
        print(_inventory_table(cached))
        document["views"] = viewed = views.measure()
        print(_views_table(viewed))
    if options.only in {None, "fleet"}:
        changing = _measure_fleet(options)
        document["fleet"] = changing.document()
        kept &= changing.bar_kept
        print(_fleet_table(changing))
    if options.only in {None, "audit"}:
        document["audit"] = audited = audit.measure(pods=options.pods)
        kept &= audited["barKept"]
        print(audit.table(audited, _table))
    if options.only in {None, "command"}:
        document["command"] = typed = command.measure()
        kept &= typed["barKept"]
        print(_command_table(typed))
    if options.only in {None, "loading"}:
        document["loading"] = loading = core.measure_loading()
        kept &= loading["barKept"]
        print(_loading_table(loading))
    if options.only in {None, "service"}:
        report = _measure_service(options)
        document["service"] = report.document()
        kept &= report.bar_kept
        print(_service_table(report))
        print(_webhook_table(report))
    return document, kept


def _measure_service(options: argparse.Namespace) -> service.ServiceReport:
    with tempfile.TemporaryDirectory(prefix="fleetgate-bench-") as scratch:
        return service.measure(Path(scratch), rounds=options.rounds, requests=options.requests)


def _measure_fleet(options: argparse.Namespace) -> fleet.FleetReport:
    with tempfile.TemporaryDirectory(prefix="fleetgate-bench-") as scratch:
        return fleet.measure(Path(scratch), rounds=options.rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--only",
        choices=["audit", "command", "core", "fleet", "inventory", "loading", "service"],
        help="measure one part (default: all)",
    )
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds; figures are medians (default 5)")
    parser.add_argument("--requests", type=int, default=3000, help="requests per sample of the service (default 3000)")
    parser.add_argument("--pods", type=int, default=audit.PODS, help="Pods that are audited (default 100000)")
    parser.add_argument("--json", type=Path, help="write the whole report here")
    return parser.parse_args()


def _machine() -> dict[str, object]:
    return {
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "loadAverage": os.getloadavg(),
    }


def _core_table(report: dict[str, Any]) -> str:
    names = {"ours": "bytes to bytes", "vm": "floor: VM, ready values", "json": "JSON to value"}
    rows = [
        [
            text,
            *(f"{report[name][figure]:.3f}" for figure in ("meanMs", "p50Ms", "p99Ms")),
            f"{report[name]['reviewsPerSecond']:.0f}",
        ]
        for name, text in names.items()
    ]
    verdict = "kept" if report["barKept"] else "MISSED"
    return (
        f"Core in process, one core: {report['pods']} Pods, {report['templates']} templates, "
        f"{report['programsPerPass']} programs and {report['violationsPerPass']} violations per pass\n"
        + "".join(f"left out, not measured: {reason}\n" for reason in report["refused"])
        + _table("WHAT MEAN-MS P50-MS P99-MS REVIEWS/S", rows)
        + f"{report['ratio']:.2f} x the floor; at most 1.2 x the floor + JSON = {report['barMs']:.3f} ms: {verdict}\n"
    )


def _inventory_table(report: inventory.InventoryReport) -> str:
    figures = [
        ("JSON", report["jsonBytes"]),
        ("kept, compressed", report["storedBytes"]),
        ("kept, with index (resident)", report["residentBytes"]),
        ("values for Rego (resident)", report["valueBytes"]),
    ]
    verdict = "kept" if report["barKept"] else "MISSED"
    return (
        f"Cache: {report['pods']} Pods of {report['clusters']} clusters\n"
        + _table("FORM BYTES-PER-POD", [[text, f"{size:.0f}"] for text, size in figures])
        + f"{report['writeMicros']:.1f} µs to keep a Pod; first decision that reads a cluster's Pods "
        f"{report['firstViewSeconds']:.2f} s, after a Pod changed {report['updateMillis']:.1f} ms\n"
        + f"{report['totalBytes'] / 2**30:.2f} GiB in all, at most {report['barBytes'] / 2**30:.2f}: {verdict}\n"
    )


def _views_table(report: views.ViewsReport) -> str:
    figures = [
        ("JSON", report["jsonBytes"]),
        ("kept (resident)", report["keptBytes"]),
        ("with values for Rego, all decided (resident)", report["viewedBytes"]),
        ("after changes and decisions (resident)", report["changedBytes"]),
    ]
    return (
        f"Views: {report['pods']} Pods and {report['ingresses']} Ingresses of {report['clusters']} clusters, read by "
        "UniquePodAddress (ours) and K8sUniqueIngressHost\n"
        + _table("FORM MIB", [[text, f"{size / 2**20:.0f}"] for text, size in figures])
        + f"decisions while objects change: Pod p50 {report['podP50Millis']:.2f} ms, p99 {report['podP99Millis']:.2f} "
        f"ms; Ingress p50 {report['ingressP50Millis']:.2f} ms, p99 {report['ingressP99Millis']:.2f} ms\n"
    )


def _fleet_table(report: fleet.FleetReport) -> str:
    pairs = [
        ("no events", report.events.quiet),
        (f"{fleet.EVENTS_PER_SECOND} events/s over {report.clusters} clusters", report.events.busy),
        ("no events", report.flood.quiet),
        (f"one cluster at {fleet.FLOOD_PER_SECOND}/s, listed anew", report.flood.busy),
        ("no agents", report.agents.quiet),
        (f"{fleet.AGENTS} idle agents", report.agents.busy),
    ]
    rows = [
        [
            text,
            f"{sample.rate:.0f}",
            f"{sample.events:.0f}",
            f"{sample.unanswered:.0f}",
            *_milliseconds(sample.p50, sample.p99, sample.seen_age_p99, sample.read_age_p99),
        ]
        for text, sample in pairs
    ]
    verdict = "kept" if report.bar_kept else "MISSED"
    return (
        f"Fleet: {report.clusters} clusters, all policies; saturated at {report.saturation:.0f} reviews/s\n"
        + _table("DURING REVIEWS/S EVENTS/S UNANSWERED P50-MS P99-MS AGE-P99-MS READ-AGE-P99-MS", rows)
        + f"p99 {report.events.ratio:.2f} x and {report.flood.ratio:.2f} x (at most {fleet.LATENCY_BAR_RATIO}), ages "
        f"at most {fleet.AGE_BAR_SECONDS:g} s, p50 {report.agents_ratio:.2f} x beside agents; {report.lists} lists of "
        f"the flooding cluster; at least {fleet.LOWEST_RATE:.0f} reviews/s: {verdict}\n"
    )


def _loading_table(report: dict[str, Any]) -> str:
    figures = [f"{report[name]:.1f}" for name in ("medianMs", "medianCpuMs", "fastestMs", "slowestMs")]
    verdict = "kept" if report["barKept"] else "MISSED"
    return (
        f"Loading gatekeeper-library, one core: {report['templates']} templates of {report['bytes'] / 1024:.0f} KiB, "
        f"{report['loads']} loads\n"
        + "".join(f"left out, not measured: {reason}\n" for reason in report["refused"])
        + _table("MEDIAN-MS MEDIAN-CPU-MS FASTEST-MS SLOWEST-MS", [figures])
        + f"median at most {report['barMs']:.0f} ms: {verdict}\n"
    )


def _command_table(report: command.CommandReport) -> str:
    verdict = "kept" if report["barKept"] else "MISSED"
    return (
        f"`fleetgate --help`: {report['help'] * 1e3:.0f} ms, an empty Python {report['floor'] * 1e3:.0f} ms; at most "
        f"{command.BAR_SECONDS * 1e3:.0f} ms: {verdict}\n"
    )


def _service_table(report: service.ServiceReport) -> str:
    rows = [
        [
            str(row.callers),
            f"{row.sampling:.0%}",
            *(f"{seconds * 1e6:.0f}" for seconds in (row.service, row.identity, row.core, row.python_share)),
            f"{row.rate:.0f}",
            f"{row.identity_rate:.0f}",
            *_milliseconds(row.p50, row.p99),
        ]
        for row in report.rows
    ]
    verdict = "kept" if report.bar_kept else "MISSED"
    return (
        f"Service: CPU per RPC in µs, medians of {report.rounds} alternating rounds of {report.requests} reviews "
        f"({report.request_bytes} bytes in, {report.answer_bytes} out) by {report.templates} templates\n"
        + "".join(f"left out, not measured: {reason}\n" for reason in report.refused)
        + _table("CALLERS SAMPLED SERVICE IDENTITY CORE PYTHON RPC/S IDENTITY-RPC/S P50-MS P99-MS", rows)
        + "PYTHON = SERVICE - IDENTITY - CORE (median of the rounds' differences), at most "
        f"{report.python_share_bar * 1e6:.0f} at 1 caller and 1% sampling: {verdict}\n"
    )


def _webhook_table(report: service.ServiceReport) -> str:
    rows = [
        [str(row.callers), f"{row.webhook * 1e6:.0f}", f"{row.rate:.0f}", *_milliseconds(row.p50, row.p99)]
        for row in report.webhook_rows
    ]
    return (
        "Webhook: CPU of its process per review in µs, HTTPS in, gRPC out, through the service, 1% sampled\n"
        + _table("CALLERS WEBHOOK REVIEWS/S P50-MS P99-MS", rows)
    )


def _table(titles: str, rows: list[list[str]]) -> str:
    return render_table([Column(title) for title in titles.split()], rows, width=None, color=False)


def _milliseconds(*seconds: float) -> list[str]:
    return [f"{each * 1e3:.2f}" for each in seconds]


if __name__ == "__main__":
    sys.exit(main())

"""The report as one HTML file that needs nothing else: no network, no JavaScript to be read.

What came from outside is escaped, and a Content-Security-Policy lets only the page's own style and script run.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from fleetgate_clients.audit.report import Effect
from fleetgate_clients.output.terminal import printable

from .summary import Row, number, rows, totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fleetgate_clients.audit.report import Cluster, Report, Violation

_HEAT = 5
_THRESHOLDS = (101, 34, 11, 4, 1)
"""Violations from which a cell of the map has the fifth shade, the fourth, … the first."""


def html_text(report: Report) -> str:
    """Return the page."""
    return "".join(_page(report))


def _text(text: str) -> str:
    """Text as HTML, controls and bidirectional marks shown rather than obeyed."""
    return escape(printable(text))


def _asset(name: str) -> str:
    return files(__package__).joinpath("page", name).read_text("utf-8")


def _allowed(content: str) -> str:
    """The source expression that lets an inline element of just this content through."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _page(report: Report) -> Iterator[str]:
    style, script = _asset("style.css"), _asset("script.js")
    policy = (
        f"default-src 'none'; style-src {_allowed(style)}; script-src {_allowed(script)}; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )
    yield "<!doctype html>\n"
    yield '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>fleetgate audit: {_text(totals(report))}</title>\n"
    # An empty icon of its own: without it a browser asks for one.
    yield '<link rel="icon" href="data:,">\n'
    yield f"<style>{style}</style>\n</head>\n<body>\n"
    yield '<a class="skip" href="#found">Skip to the violations</a>\n'
    yield from _header(report)
    yield from _shortfalls(report)
    yield from _heat_map(report)
    yield from _clusters(report.clusters)
    yield from _violations(report)
    yield f"<script>{script}</script>\n</body>\n</html>\n"


def _header(report: Report) -> Iterator[str]:
    facts = {
        "run": report.run.id,
        "started": report.run.started_at,
        "ended": report.ended_at,
        "policies": f"generation {report.run.generation}" if report.run.generation else "",
        "digest": report.run.digest[:12],
    }
    yield "<header>\n<h1>Audit of the fleet</h1>\n"
    items = (f"<li>{name} {_text(value)}</li>" for name, value in facts.items() if value)
    yield f'<ul class="facts">{"".join(items)}</ul>\n<ul class="totals">'
    for effect in Effect:
        count = report.counts.of(effect)
        if count or effect is Effect.DENY:
            yield f'<li><strong class="{effect if count else "ok"}">{count:,}</strong>{effect}</li>'
    if report.baseline is not None:
        new = report.counts.new.total()
        yield f"<li><strong>{new:,}</strong>new since the baseline</li>"
        yield f"<li><strong>{report.baseline.fixed:,}</strong>fixed since the baseline</li>"
    objects = "object" if report.objects == 1 else "objects"
    yield f"<li><strong>{report.objects:,}</strong>{objects} in {number(len(report.clusters), 'cluster')}</li>"
    yield "</ul>\n</header>\n<main>\n"


def _shortfalls(report: Report) -> Iterator[str]:
    for heading, sentences, remark in (
        ("Incomplete", report.shortfalls(), "What was not looked at is unknown: this is no clean bill."),
        ("Not reviewed", report.not_reviewed(), ""),
    ):
        items = "".join(f"<li>{_text(sentence)}</li>" for sentence in sentences)
        if items:
            yield f'<section class="incomplete" aria-label="{heading}">\n<h2>{heading}</h2>\n'
            yield f"<p>{remark}</p>\n<ul>{items}</ul>\n</section>\n" if remark else f"<ul>{items}</ul>\n</section>\n"


def _heat_map(report: Report) -> Iterator[str]:
    found = rows(report)
    clusters = list(dict.fromkeys([*(cluster.name for cluster in report.clusters), *(row.cluster for row in found)]))
    constraints = sorted({row.constraint for row in found}, key=lambda name: (name.kind, name.name, name.scope))
    if not constraints:
        return
    cells = {(row.constraint, row.cluster): row for row in found}
    yield "<section>\n<h2>Constraints by cluster</h2>\n"
    yield '<p class="muted">Violations. An empty cell: the Constraint does not hold there. Striped: no answer.</p>\n'
    yield '<div class="scroll" tabindex="0" role="region" aria-label="Constraints by cluster">\n'
    yield '<table class="heat sortable">\n<thead><tr><th scope="col">Constraint</th>'
    yield "".join(f'<th scope="col" class="number">{_text(cluster)}</th>' for cluster in clusters)
    yield '<th scope="col" class="number">all</th></tr></thead>\n<tbody>\n'
    for constraint in constraints:
        title = _text(str(constraint)) + (
            ' <span class="muted">(cluster)</span>' if constraint.scope != "fleet" else ""
        )
        those = [cells.get((constraint, cluster)) for cluster in clusters]
        yield f'<tr><th scope="row">{title}</th>{"".join(map(_heat_cell, those))}'
        yield f"<td>{sum(row.violations for row in those if row is not None):,}</td></tr>\n"
    yield "</tbody>\n</table>\n</div>\n</section>\n"


def _heat_cell(row: Row | None) -> str:
    if row is None:
        return '<td data-sort="-1"></td>'
    if not row.violations:
        unanswered = row.result is not None and row.result.errors
        return '<td data-sort="0" class="unknown">?</td>' if unanswered else '<td data-sort="0" class="muted">0</td>'
    shade = next(len(_THRESHOLDS) - index for index, least in enumerate(_THRESHOLDS) if row.violations >= least)
    trend = f" <small>{row.trend}</small>" if row.trend else ""
    names = f'data-cluster="{_text(row.cluster)}" data-constraint="{_text(str(row.constraint))}"'
    label = _text(f"{number(row.violations, 'violation')} of {row.constraint} in {row.cluster}")
    link = f'<a href="#found" {names} aria-label="{label}">{row.violations:,}{trend}</a>'
    return f'<td data-sort="{row.violations}" class="h{shade}">{link}</td>'


def _clusters(clusters: Sequence[Cluster]) -> Iterator[str]:
    yield '<section>\n<h2>Clusters</h2>\n<div class="scroll" tabindex="0" role="region" aria-label="Clusters">\n'
    yield '<table class="sortable">\n<thead><tr><th scope="col">Cluster</th><th scope="col">State</th>'
    yield '<th scope="col" class="number">Objects</th><th scope="col" class="number">Not judged</th>'
    yield '<th scope="col">Why not complete</th></tr></thead>\n<tbody>\n'
    for cluster in clusters:
        state = "complete" if cluster.complete else "incomplete"
        style = "ok" if cluster.complete else "warn"
        yield (
            f'<tr><td class="name">{_text(cluster.name)}</td><td class="{style}">{state} {_text(cluster.state)}</td>'
            f'<td class="number">{cluster.objects:,}</td><td class="number">{cluster.errors:,}</td>'
            f'<td class="message">{_text(cluster.reason)}</td></tr>\n'
        )
    yield "</tbody>\n</table>\n</div>\n</section>\n"


def _violations(report: Report) -> Iterator[str]:
    yield '<section id="found">\n<h2>Violations</h2>\n'
    if not report.violations:
        yield "<p>None were found.</p>\n</section>\n</main>\n"
        return
    clusters = dict.fromkeys(sorted({violation.object.cluster for violation in report.violations}))
    yield '<form class="filters" hidden>\n'
    yield '<div><label for="text">Contains (press /)</label>'
    yield '<input id="text" type="search" name="text" autocomplete="off"></div>\n'
    yield _select("cluster", "Cluster", clusters)
    yield _select("action", "Action", [effect.value for effect in Effect])
    yield '<button type="reset">Show all</button>\n<span id="shown" role="status"></span>\n</form>\n'
    yield '<div class="scroll" tabindex="0" role="region" aria-label="Violations">\n'
    yield '<table id="violations" class="sortable">\n<thead><tr><th scope="col">Cluster</th><th scope="col">Object</th>'
    yield '<th scope="col">Action</th><th scope="col">Constraint</th><th scope="col">Message</th>'
    yield "</tr></thead>\n<tbody>\n"
    yield from map(_violation, report.violations)
    yield "</tbody>\n</table>\n</div>\n</section>\n</main>\n"


def _select(name: str, label: str, values: Iterable[str]) -> str:
    options = "".join(f'<option value="{_text(value)}">{_text(value)}</option>' for value in values)
    select = f'<select id="{name}" name="{name}"><option value="">all</option>{options}</select>'
    return f'<div><label for="{name}">{label}</label>{select}</div>\n'


def _violation(violation: Violation) -> str:
    found, effect, constraint = violation.object, violation.effect, _text(str(violation.constraint))
    known = ' <span class="muted">known</span>' if violation.known else ""
    owner = f'<br><span class="muted">owner {_text(found.owner)}</span>' if found.owner else ""
    seen = f'<br><span class="muted">first seen {_text(violation.first_seen)}</span>' if violation.first_seen else ""
    details = ""
    if violation.details not in {"", "{}"}:
        details = f"<details><summary>details</summary><pre>{_text(violation.details)}</pre></details>"
    cluster, order = _text(found.cluster), list(Effect).index(effect)
    action = _text(",".join(violation.actions) or violation.action)
    return (
        f'<tr data-cluster="{cluster}" data-constraint="{constraint}" data-action="{effect}">'
        f'<td class="name">{cluster}</td>'
        f'<td class="name">{_text(str(found))}{owner}</td>'
        f'<td class="{effect}" data-sort="{order}">{action}{known}</td>'
        f'<td class="name">{constraint}</td>'
        f'<td class="message">{_text(violation.message)}{seen}{details}</td></tr>\n'
    )

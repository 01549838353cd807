"""The model of an audit: what the messages of a run become, the canonical JSON, baselines and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from fleetgate_clients.audit import document
from fleetgate_clients.audit.baseline import KnownViolations
from fleetgate_clients.audit.collect import Collector
from fleetgate_clients.audit.document import ReportError, from_json, parsed
from fleetgate_clients.audit.exit_codes import exit_code
from fleetgate_clients.audit.report import Effect, ObjectName, Report, Violation, effect_of
from fleetgate_clients.output.audit import Format, Look, line_writer, write
from hypothesis import given
from hypothesis import strategies as st

from tests.support import audit_runs as runs
from tests.support.audit_reports import NOT_REVIEWED, REPORTS

PUBLISHED = Path(__file__).parents[2] / "docs/schemas/audit-report.json"
SCHEMA = Path(document.__file__).with_name("audit-report.schema.json")
VALIDATOR = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text()), validate_formats=True)


def text_of(report: Report, wanted: Format = Format.JSON) -> str:
    return "".join(write(report, wanted, Look()))


def test_the_published_schema_is_the_packaged_one() -> None:
    assert PUBLISHED.read_bytes() == SCHEMA.read_bytes()
    jsonschema_rs.meta.validate(json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_is_valid_and_survives_being_written_and_read(name: str) -> None:
    text = text_of(REPORTS[name])
    VALIDATOR.validate(json.loads(text))
    assert from_json(text) == REPORTS[name]
    assert text_of(from_json(text)) == text


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("violations", 0, "message"), None),
        (("violations", 0, "known"), False),
        (("violations", 0, "surprise"), 1),
        (("run", "startedAt"), "yesterday"),
        (("summary", "violations", "deny"), -1),
        (("apiVersion",), "fleetgate.dev/v2"),
    ],
)
def test_the_schema_refuses_what_is_no_report(path: tuple[str | int, ...], value: Any) -> None:
    whole: Any = json.loads(text_of(REPORTS["ordinary"]))
    place = whole
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert not VALIDATOR.is_valid(whole)


def test_the_messages_of_a_run_become_a_report() -> None:
    report = runs.report(before=2)
    assert report.run.id == runs.RUN_ID
    assert report.run.clusters == ("prod-eu1", "stage")
    assert (report.run.started_at, report.ended_at) == ("2026-11-18T11:06:40Z", "2026-11-18T11:06:44.250Z")
    assert report.complete
    assert report.objects == 1200
    assert [report.counts.of(effect) for effect in Effect] == [3, 2, 1, 0]
    first = report.violations[1]
    assert str(first.object) == "v1/Pod team-a/web-7d9c6f5b8-x2x4v"
    assert first.object.owner == "ReplicaSet/web-7d9c6f5b8"
    assert parsed(first.details) == {"image": "docker.io/library/nginx:1.29", "count": 12345678901234567890}
    assert first.first_seen == "2026-11-18T11:06:40Z"
    cluster = report.clusters[0]
    assert (cluster.labels, cluster.state, cluster.age) == ((("stage", "prod"),), "SYNCED", 0.25)
    assert {result.before for result in report.constraints} == {2}


def test_a_run_that_is_cut_off_is_incomplete_and_says_so() -> None:
    report = runs.report(ends=False)
    assert not report.complete
    assert next(iter(report.shortfalls())) == "the run did not come to its end: the answer ended early"
    assert [cluster.complete for cluster in report.clusters] == [False, False]
    assert len(report.violations) == len(runs.VIOLATIONS)


def test_a_cluster_that_the_summary_leaves_out_is_incomplete() -> None:
    collector = Collector()
    for message in runs.messages():
        if message.HasField("summary"):
            del message.summary.clusters[1]
        collector.take(message)
    report = collector.report()
    assert [cluster.complete for cluster in report.clusters] == [True, False]
    assert exit_code(report) == 3


def test_details_are_kept_to_the_digit() -> None:
    text = '{"a":1e400,"b":1.50,"c":123456789012345678901,"d":"\\u0007"}'
    found = runs.report(violations=(runs.violation("c", runs.POD, "n", "x", runs.HOSTS, "m", raw_details=text),))
    assert f'"details":{text}' in text_of(found)
    assert parsed(text) == {"a": "1e400", "b": 1.5, "c": 123456789012345678901, "d": "\x07"}
    assert document.details_of(b"") == ""
    assert document.details_of(b'{\n "a": "\xc2\x9b"}') == '{"a": "\\u009b"}'


@pytest.mark.parametrize(
    ("action", "scoped", "effect"),
    [
        ("deny", (), Effect.DENY),
        ("warn", (), Effect.WARN),
        ("dryrun", (), Effect.DRYRUN),
        ("block", (), Effect.OTHER),
        ("scoped", ("warn", "deny"), Effect.DENY),
        ("scoped", ("dryrun", "warn"), Effect.WARN),
        ("scoped", (), Effect.OTHER),
        ("dryrun", ("deny",), Effect.DRYRUN),
    ],
)
def test_the_worst_action_that_holds_decides(action: str, scoped: tuple[str, ...], effect: Effect) -> None:
    assert effect_of(action, scoped) is effect


# --- exit codes ------------------------------------------------------------------------------------------------------

DENIES, WARNS = runs.VIOLATIONS[:1], runs.VIOLATIONS[2:3]
STALE = {"stage": "STALE"}


@pytest.mark.parametrize(
    ("options", "flags", "code"),
    [
        ({"violations": ()}, {}, 0),
        ({"violations": DENIES}, {}, 1),
        ({"violations": WARNS}, {}, 0),
        ({"violations": runs.VIOLATIONS[3:4]}, {"fail_on_warn": True}, 0),
        ({"violations": WARNS}, {"fail_on_warn": True}, 4),
        ({"violations": DENIES + WARNS}, {"fail_on_warn": True}, 1),
        ({"violations": (), "incomplete": STALE}, {}, 3),
        ({"violations": DENIES, "incomplete": STALE}, {"fail_on_warn": True}, 3),
        ({"violations": (), "ends": False}, {}, 3),
        ({"violations": (), "errors": tuple(runs.unanswered("stage", "a", "b"))}, {}, 3),
        ({"violations": DENIES}, {"exit_zero": True}, 0),
        ({"violations": WARNS}, {"exit_zero": True, "fail_on_warn": True}, 0),
        ({"violations": DENIES, "incomplete": STALE}, {"exit_zero": True}, 3),
    ],
)
def test_exit_codes(options: dict[str, Any], flags: dict[str, bool], code: int) -> None:
    assert exit_code(runs.report(**options), **flags) == code


# --- baselines -------------------------------------------------------------------------------------------------------


def test_an_unchanged_run_has_nothing_new() -> None:
    report = runs.report(known=KnownViolations(runs.report()))
    assert all(violation.known for violation in report.violations)
    assert (report.baseline.known, report.baseline.fixed) == (len(runs.VIOLATIONS), 0)
    assert exit_code(report, fail_on_warn=True) == 0


def test_the_trend_is_against_the_baseline_where_no_run_before_is_known() -> None:
    baseline = KnownViolations(runs.report(violations=runs.VIOLATIONS[:1] * 3))
    before = {
        (result.cluster, result.constraint.kind): result.before for result in runs.report(known=baseline).constraints
    }
    assert before["prod-eu1", runs.HOSTS[0]] == 3
    assert before["stage", runs.HOSTS[0]] == 0
    assert {result.before for result in runs.report(known=baseline, before=7).constraints} == {7}


def test_one_new_violation_fails() -> None:
    report = runs.report(known=KnownViolations(runs.report(violations=runs.VIOLATIONS[1:])))
    assert [violation.known for violation in report.violations] == [False, True, True, True, True, True]
    assert exit_code(report) == 1


def test_the_same_violation_twice_needs_two_in_the_baseline() -> None:
    twice = runs.VIOLATIONS[:1] * 2
    report = runs.report(violations=twice, known=KnownViolations(runs.report(violations=runs.VIOLATIONS[:1])))
    assert [violation.known for violation in report.violations] == [True, False]


def test_what_is_fixed_is_counted_and_fails_nothing() -> None:
    report = runs.report(violations=(), known=KnownViolations(runs.report()))
    assert report.baseline.fixed == len(runs.VIOLATIONS)
    assert exit_code(report, fail_on_warn=True) == 0


def test_a_baseline_is_as_good_when_it_was_read_from_its_file() -> None:
    report = runs.report(known=KnownViolations(from_json(text_of(runs.report()))))
    assert report.counts.new.total() == 0


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("{" * 100_000, "no JSON"),
        ("[]", "no valid AuditReport"),
        ('{"apiVersion": "fleetgate.dev/v1", "kind": "Other"}', "no AuditReport"),
        ('{"apiVersion": "fleetgate.dev/v1", "kind": "AuditReport"}', "missing required field"),
        ('{"apiVersion": "fleetgate.dev/v1", "kind": "AuditReport", "violations": [1]}', "no valid AuditReport"),
    ],
)
def test_what_is_no_report_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ReportError, match=words):
        from_json(text)


# --- streaming -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [Format.JSON, Format.JSONL, Format.CSV])
@pytest.mark.parametrize("name", ["ordinary", "not judged", "incomplete", "cut off"])
def test_what_is_streamed_is_what_convert_makes(wanted: Format, name: str) -> None:
    options: dict[str, Any] = {
        "ordinary": {},
        "not judged": {"errors": tuple(runs.unanswered("stage", "default", "deep"))},
        "incomplete": {"incomplete": {"stage": "unreachable: no answer within 5s"}, "not_audited": (NOT_REVIEWED,)},
        "cut off": {"ends": False},
    }[name]
    writer = line_writer(wanted)
    assert writer is not None
    out: list[str] = []
    collector = Collector(emit=lambda violation: out.append(writer.violation(violation)))
    for message in runs.messages(**options):
        collector.take(message)
    streamed = collector.report()
    out = [writer.begin(streamed.run), *out, writer.end(streamed)]
    assert not streamed.violations
    assert "".join(out) == text_of(from_json(text_of(REPORTS[name])), wanted)


@pytest.mark.parametrize(("wanted", "form"), [(Format.JSONL, "-o jsonl"), (Format.YAML, "-o yaml")])
def test_another_form_of_an_audit_is_named(wanted: Format, form: str) -> None:
    text = text_of(REPORTS["ordinary"], wanted)
    for given_text in (text, text.encode()):
        with pytest.raises(ReportError, match=f"{form}.*`fleetgate audit -o json`"):
            from_json(given_text)


def test_an_object_without_a_name_leaves_no_gap() -> None:
    assert str(ObjectName("c", "fleetgate.dev", "v1", "AuditReport", "", "")) == "fleetgate.dev/v1/AuditReport"


def test_json_lines_say_what_they_are() -> None:
    lines = [json.loads(line) for line in text_of(REPORTS["not judged"], Format.JSONL).splitlines()]
    assert [line["type"] for line in lines] == ["run", *["violation"] * 6, *["error"] * 2, "summary"]
    whole = {**lines[0], "violations": lines[1:7], "errors": lines[7:9], **lines[-1]}
    for part in (whole, *whole["violations"], *whole["errors"]):
        del part["type"]
    assert from_json(json.dumps(whole)) == REPORTS["not judged"]


@given(st.lists(st.sampled_from(runs.VIOLATIONS), max_size=12), st.lists(st.sampled_from(runs.VIOLATIONS), max_size=12))
def test_known_and_new_are_a_partition(now: list[Any], then: list[Any]) -> None:
    report = runs.report(violations=tuple(now), known=KnownViolations(runs.report(violations=tuple(then))))
    keys = [item.SerializeToString(deterministic=True) for item in now]
    kept = sum(
        min(keys.count(key), [i.SerializeToString(deterministic=True) for i in then].count(key)) for key in set(keys)
    )
    known: list[Violation] = [violation for violation in report.violations if violation.known]
    assert len(known) == report.baseline.known == kept
    assert report.baseline.fixed == len(then) - kept
    assert report.counts.new.total() == len(now) - kept

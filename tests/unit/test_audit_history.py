"""The history of audits: the same laws on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE

import psutil
import pytest
from fleetgate.audit.history import schema
from fleetgate.audit.history.database import Database, HistoryFailed, open_database
from fleetgate.audit.history.process import WriterProcess
from fleetgate.audit.history.reader import Changes, Reader
from fleetgate.audit.history.record import identity, now, resource_of, shortened
from fleetgate.audit.history.writer import HistoryWriter, Writer
from fleetgate.engine.exceptions import InvalidRequest
from fleetgate_proto.v1 import audit_pb2

from tests.support.audits import FIXED, NEW, at, change, summary, violation
from tests.support.postgresql import PostgreSql, running_postgresql
from tests.support.processes import eventually

Open = Callable[[], Database]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    with running_postgresql() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.e2e)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same database again and again, as processes do that share it or follow each other."""
    url = request.getfixturevalue("postgresql").new_database() if request.param == "postgresql" else ""
    found: list[Database] = []

    def opener() -> Database:
        found.append(open_database(url, tmp_path))
        return found[-1]

    yield opener
    for database in found:
        database.close()


@pytest.fixture
def database(opened: Open) -> Database:
    return opened()


@pytest.fixture(params=[Writer, WriterProcess])
def writer(request: pytest.FixtureRequest, database: Database) -> Iterator[HistoryWriter]:
    found: HistoryWriter = request.param(database)
    assert found.acquire()
    yield found
    found.release()


@pytest.fixture
def reader(database: Database) -> Reader:
    return Reader(database)


def _findings(*violations: audit_pb2.AuditViolation) -> list[bytes]:
    return [audit_pb2.AuditFindings(violations=[one]).SerializeToString() for one in violations]


def _told(reader: Reader, asked: Changes | None = None) -> list[tuple[str, str, int, int, int]]:
    """(direction, object, at, first seen, last seen), seconds, newest first."""
    found, token = reader.changes(asked or Changes(), 1000, "")
    assert not token
    return [
        (
            "new" if one.direction == NEW else "fixed",
            one.violation.object.name,
            one.at.seconds,
            one.violation.first_seen.seconds,
            one.violation.last_seen.seconds,
        )
        for one in found
    ]


def _processes() -> list[psutil.Process]:
    """Those that write a history for this one, whose children are others' too."""
    return [child for child in psutil.Process().children() if WriterProcess.__module__ in child.cmdline()]


def _again(writer: HistoryWriter) -> None:
    """The service starts again."""
    writer.release()
    assert writer.acquire()


def test_what_comes_and_goes_is_told_with_its_times(writer: HistoryWriter, reader: Reader) -> None:
    a, b = violation("a"), violation("b")
    writer.reconcile(_findings(a), summary().clusters, at(10))
    writer.apply([change(NEW, b)], at(20))
    writer.looked(at(25))
    writer.apply([change(FIXED, a)], at(30))
    assert _told(reader) == [("fixed", "a", 30, 10, 25), ("new", "b", 20, 20, 20), ("new", "a", 10, 10, 10)]
    assert reader.first_seen([identity(a), identity(b)]) == {identity(b): at(20)}


def test_a_restart_makes_nothing_new_and_finds_what_went_meanwhile(writer: HistoryWriter, reader: Reader) -> None:
    a, b, c = violation("a"), violation("b"), violation("c")
    writer.reconcile(_findings(a, b), summary().clusters, at(10))
    writer.looked(at(15))
    _again(writer)
    assert writer.reconcile(_findings(b, c), summary().clusters, at(30)) == 0
    assert _told(reader)[:2] == [("fixed", "a", 30, 10, 15), ("new", "c", 30, 30, 30)]
    assert len(_told(reader)) == 4
    assert reader.first_seen([identity(b)]) == {identity(b): at(10)}


def test_of_an_incomplete_cluster_nothing_is_gone_until_it_is_complete(writer: HistoryWriter, reader: Reader) -> None:
    west, east, fleeting = violation("w"), violation("e", cluster="east"), violation("f", cluster="east")
    writer.reconcile(_findings(west, east, fleeting), summary(clusters=["west", "east"]).clusters, at(10))
    _again(writer)
    assert writer.reconcile([], summary(incomplete=["east"]).clusters, at(20)) == 2
    assert _told(reader)[0][:3] == ("fixed", "w", 20)
    # What is not known to be violated now is in no status.
    assert reader.smallest("fleet", None, "K8sA", "one", 20) == []
    writer.apply([change(NEW, east)], at(30))
    assert writer.settle(summary(clusters=["west", "east"]).clusters, at(40)) == 0
    assert _told(reader)[0][:4] == ("fixed", "f", 40, 10)
    assert reader.first_seen([identity(east)]) == {identity(east): at(10)}
    assert len(_told(reader)) == 5


def test_a_cluster_that_is_no_more_is_left_alone(writer: HistoryWriter, reader: Reader) -> None:
    writer.reconcile(_findings(violation("a", cluster="gone")), summary(clusters=["gone"]).clusters, at(10))
    _again(writer)
    assert writer.reconcile([], summary().clusters, at(20)) == 1
    assert len(_told(reader)) == 1


def test_what_goes_and_comes_in_one_step_did_neither(writer: HistoryWriter, reader: Reader) -> None:
    denied, warned = violation("a"), violation("a", action="warn")
    writer.reconcile(_findings(denied), summary().clusters, at(10))
    writer.apply([change(NEW, warned), change(FIXED, denied)], at(20))
    assert len(_told(reader)) == 1
    assert [row.action for row in reader.smallest("fleet", None, "K8sA", "one", 5)] == ["warn"]


def test_a_change_that_is_told_twice_is_recorded_once(writer: HistoryWriter, reader: Reader) -> None:
    for moment in (10, 20):
        writer.apply([change(NEW, violation("a"))], at(moment))
    for moment in (30, 40):
        writer.apply([change(FIXED, violation("a"))], at(moment))
    assert [one[:3] for one in _told(reader)] == [("fixed", "a", 30), ("new", "a", 10)]


@pytest.mark.parametrize(
    "other",
    [
        violation("b"),
        violation("a", "other"),
        violation("a", details=b'{"x":1}'),
        violation("a", cluster="east"),
        violation("a", namespace=""),
        violation("a", kind="Service"),
        violation("a", group="apps"),
        violation("a", constraint="K8sA/two"),
        violation("a", constraint="K8sB/one"),
        violation("a", scope="cluster"),
    ],
)
def test_violations_that_are_others(other: audit_pb2.AuditViolation) -> None:
    assert identity(other) != identity(violation("a"))


def test_a_violation_is_the_same_at_another_version_or_action() -> None:
    assert identity(violation("a", version="v2", action="warn")) == identity(violation("a"))


def test_gatekeepers_order_and_limit(writer: HistoryWriter, reader: Reader) -> None:
    """By group, version, kind, namespace, name, message, action as Go compares them: by bytes; then by cluster."""
    given = [
        violation("a", group="apps", kind="Deployment"),
        violation("later", version="v1beta1"),
        violation("a", kind="Service"),
        violation("a", namespace="aa"),
        violation("B"),
        violation("a", "ä"),
        violation("a", "z"),
        violation("a", cluster="east"),
        violation("a"),
        violation("a", "\0"),
        violation("a", "z" * 300),
        violation("a", "z" * 300, details=b"[]"),
    ]
    others = [violation("a", constraint="K8sA/two"), violation("a", scope="cluster")]
    writer.reconcile(_findings(*given, *others), summary(clusters=["west", "east"]).clusters, at(1))
    shown = reader.smallest("fleet", None, "K8sA", "one", 100)
    assert len(shown) == len(given)
    keys = [(*(part.encode() for part in row[1:6]), row.message, row.action.encode()) for row in shown]
    assert keys == sorted(keys)
    assert [row.cluster for row in shown if row[1:6] == ("", "v1", "Pod", "shop", "a") and row.message == b"no"] == [
        "east",
        "west",
    ]
    assert reader.smallest("fleet", None, "K8sA", "one", 3) == shown[:3]
    assert [row.cluster for row in reader.smallest("fleet", "east", "K8sA", "one", 100)] == ["east"]
    assert reader.smallest("cluster", "west", "K8sA", "one", 9)[0].name == "a"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("x" * 256, b"x" * 256),
        ("x" * 257, b"x" * 253 + b"..."),
        ("é" * 130, "é".encode() * 126 + b"\xc3..."),
    ],
)
def test_messages_are_shortened_by_bytes(message: str, shown: bytes) -> None:
    assert shortened(message) == shown


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (Changes(), "abcd"),
        (Changes(clusters=frozenset()), ""),
        (Changes(clusters=frozenset({"east"})), "c"),
        (Changes(clusters=frozenset({"east", "west"})), "abcd"),
        (Changes(constraints=["K8sB"]), "b"),
        (Changes(constraints=["K8sB/other"]), ""),
        (Changes(constraints=["K8sB/one", "K8sA/one"]), "abcd"),
        (Changes(namespaces=["shop"]), "abc"),
        (Changes(namespaces=["\0"]), ""),
        (Changes(kinds=["Ingress"]), "d"),
        (Changes(kinds=["INGRESSES"]), "d"),
        (Changes(kinds=["ingresses.networking.k8s.io"]), "d"),
        (Changes(kinds=["ingresses.extensions"]), ""),
        (Changes(kinds=["pods.", "Service"]), "abc"),
        (Changes(since=at(20)), "bcd"),
        (Changes(since=at(20), kinds=["pods"], constraints=["K8sA"]), "c"),
    ],
)
def test_changes_are_chosen(writer: HistoryWriter, reader: Reader, asked: Changes, names: str) -> None:
    writer.apply([change(NEW, violation("a"))], at(10))
    writer.apply([change(NEW, violation("b", constraint="K8sB/one"))], at(20))
    writer.apply([change(NEW, violation("c", cluster="east"))], at(30))
    ingress = violation("d", kind="Ingress", group="networking.k8s.io", namespace="net")
    writer.apply([change(NEW, ingress)], at(40))
    assert sorted(one[1] for one in _told(reader, asked)) == list(names)


def test_pages_are_whole_and_apart_while_more_happens(writer: HistoryWriter, reader: Reader) -> None:
    writer.apply([change(NEW, violation(f"{number:03}")) for number in range(25)], at(10))
    found, token = reader.changes(Changes(), 10, "")
    pages = [found]
    while token:
        writer.apply([change(NEW, violation(f"later-{len(pages)}"))], at(20))
        found, token = reader.changes(Changes(), 10, token)
        pages.append(found)
    names = [one.violation.object.name for page in pages for one in page]
    assert names == [f"{number:03}" for number in reversed(range(25))]
    assert [len(page) for page in pages] == [10, 10, 5]


def test_a_page_stays_below_what_a_client_takes(writer: HistoryWriter, reader: Reader) -> None:
    large = [violation(f"{number}", "x" * 1_000_000) for number in range(7)]
    writer.apply([change(NEW, one) for one in large], at(10))
    sizes, token = [], ""
    while True:
        found, token = reader.changes(Changes(), 100, token)
        assert sum(one.ByteSize() for one in found) <= 3 * 1024 * 1024
        sizes.append(len(found))
        if not token:
            break
    assert sum(sizes) == 7
    assert len(sizes) > 1


@pytest.mark.parametrize("token", ["x", "AAAA", "é", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTkgYQ=="])
def test_a_token_of_no_page_is_refused(writer: HistoryWriter, reader: Reader, token: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        reader.changes(Changes(), 10, token)
    assert refused.value.field == "page_token"


def test_a_token_of_another_question_is_refused(writer: HistoryWriter, reader: Reader) -> None:
    writer.apply([change(NEW, violation(name)) for name in "abc"], at(10))
    _, token = reader.changes(Changes(), 1, "")
    with pytest.raises(InvalidRequest):
        reader.changes(Changes(kinds=["Pod"]), 1, token)
    with pytest.raises(InvalidRequest):
        reader.runs(0, 1, token)


def test_runs_are_listed_newest_first(writer: HistoryWriter, reader: Reader) -> None:
    assert reader.last_run() is None
    given = [summary(f"{number:032x}", started=number) for number in range(1, 6)]
    for one in given:
        writer.record_run(one)
    assert reader.last_run() == given[-1]
    first, token = reader.runs(at(2), 3, "")
    second, end = reader.runs(at(2), 3, token)
    assert ([*first, *second], end) == ([given[4], given[3], given[2], given[1]], "")


def test_there_is_one_writer(opened: Open) -> None:
    first, second = Writer(opened()), Writer(opened())
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    with pytest.raises(HistoryFailed, match="another replica"):
        second.looked(at(1))
    first.release()
    assert second.acquire()
    second.release()


def test_what_is_refused_leaves_the_writer_as_it_was(opened: Open) -> None:
    first, second = Writer(opened()), WriterProcess(opened())
    assert first.acquire()
    assert not second.acquire()
    for _ in range(2):
        with pytest.raises(HistoryFailed, match="another replica"):
            second.reconcile(_findings(*(violation(f"{number}") for number in range(2000))), summary().clusters, at(10))
    first.release()
    assert second.acquire()
    second.reconcile([b"", *_findings(violation("a"))], summary().clusters, at(10))
    assert [one[1] for one in _told(Reader(opened()))] == ["a"]
    second.release()


def test_a_process_that_is_killed_is_a_history_that_fails(opened: Open) -> None:
    writer, reader = WriterProcess(opened()), Reader(opened())
    assert writer.acquire()
    writer.apply([change(NEW, violation("a"))], at(10))
    tenure = writer.tenure
    [child] = _processes()
    child.kill()
    child.wait(10)
    with pytest.raises(HistoryFailed, match="has ended"):
        writer.apply([change(NEW, violation("b"))], at(20))
    assert not writer.tenure
    assert writer.acquire()
    assert writer.tenure not in {0, tenure}
    writer.apply([change(NEW, violation("c"))], at(30))
    assert [one[1] for one in _told(reader)] == ["c", "a"]
    writer.release()
    assert not _processes()


def test_what_the_writer_waits_for_keeps_nobody(opened: Open) -> None:
    """Stopped, it neither answers nor ends by itself."""
    writer = WriterProcess(opened())
    assert writer.acquire()
    [child] = _processes()
    child.suspend()
    with ThreadPoolExecutor() as pool:
        call = pool.submit(writer.looked, at(10))
        eventually(lambda: not call.done() and call.running(), "the call waits")
        writer.release()
        with pytest.raises(HistoryFailed, match="has ended"):
            call.result(10)
    assert writer.acquire()
    writer.release()


def test_a_service_that_is_killed_leaves_no_writer(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from fleetgate.audit.history.database import open_database
from fleetgate.audit.history.process import WriterProcess
writer = WriterProcess(open_database("", Path({str(tmp_path)!r})))
print(writer.acquire(), flush=True)
input()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=PIPE, stdout=PIPE, text=True) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == "True\n"
        second = Writer(open_database("", tmp_path))
        assert not second.acquire()
        service.kill()
    eventually(second.acquire, "the lock is free")
    second.release()


def test_a_transaction_that_fails_leaves_nothing(writer: HistoryWriter, reader: Reader) -> None:
    def broken() -> Iterator[bytes]:
        yield from _findings(*(violation(f"{number}") for number in range(2000)))
        raise RuntimeError("the audit broke off")

    with pytest.raises(RuntimeError):
        writer.reconcile(broken(), summary().clusters, at(10))
    assert not writer.tenure
    assert writer.acquire()
    assert _told(reader) == []
    writer.apply([change(NEW, violation("a"))], at(20))
    assert [one[1] for one in _told(reader)] == ["a"]


def test_retention(writer: HistoryWriter, reader: Reader) -> None:
    day = 86_400 * 1_000_000
    writer.apply([change(NEW, violation("ancient"))], now() - 3 * day)
    writer.record_run(summary("b" * 32, started=(now() - 3 * day) // 1_000_000))
    for name in "abc":
        writer.apply([change(NEW, violation(name))], now())
    writer.record_run(summary("c" * 32, started=now() // 1_000_000))
    writer.prune(2, 2)
    assert [one[1] for one in _told(reader)] == ["c", "b"]
    assert [one.run_id for one in reader.runs(0, 10, "")[0]] == ["c" * 32]
    # What is violated still is no history: its beginning is kept however long ago that was.
    assert identity(violation("ancient")) in reader.first_seen([identity(violation("ancient"))])


def test_what_no_session_sees_any_more_is_dropped_in_the_end(writer: HistoryWriter, reader: Reader) -> None:
    ancient = now() - 10 * 86_400 * 1_000_000
    writer.reconcile(_findings(violation("a", cluster="gone")), summary(clusters=["gone"]).clusters, ancient)
    _again(writer)
    writer.reconcile([], summary().clusters, now())
    writer.prune(2, 1000)
    assert reader.first_seen([identity(violation("a", cluster="gone"))]) == {}


def test_versions(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older history is brought up to date with what it holds; one of a later version is refused."""
    first = Writer(opened())
    assert first.acquire()
    first.apply([change(NEW, violation("a"))], at(10))
    first.release()
    later = (*schema.MIGRATIONS, ("ALTER TABLE audit_runs ADD COLUMN remark {text} NOT NULL DEFAULT ''",))
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", later)
        database = opened()
        second = Writer(database)
        assert second.acquire()
        assert [one[1] for one in _told(Reader(database))] == ["a"]
        second.release()
    with pytest.raises(HistoryFailed, match="version 2 is later than 1"):
        Writer(opened()).acquire()


def test_without_a_place_it_lasts_as_long_as_the_process() -> None:
    database = open_database("", None)
    writer = Writer(database)
    assert writer.acquire()
    writer.apply([change(NEW, violation("a"))], at(10))
    assert len(_told(Reader(database))) == 1
    writer.release()
    database.close()


def test_places_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(HistoryFailed, match="postgresql://"):
        open_database("mysql://x", None)
    (tmp_path / "audit.sqlite").write_text("no database at all, but long enough to be taken for a damaged one" * 9)
    with pytest.raises(HistoryFailed, match="not a database"):
        Writer(open_database("", tmp_path)).acquire()
    nowhere = open_database(f"postgresql://postgres@/x?host={tmp_path}", None)
    with pytest.raises(HistoryFailed):
        Writer(nowhere).acquire()


@pytest.mark.e2e
def test_a_server_that_went_away_is_found_again(postgresql: PostgreSql) -> None:
    database = open_database(postgresql.new_database(), None)
    writer, reader = Writer(database), Reader(database)
    assert writer.acquire()
    writer.apply([change(NEW, violation("a"))], at(10))
    postgresql.control("-m", "immediate", "stop")
    with pytest.raises(HistoryFailed):
        writer.apply([change(NEW, violation("b"))], at(20))
    with pytest.raises(HistoryFailed):
        reader.changes(Changes(), 10, "")
    postgresql.start()
    assert writer.acquire()
    writer.reconcile(_findings(violation("a"), violation("b")), summary().clusters, at(30))
    assert [one[1] for one in _told(reader)] == ["b", "a"]
    writer.release()
    database.close()


def test_plurals_are_those_of_the_core() -> None:
    given = ["Pod", "Ingress", "NetworkPolicy", "Endpoints", "Gateway", "StorageClass", "Proxy"]
    expected = ["pods", "ingresses", "networkpolicies", "endpoints", "gateways", "storageclasses", "proxies"]
    assert [resource_of(kind) for kind in given] == expected


def test_a_copy_of_a_half_written_file_shows_what_was_there_before(tmp_path: Path) -> None:
    """As after a kill: the file and its log as they are while a transaction is open."""
    first = open_database("", tmp_path / "first")
    writer = Writer(first)
    assert writer.acquire()
    writer.apply([change(NEW, violation("a"))], at(10))

    def copied() -> Iterator[bytes]:
        yield from _findings(*(violation(f"{number}", "x" * 5000) for number in range(5000)))
        shutil.copytree(tmp_path / "first", tmp_path / "second")

    writer.reconcile(copied(), summary().clusters, at(20))
    second = open_database("", tmp_path / "second")
    again = Writer(second)
    assert again.acquire()
    assert [one[1] for one in _told(Reader(second))] == ["a"]

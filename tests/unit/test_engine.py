"""The engine under concurrency, and what it tells of its policies."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
from fleetgate.engine import DeadlineExceeded, Engine, Overloaded
from fleetgate_proto.v1 import policy_pb2, review_pb2

CREATE = review_pb2.ReviewRequest(
    cluster="c",
    admission_request=json.dumps(
        {
            "operation": "CREATE",
            "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}},
            "dryRun": True,
        }
    ).encode(),
).SerializeToString()

# Takes seconds: far more than any test waits.
ENDLESS = "violation[{'msg': 'm'}] { count([1 | numbers.range(1, 9000)[_] > numbers.range(1, 9000)[_]]) < 0 }"


def _policies(rego: str, *names: str) -> list[tuple[str, bytes]]:
    template = {
        "apiVersion": "templates.gatekeeper.sh/v1",
        "kind": "ConstraintTemplate",
        "metadata": {"name": "kind"},
        "spec": {
            "crd": {"spec": {"names": {"kind": "Kind"}}},
            "targets": [
                {"target": "admission.k8s.gatekeeper.sh", "rego": "package p\n" + rego.replace("'", '"')},
            ],
        },
    }
    constraints = [
        {"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "Kind", "metadata": {"name": name}}
        for name in names
    ]
    return [(f"{index}.json", json.dumps(document).encode()) for index, document in enumerate([template, *constraints])]


def _answer(engine: Engine) -> review_pb2.ReviewResponse:
    return review_pb2.ReviewResponse.FromString(engine.review(CREATE).response)


def _in_threads(count: int, work: Callable[[], None]) -> None:
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised again in the test's thread
            failures.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_a_decision_tells_telemetry_what_it_was() -> None:
    engine = Engine(contexts=1)
    engine.apply_bundle("b", _policies("violation[{'msg': 'no'}] { true }", "a"))
    decision = engine.review(CREATE)
    answer = review_pb2.ReviewResponse.FromString(decision.response)
    assert answer.decision_id == decision.decision_id
    assert (decision.admission_status, decision.dry_run, decision.cluster) == ("deny", True, "c")
    assert (decision.generation, decision.constraints_matched) == (1, 1)
    assert all(nanos >= 0 for nanos in decision.stage_nanos)
    assert 0 < decision.cpu_nanos < 10**9


def test_a_batch_keeps_the_order() -> None:
    engine = Engine(contexts=2)
    engine.apply_bundle("b", _policies("violation[{'msg': input.review.object.metadata.name}] { true }", "a"))
    objects = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p{number}"}} for number in range(200)]
    requests = [review_pb2.ReviewRequest(object=json.dumps(each).encode()) for each in objects]
    batch = engine.batch_review(review_pb2.BatchReviewRequest(requests=requests).SerializeToString())
    answer = review_pb2.BatchReviewResponse.FromString(batch.response)
    assert [item.response.violations[0].message for item in answer.items] == [f"p{number}" for number in range(200)]
    assert [item.decision_id for item in batch.items] == [item.response.decision_id for item in answer.items]
    assert {item.response for item in batch.items} == {b""}


def test_published_policies_are_listed() -> None:
    engine = Engine(contexts=1)
    generation = engine.apply_bundle("b", _policies("violation[{'msg': 'm'}] { data.inventory.cluster }", "y", "x"))
    assert (generation.number, generation.templates, generation.constraints, generation.bundles) == (1, 1, 2, ["b"])
    templates = policy_pb2.ListTemplatesResponse.FromString(engine.list_templates())
    (template,) = templates.templates
    assert (template.kind, template.engine, template.language, template.referential) == (
        "Kind",
        "rego",
        "rego/v0",
        True,
    )
    assert (template.path, template.line, template.constraints) == ("0.json", 1, 2)
    constraints = policy_pb2.ListConstraintsResponse.FromString(engine.list_constraints())
    assert [(each.name, each.path) for each in constraints.constraints] == [("x", "2.json"), ("y", "1.json")]
    assert constraints.generation.digest == templates.generation.digest == generation.digest


def test_python_goes_on_while_the_core_decides() -> None:
    engine = Engine(contexts=1, constraint_seconds=0.5, review_seconds=5)
    engine.apply_bundle("b", _policies(ENDLESS, "a"))
    done = threading.Event()
    progress = 0

    def decide() -> None:
        _answer(engine)
        done.set()

    thread = threading.Thread(target=decide)
    thread.start()
    while not done.is_set():
        progress += 1
    thread.join()
    # Holding the GIL for half a second would leave this thread a handful of turns.
    assert progress > 1000


def test_two_reviews_run_at_the_same_time() -> None:
    engine = Engine(contexts=2, constraint_seconds=1, review_seconds=5)
    engine.apply_bundle("b", _policies(ENDLESS, "a"))
    started = threading.Barrier(2)
    running = [0]
    overlapping = []

    def decide() -> None:
        started.wait()
        running[0] += 1
        _answer(engine)
        overlapping.append(running[0])

    _in_threads(2, decide)
    assert overlapping == [2, 2]


def test_a_call_that_finds_no_context_in_time_is_told_so() -> None:
    engine = Engine(contexts=1, constraint_seconds=1.5, review_seconds=1.5)
    engine.apply_bundle("b", _policies(ENDLESS, "a"))
    busy = threading.Thread(target=engine.review, args=(CREATE,))
    busy.start()
    try:
        # The other thread may not have its context yet: then this call takes it, and its own deadline ends it.
        with pytest.raises((Overloaded, DeadlineExceeded)):
            engine.review(CREATE, timeout_seconds=0.2)
    finally:
        busy.join()


def test_each_answer_is_of_one_generation() -> None:
    engine = Engine(contexts=2)
    versions = ["one", "two"]
    bundles = [_policies(f"violation[{{'msg': '{name}'}}] {{ true }}", "a", "b", "c") for name in versions]
    engine.apply_bundle("b", bundles[0])
    swaps = 60
    stop = threading.Event()
    answers: list[review_pb2.ReviewResponse] = []

    def swap() -> None:
        for number in range(swaps):
            engine.apply_bundle("b", bundles[(number + 1) % 2])
        stop.set()

    def ask() -> None:
        while not stop.is_set():
            answers.append(_answer(engine))

    swapper = threading.Thread(target=swap)
    swapper.start()
    _in_threads(2, ask)
    swapper.join()
    assert engine.generation.number == swaps + 1
    for answer in answers:
        expected = versions[(answer.policy_generation.number + 1) % 2]
        assert [violation.message for violation in answer.violations] == [expected] * 3
    assert len({answer.policy_generation.number for answer in answers}) > 1

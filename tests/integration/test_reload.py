"""Directories that change under a running server."""

from __future__ import annotations

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.processes import eventually
from tests.support.serving import DATA, TIMEOUT, Serve, messages, question

A = ["deny one: template A, parameter A", "deny two: template A, parameter A", "dryrun other: template A, parameter A"]
B = [line.replace("A", "B") for line in A]
FAST = "--reload-debounce-ms=10"


def _configmap(mount: Path, version: int, source: Path) -> None:
    """Mount the files of ``source`` as kubelet mounts a ConfigMap: one rename swaps them all."""
    fresh = mount / f"..{version}"
    fresh.mkdir(parents=True)
    for file in source.rglob("*.*"):
        shutil.copy(file, fresh / file.name)
        if not (mount / file.name).is_symlink():
            (mount / file.name).symlink_to(f"..data/{file.name}")
    old = (mount / "..data").resolve() if (mount / "..data").is_symlink() else None
    (mount / "..data_tmp").symlink_to(fresh.name)
    (mount / "..data_tmp").rename(mount / "..data")
    if old:
        shutil.rmtree(old)


def test_every_answer_is_wholly_of_one_set(serve: Serve, tmp_path: Path) -> None:
    """10,000 reviews during 100 reloads: each is wholly A or wholly B, as its generation says."""
    mount = tmp_path / "mount"
    _configmap(mount, 0, DATA / "answer-a")
    server = serve(f"--policies={mount}", FAST)
    sets = {server.generation().digest: A}
    total, callers, reloads = 10_000, 4, 100
    asked = question()
    answers: list[tuple[str, int, tuple[str, ...]]] = []
    finished = threading.Event()
    enough = threading.Semaphore(0)

    def ask(least: int) -> None:
        count = 0
        while count < least or not finished.is_set():
            response = server.review.Review(asked, timeout=TIMEOUT)
            generation = response.policy_generation
            answers.append((generation.digest, generation.number, tuple(messages(response))))
            count += 1
            enough.release()

    with ThreadPoolExecutor(callers) as pool:
        running = [pool.submit(ask, total // callers) for _ in range(callers)]
        try:
            for version in range(1, reloads + 1):
                before = server.generation()
                _configmap(mount, version, DATA / ("answer-b" if version % 2 else "answer-a"))
                eventually(lambda: server.generation() != before, "the swap is published", 15, 0.005)  # noqa: B023
                sets.setdefault(server.generation().digest, B if version % 2 else A)
        finally:
            finished.set()
        for future in running:
            future.result()

    assert len(answers) >= total
    assert len(sets) == 2
    wrong = [answer for answer in answers if list(answer[2]) != sets[answer[0]]]
    assert wrong == []
    numbers = {number for _, number, _ in answers}
    assert max(numbers) - min(numbers) >= reloads - 1
    assert len(numbers) > reloads * 0.9, "the reviews did not meet the reloads"


def test_a_bad_change_keeps_the_last_good_policies_and_a_good_one_mends_it(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}", FAST)
    good = server.generation()
    text = (labels / "labels.yaml").read_text()
    (labels / "labels.yaml").write_text(text.replace("sprintf(", "sprintf(("))
    (labels / "second.yaml").write_text("x: [\n")

    def refused() -> set[str]:
        return {
            str(line["path"]) for line in server.log_lines() if line.get("message", "").startswith("policy refused")
        }

    eventually(lambda: refused() == {str(labels / "labels.yaml"), str(labels / "second.yaml")}, "both defects are told")
    assert "fleetgate_policy_reload_failures_total 0.0" not in server.get("/metrics")[1]
    assert server.generation() == good
    assert not server.review.Review(question(), timeout=TIMEOUT).allowed
    assert server.get("/readyz")[0] == 200

    (labels / "second.yaml").unlink()
    (labels / "labels.yaml").write_text(text.replace("is missing", "is lacking"))
    eventually(lambda: server.generation() != good, "the mended policies are published")
    assert "as published again" not in server.process.log.read_text()
    assert messages(server.review.Review(question(), timeout=TIMEOUT))[0] == "deny owner: label owner is lacking"


def test_a_bad_change_that_is_taken_back_is_told_once(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}", FAST, "--reload-rescan-seconds=0.2")
    good = server.generation()
    text = (labels / "labels.yaml").read_text()
    assert "fleetgate_policy_sources_refused 0.0" in server.get("/metrics")[1]

    def told() -> list[dict[str, object]]:
        return [line for line in server.log_lines() if line["message"] == "policies are as published again"]

    (labels / "labels.yaml").write_text(text.replace("sprintf(", "sprintf(("))
    eventually(lambda: "fleetgate_policy_sources_refused 1.0" in server.get("/metrics")[1], "the refusal is shown")
    assert told() == []
    (labels / "labels.yaml").write_text(text)
    eventually(lambda: "fleetgate_policy_sources_refused 0.0" in server.get("/metrics")[1], "and that it is over")
    (labels / "labels.yaml").touch()
    time.sleep(0.5)  # further looks have nothing new to tell
    (line,) = told()
    assert (line["level"], line["generation"], line["digest"]) == ("info", good.number, good.digest)
    assert "fleetgate_policy_reload_failures_total 1.0" in server.get("/metrics")[1]
    assert server.generation() == good


def test_a_directory_that_vanishes_keeps_the_last_good_policies(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}", FAST, "--reload-rescan-seconds=0.2")
    good = server.generation()
    labels.rename(labels.with_name("away"))
    eventually(lambda: "no such file" in server.process.log.read_text(), "the loss is told")
    assert server.generation() == good
    shutil.copytree(DATA / "answer-a", labels)
    eventually(lambda: messages(server.review.Review(question(), timeout=TIMEOUT)) == A, "the new directory is read")


def test_a_directory_that_becomes_empty_keeps_the_last_good_policies(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}", FAST, "--reload-rescan-seconds=0.2")
    good = server.generation()
    (labels / "labels.yaml").unlink()

    def told() -> list[str]:
        return [str(line["message"]) for line in server.log_lines() if line["level"] == "error"]

    eventually(lambda: told() != [], "the loss is told")
    time.sleep(0.5)  # further looks have nothing new to tell
    (message,) = told()
    assert f"{labels} holds no policy file any more" in message
    assert "fleetgate_policy_reload_failures_total 1.0" in server.get("/metrics")[1]
    assert "fleetgate_policy_sources_refused 1.0" in server.get("/metrics")[1]
    assert server.generation() == good
    assert not server.review.Review(question(), timeout=TIMEOUT).allowed

    shutil.copytree(DATA / "answer-a", labels, dirs_exist_ok=True)
    eventually(lambda: server.generation() != good, "what comes back is read")


def test_an_empty_directory_is_published_where_that_is_allowed(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}", FAST, "--reload-allow-empty")
    (labels / "labels.yaml").unlink()
    eventually(lambda: server.review.Review(question(), timeout=TIMEOUT).allowed, "no policy is left")


@pytest.mark.parametrize("arguments", [["--reload-polling"], []], ids=["polling", "notified"])
def test_an_edit_in_place_is_noticed(serve: Serve, labels: Path, arguments: list[str]) -> None:
    server = serve(f"--policies={labels}", FAST, "--reload-rescan-seconds=3600", *arguments)
    (labels / "deep").mkdir()
    (labels / "labels.yaml").rename(labels / "deep" / "moved.yaml")
    text = (labels / "deep" / "moved.yaml").read_text()
    (labels / "deep" / "moved.yaml").write_text(text.replace("is missing", "is lacking"))
    eventually(
        lambda: (
            messages(server.review.Review(question(), timeout=TIMEOUT))[:1] == ["deny owner: label owner is lacking"]
        ),
        "the edit is published",
    )


def test_several_directories_are_one_set(serve: Serve, tmp_path: Path) -> None:
    """The template is in one, its constraints in the other."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    shutil.copy(DATA / "answer-a" / "template.yaml", one)
    shutil.copytree(DATA / "answer-a" / "constraints", two)
    server = serve(f"--policies={two}", f"--policies={one}", FAST)
    assert messages(server.review.Review(question(), timeout=TIMEOUT)) == A

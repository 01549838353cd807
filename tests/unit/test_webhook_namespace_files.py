"""Namespaces from files."""

import asyncio
import json
from pathlib import Path

import pytest
from fleetgate_clients.webhook.namespaces import NamespaceNotFound
from fleetgate_clients.webhook.namespaces.files import FileNamespaces

YAML = """\
apiVersion: v1
kind: Namespace
metadata:
  name: plain
  creationTimestamp: 2026-01-02T03:04:05Z
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Namespace, metadata: {name: listed, labels: {a: b}}}
  - {apiVersion: v1, kind: Pod, metadata: {name: pod}}
---
apiVersion: v1
kind: NamespaceList
items:
  - metadata: {name: typed}
---
# nothing
---
apiVersion: other/v1
kind: Namespace
metadata: {name: foreign}
"""


def names(path: Path, *wanted: str) -> dict[str, dict[str, object]]:
    async def run() -> dict[str, dict[str, object]]:
        source = FileNamespaces(path)
        await source.start()
        found = {}
        for name in wanted:
            try:
                found[name] = json.loads(await source.get(name, timeout=1.0))
            except NamespaceNotFound:
                continue
        await source.close()
        return found

    return asyncio.run(run())


def test_every_form_is_read(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(YAML)
    found = names(file, "plain", "listed", "typed", "pod", "foreign")
    assert sorted(found) == ["listed", "plain", "typed"]
    assert {(item["apiVersion"], item["kind"]) for item in found.values()} == {("v1", "Namespace")}
    assert found["plain"]["metadata"] == {"name": "plain", "creationTimestamp": "2026-01-02T03:04:05Z"}


def test_a_directory_is_read_to_its_ground(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.json").write_text('{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}')
    (tmp_path / "b.yml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: b}}")
    (tmp_path / "c.txt").write_text("no yaml: [")
    assert sorted(names(tmp_path, "a", "b", "c")) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [("a: [", "all.yaml"), ("{apiVersion: v1, kind: Namespace, metadata: {}}", "without metadata.name")],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=says):
        names(file)


def test_changes_are_seen_and_mistakes_are_not(tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(YAML)

    async def run() -> None:
        source = FileNamespaces(tmp_path)
        await source.start()
        assert (source.ready, source.count) == (True, 3)
        file.write_text("a: [")
        await asyncio.sleep(0.6)
        assert source.count == 3
        (tmp_path / "more.json").write_text('{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"more"}}')
        file.unlink()
        async with asyncio.timeout(5):
            while source.count != 1:
                await asyncio.sleep(0.05)
        assert await source.get("more", timeout=1.0)
        await source.close()

    asyncio.run(run())

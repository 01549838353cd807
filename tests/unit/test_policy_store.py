"""Applied bundles on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fleetgate.policy.errors import StorageFailed
from fleetgate.policy.store import BundleStore, StoredBundle

FILES = (("b.yaml", b"kind: X\n"), ("a.yaml", bytes(range(256))))


def _file(directory: Path) -> Path:
    (file,) = (directory / "bundles").glob("*.bundle.json")
    return file


def test_what_is_stored_is_loaded_by_the_next_process(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    store.replace("team/base", FILES)
    store.replace("another", (("x.yaml", b""),))
    assert BundleStore(tmp_path).load() == [
        StoredBundle("another", (("x.yaml", b""),)),
        StoredBundle("team/base", FILES),
    ]


def test_replacing_and_removing(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    store.replace("a", FILES)
    store.replace("a", (("c.yaml", b"1"),))
    assert store.load() == [StoredBundle("a", (("c.yaml", b"1"),))]
    store.replace("a", ())
    assert store.load() == []
    store.replace("a", ())


def test_a_crash_before_the_rename_leaves_the_old_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = BundleStore(tmp_path)
    store.replace("a", FILES)

    def crash(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(SystemExit):
        store.replace("a", (("new.yaml", b"2"),))
    monkeypatch.undo()
    again = BundleStore(tmp_path)
    assert again.load() == [StoredBundle("a", FILES)]
    assert [path.name for path in (tmp_path / "bundles").iterdir()] == [_file(tmp_path).name]


def test_a_full_disk_keeps_the_old_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = BundleStore(tmp_path)
    store.replace("a", FILES)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFailed, match="No space left"):
        store.replace("a", (("new.yaml", b"2"),))
    monkeypatch.undo()
    assert store.load() == [StoredBundle("a", FILES)]


@pytest.mark.parametrize("damage", ["flip", "truncate", "format", "empty"])
def test_damage_is_noticed(tmp_path: Path, damage: str) -> None:
    BundleStore(tmp_path).replace("a", FILES)
    file = _file(tmp_path)
    text = file.read_text()
    document = json.loads(text)
    if damage == "flip":
        document["files"][0]["path"] = "other.yaml"
        file.write_text(json.dumps(document))
    elif damage == "format":
        document["format"] = 99
        file.write_text(json.dumps(document))
    else:
        file.write_text(text[: len(text) // 2] if damage == "truncate" else "")
    with pytest.raises(StorageFailed, match=file.name):
        BundleStore(tmp_path).load()


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed):
        BundleStore(tmp_path / "file" / "state")

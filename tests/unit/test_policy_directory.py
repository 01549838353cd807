"""Policy files of directories, read as one consistent set."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from fleetgate.policy import directory
from fleetgate.policy.errors import SourceFailed


def _names(snapshot: directory.Snapshot, root: Path) -> list[str]:
    return [str(Path(path).relative_to(root)) for path, _ in snapshot.files]


def test_files_are_found_recursively_and_in_order(tmp_path: Path) -> None:
    for name in ("b.yaml", "a/z.json", "a/deep/er/x.YML", "notes.txt", "script.sh"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    snapshot = directory.read([tmp_path])
    assert _names(snapshot, tmp_path) == ["a/deep/er/x.YML", "a/z.json", "b.yaml"]
    assert dict(snapshot.files)[str(tmp_path / "b.yaml")] == b"b.yaml"


def test_hidden_files_and_directories_are_skipped(tmp_path: Path) -> None:
    for name in (".hidden.yaml", ".git/x.yaml", "ok.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert _names(directory.read([tmp_path]), tmp_path) == ["ok.yaml"]


def test_a_file_can_be_named_itself(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("1")
    (tmp_path / "two.yaml").write_text("2")
    assert directory.read([tmp_path / "one.yaml"]).files == ((str(tmp_path / "one.yaml"), b"1"),)


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="no such file or directory"):
        directory.read([tmp_path / "absent"])


def _configmap(mount: Path, version: str, files: dict[str, str]) -> None:
    """Do what kubelet does: write a new hidden directory, swap the link, remove the old directory."""
    fresh = mount / f"..{version}"
    fresh.mkdir(parents=True)
    for name, text in files.items():
        (fresh / name).write_text(text)
        if not (mount / name).is_symlink():
            (mount / name).symlink_to(f"..data/{name}")
    old = (mount / "..data").resolve() if (mount / "..data").is_symlink() else None
    (mount / "..data_tmp").symlink_to(fresh.name)
    (mount / "..data_tmp").rename(mount / "..data")
    if old:
        for file in old.iterdir():
            file.unlink()
        old.rmdir()


def test_a_mounted_configmap_is_read_through_its_links(tmp_path: Path) -> None:
    _configmap(tmp_path, "v1", {"a.yaml": "a1", "b.yaml": "b1"})
    first = directory.read([tmp_path])
    assert [content for _, content in first.files] == [b"a1", b"b1"]
    assert _names(first, tmp_path) == ["a.yaml", "b.yaml"]
    _configmap(tmp_path, "v2", {"a.yaml": "a2", "b.yaml": "b2"})
    second = directory.read([tmp_path])
    assert [content for _, content in second.files] == [b"a2", b"b2"]
    assert first.fingerprint != second.fingerprint


def test_a_swap_while_reading_never_gives_half_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _configmap(tmp_path, "v1", {"a.yaml": "a1", "b.yaml": "b1"})
    read_bytes = Path.read_bytes
    swaps = iter(["v2", "v3"])

    def swapping(path: Path) -> bytes:
        content = read_bytes(path)
        version = next(swaps, None) if path.name == "a.yaml" else None
        if version:
            _configmap(tmp_path, version, {"a.yaml": f"a{version[1]}", "b.yaml": f"b{version[1]}"})
        return content

    monkeypatch.setattr(Path, "read_bytes", swapping)
    assert [content for _, content in directory.read([tmp_path]).files] == [b"a3", b"b3"]


def test_links_stay_inside(tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text("secret")
    inside = tmp_path / "policies"
    inside.mkdir()
    (inside / "link.yaml").symlink_to(outside)
    with pytest.raises(SourceFailed, match="leads out of"):
        directory.read([inside])


def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "a.yaml").write_text("1")
    (tmp_path / "current").symlink_to("v1")
    assert directory.read([tmp_path / "current"]).files == ((str(tmp_path / "current" / "a.yaml"), b"1"),)


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(".")
    with pytest.raises(SourceFailed, match="directories deep"):
        directory.read([tmp_path])


def test_a_change_of_content_size_or_name_changes_the_fingerprint(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("1")
    seen = {directory.fingerprint([tmp_path])}
    os.utime(file, ns=(1, 1))
    seen.add(directory.fingerprint([tmp_path]))
    file.write_text("22")
    os.utime(file, ns=(1, 1))
    seen.add(directory.fingerprint([tmp_path]))
    file.rename(tmp_path / "b.yaml")
    seen.add(directory.fingerprint([tmp_path]))
    assert len(seen) == 4


def test_the_bundle_is_named_by_its_paths() -> None:
    assert directory.bundle_name([Path("/etc/a-1")]) == "/etc/a-1"
    names = {
        directory.bundle_name([Path("/etc/a"), Path("/etc/b")]),
        directory.bundle_name([Path("/etc/a"), Path("/etc/c")]),
        directory.bundle_name([Path("/etc/with space")]),
        directory.bundle_name([Path("/" + "x" * 300)]),
    }
    assert len(names) == 4
    assert all(re.fullmatch(r"/directories/[0-9a-f]{16}", name) for name in names)


def test_a_link_that_leads_nowhere_is_never_read_as_no_policies(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: A\n")
    (tmp_path / "b.yaml").symlink_to(tmp_path / "gone")
    with pytest.raises(SourceFailed, match="leads nowhere"):
        directory.read([tmp_path])


@pytest.mark.parametrize("place", ["a.yaml", "."], ids=["inside", "itself"])
def test_links_that_lead_to_each_other_are_an_error_of_the_source(tmp_path: Path, place: str) -> None:
    root = tmp_path / "policies"
    if place == ".":
        root.symlink_to(tmp_path / "back")
        (tmp_path / "back").symlink_to(root)
    else:
        root.mkdir()
        (root / place).symlink_to("b.yaml")
        (root / "b.yaml").symlink_to(place)
    with pytest.raises(SourceFailed, match="symbolic links"):
        directory.read([root])


def test_which_paths_lost_all_their_files(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a", "b", "ab", "c.yaml")]
    for path in paths[:-1]:
        path.mkdir()
        (path / "x.yaml").write_text("1")
    paths[-1].write_text("2")
    before = directory.fingerprint(paths)
    (tmp_path / "a" / "x.yaml").unlink()
    (tmp_path / "ab" / "x.yaml").rename(tmp_path / "ab" / "y.yaml")
    now = directory.fingerprint(paths)
    assert directory.emptied(paths, before, now) == [tmp_path / "a"]
    assert directory.emptied(paths, now, directory.fingerprint(paths)) == []
    assert directory.emptied(paths, now, before) == []

"""The extension's door: errors, stubs, and the guard against a stale build."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fleetgate.engine import (
    REGORUS_VERSION,
    ClusterMismatch,
    DeadlineExceeded,
    Engine,
    InvalidRequest,
    PolicyError,
    RequestTooLarge,
    read_documents,
)
from fleetgate.engine._ffi import SOURCE_DIGEST, check_fresh, source_digest
from fleetgate_proto.v1 import review_pb2

ROOT = Path(__file__).parents[2]


def _sources(directory: Path) -> Path:
    (directory / "src").mkdir()
    (directory / "build.rs").write_text("fn main() {}\n")
    (directory / "src" / "lib.rs").write_text("// one\n")
    return directory


def test_the_build_script_and_the_guard_agree() -> None:
    assert source_digest(ROOT / "native") == SOURCE_DIGEST


def test_a_stale_extension_is_refused(tmp_path: Path) -> None:
    sources = _sources(tmp_path)
    built_from = source_digest(sources)
    check_fresh(sources, built_from)
    (sources / "src" / "lib.rs").write_text("// two\n")
    with pytest.raises(ImportError, match="run `make build`"):
        check_fresh(sources, built_from)


def test_files_that_are_no_sources_do_not_matter(tmp_path: Path) -> None:
    sources = _sources(tmp_path)
    built_from = source_digest(sources)
    (sources / "notes.txt").write_text("x")
    for folder in ("target", "tests"):
        (sources / folder).mkdir()
        (sources / folder / "other.rs").write_text("x")
    check_fresh(sources, built_from)


def test_an_installed_wheel_has_nothing_to_check(tmp_path: Path) -> None:
    check_fresh(tmp_path / "native", "0" * 64)


def test_the_stub_is_true() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "fleetgate._native"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_rego_engine_is_named() -> None:
    assert REGORUS_VERSION == "0.14.1"


def test_a_refused_bundle_carries_located_diagnostics() -> None:
    with pytest.raises(PolicyError) as caught:
        Engine(contexts=1).apply_bundle("b", [("dir/file.yaml", b"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n")])
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.path, diagnostic.line) == ("dir/file.yaml", 2)
    assert str(diagnostic).startswith("dir/file.yaml:2:7: kind: ")


def test_documents_that_do_not_parse_are_refused() -> None:
    assert [document.json for document in read_documents("f", b"a: 1\n---\nb: yes\n")] == [b'{"a":1}', b'{"b":true}']
    with pytest.raises(PolicyError):
        read_documents("f", b"a: [\n")


def test_calls_fail_with_the_exception_that_says_why() -> None:
    engine = Engine(contexts=1)
    with pytest.raises(InvalidRequest) as invalid:
        engine.review(review_pb2.ReviewRequest(admission_request=b"{").SerializeToString())
    assert invalid.value.field == "admission_request"
    with pytest.raises(ClusterMismatch) as mismatch:
        engine.review(review_pb2.ReviewRequest(cluster="a").SerializeToString(), cluster="b")
    assert (mismatch.value.certificate_cluster, mismatch.value.request_cluster) == ("b", "a")
    with pytest.raises(DeadlineExceeded):
        engine.review(review_pb2.ReviewRequest(admission_request=b"{}").SerializeToString(), timeout_seconds=0)
    with pytest.raises(RequestTooLarge) as large:
        engine.batch_review(
            review_pb2.BatchReviewRequest(requests=[review_pb2.ReviewRequest()] * 1001).SerializeToString()
        )
    assert large.value.limit == "items"
    with pytest.raises(InvalidRequest) as unfit:
        engine.replace_inventory("c", [b"{}"])
    assert unfit.value.field == "objects[0]"
    with pytest.raises(ValueError, match="review_seconds"):
        Engine(review_seconds=float("nan"))

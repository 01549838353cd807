"""What `--reviews` reads, and what becomes of it on the wire."""

import json
from pathlib import Path

import pytest
from fleetgate_clients.loadtest.payloads import build_payloads
from fleetgate_clients.loadtest.plan import Target
from fleetgate_clients.loadtest.recordings import RecordingError, read_recordings
from fleetgate_proto.v1 import review_pb2


def review(uid: str, namespace: str = "shop") -> str:
    request = {"uid": uid, "namespace": namespace, "object": {"spec": {"replicas": 9007199254740993}}}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})


SHOP = '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}'


def test_a_directory_is_read_at_any_depth_in_the_order_of_the_paths(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two.ndjson").write_text(f"{review('2')}\n\n{review('3')}\n")
    (tmp_path / "a.json").write_text(review("1"))
    (tmp_path / "namespaces.jsonl").write_text(SHOP)
    (tmp_path / "namespaces.yaml").write_text("kind: Namespace")
    (tmp_path / "README.md").write_text("not a recording")
    assert [json.loads(each.request)["uid"] for each in read_recordings(tmp_path)] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", r"a\.json: "),
        ("a.ndjson", f"{review('1')}\n[]\n", r"a\.ndjson:2: "),
        ("a.json", '{"kind": "Pod", "apiVersion": "v1"}', r"kind 'Pod' is not"),
        ("a.json", '{"kind": "AdmissionReview", "request": {"uid": 1}}', r"a\.json: .*uid"),
        ("a.json", '{"kind": "AdmissionReview"}', r"a\.json: "),
        ("a.json", SHOP, r"no AdmissionReview found"),
    ],
)
def test_what_is_not_a_recording_is_refused_by_place(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RecordingError, match=message):
        read_recordings(tmp_path)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="no such file"):
        read_recordings(tmp_path / "absent")
    with pytest.raises(RecordingError, match="no AdmissionReview found"):
        read_recordings(tmp_path)


def test_a_review_carries_its_request_byte_for_byte_and_its_namespace(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text("\n".join([review("1"), review("2", namespace="elsewhere")]))
    recordings, namespaces = read_recordings(tmp_path), {"shop": SHOP.encode()}
    shop, elsewhere = (
        review_pb2.ReviewRequest.FromString(each)
        for each in build_payloads(recordings, namespaces, Target.REVIEW, cluster="east", batch=1)
    )
    assert shop.cluster == "east"
    assert b"9007199254740993" in shop.admission_request
    assert shop.admission_request in review("1").encode()
    assert shop.namespace == SHOP.encode()
    assert elsewhere.namespace == b""


def test_batches_hold_every_review_equally_often(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text("\n".join(review(str(number)) for number in range(5)))
    payloads = build_payloads(read_recordings(tmp_path), {}, Target.BATCH, cluster="", batch=3)
    uids = [
        json.loads(request.admission_request)["uid"]
        for payload in payloads
        for request in review_pb2.BatchReviewRequest.FromString(payload).requests
    ]
    assert sorted(uids) == sorted([str(number) for number in range(5)] * 3)
    assert uids[:3] == ["0", "1", "2"]


def test_the_webhook_gets_the_admission_review_as_recorded(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(review("1"))
    assert build_payloads(read_recordings(tmp_path), {}, Target.WEBHOOK, cluster="", batch=1) == [review("1").encode()]

"""Requests, encoded once before the clock starts."""

from collections.abc import Mapping, Sequence

from fleetgate_proto.v1 import review_pb2

from fleetgate_clients.loadtest.plan import Target
from fleetgate_clients.loadtest.recordings import Recording


def build_payloads(
    recordings: Sequence[Recording], namespaces: Mapping[str, bytes], target: Target, *, cluster: str, batch: int
) -> list[bytes]:
    """Encode all recordings for a target.

    A review is an encoded ReviewRequest with the object's Namespace where ``namespaces`` (JSON by name) has it. Batches
    hold ``batch`` reviews each and begin at every recording in turn, so that every review is in as many batches as any
    other. The webhook gets the AdmissionReview as it was recorded.
    """
    if target is Target.WEBHOOK:
        return [recording.review for recording in recordings]
    requests = [
        review_pb2.ReviewRequest(
            cluster=cluster,
            admission_request=recording.request,
            namespace=namespaces.get(recording.namespace, b""),
        )
        for recording in recordings
    ]
    if target is Target.REVIEW:
        return [request.SerializeToString() for request in requests]
    return [_batch(requests, start, batch) for start in range(len(requests))]


def _batch(requests: Sequence[review_pb2.ReviewRequest], start: int, size: int) -> bytes:
    chosen = [requests[(start + offset) % len(requests)] for offset in range(size)]
    return review_pb2.BatchReviewRequest(requests=chosen).SerializeToString()

"""grpc.health.v1 per service, reflection, and the HTTP probes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.support.serving import TIMEOUT, Serve, Server, question

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES = (
    "fleetgate.v1.ReviewService",
    "fleetgate.v1.PolicyService",
    "fleetgate.v1.ServerInfoService",
    "fleetgate.v1.AuditService",
    "fleetgate.v1.InventoryService",
)


def test_health_of_each_service(serve: Serve, labels: Path) -> None:
    health = health_pb2_grpc.HealthStub(serve(f"--policies={labels}").channel)
    for service in ("", *SERVICES):
        assert health.Check(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT).status == SERVING
    with pytest.raises(grpc.RpcError) as unknown:
        health.Check(health_pb2.HealthCheckRequest(service="nope"), timeout=TIMEOUT)
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_watch_sees_the_drain(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}", "--drain-delay-seconds=1")
    health = health_pb2_grpc.HealthStub(server.channel)
    watch = health.Watch(health_pb2.HealthCheckRequest(service=SERVICES[0]), timeout=60)
    assert next(watch).status == SERVING
    stopping = threading.Thread(target=server.process.stop)
    stopping.start()
    assert next(watch).status == NOT_SERVING
    assert server.get("/readyz")[0] == 503
    assert server.get("/healthz")[0] == 200
    began = time.monotonic()
    stopping.join()
    assert time.monotonic() - began < 10, "the watch held up the end"
    assert next(watch, None) is None


def test_streams_never_take_the_threads_of_reviews(serve: Serve, labels: Path) -> None:
    """More watches and reflection streams than there are threads of any kind, all of them held open."""
    server = serve(f"--policies={labels}", "--review-threads=2", "--grpc-max-concurrent-streams=1000")
    health = health_pb2_grpc.HealthStub(server.channel)
    watches = [health.Watch(health_pb2.HealthCheckRequest(), timeout=60) for _ in range(100)]
    assert all(next(watch).status == SERVING for watch in watches)
    reflector = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    forever = threading.Event()

    def asking() -> object:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        forever.wait(30)

    streams = [reflector.ServerReflectionInfo(asking(), timeout=60) for _ in range(20)]
    assert next(streams[0])
    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(lambda _: server.review.Review(question(), timeout=TIMEOUT), range(50)))
    assert len(answers) == 50
    assert health.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT).status == SERVING
    forever.set()
    for call in (*watches, *streams):
        call.cancel()


def _reflect(
    server: Server, request: reflection_pb2.ServerReflectionRequest
) -> reflection_pb2.ServerReflectionResponse:
    stub = reflection_pb2_grpc.ServerReflectionStub(server.channel)
    answer: reflection_pb2.ServerReflectionResponse = next(stub.ServerReflectionInfo(iter([request]), timeout=TIMEOUT))
    return answer


def test_reflection_knows_the_services(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}")
    listed = _reflect(server, reflection_pb2.ServerReflectionRequest(list_services=""))
    names = {service.name for service in listed.list_services_response.service}
    assert names == {*SERVICES, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    for name in names:
        found = _reflect(server, reflection_pb2.ServerReflectionRequest(file_containing_symbol=name))
        assert found.file_descriptor_response.file_descriptor_proto


def test_a_forgotten_reflection_stream_ends(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}", "--grpc-reflection-seconds=0.3")
    held = threading.Event()

    def asking() -> object:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        held.wait(10)

    stream = reflection_pb2_grpc.ServerReflectionStub(server.channel).ServerReflectionInfo(asking(), timeout=10)
    assert next(stream)
    with pytest.raises(grpc.RpcError) as ended:
        next(stream)
    assert ended.value.code() is grpc.StatusCode.CANCELLED
    held.set()


def test_http_paths(serve: Serve, labels: Path) -> None:
    server = serve(f"--policies={labels}")
    assert server.get("/healthz") == (200, "ok\n")
    assert server.get("/readyz") == (200, "ok\n")
    assert server.get("/")[0] == 404

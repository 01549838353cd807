"""The floor: a grpcio sync server that takes any call's bytes and answers with bytes, without looking at them.

It is what everybody writes: the standard library's thread pool, no interceptors. The service has threads of another
kind (:mod:`fleetgate.transport.workers`), which would save this one 15 to 30 µs a call.

Run as a program: ``identity_server.py THREADS ANSWER_BYTES`` prints its port and serves until it is terminated. The
answer reads as a ReviewResponse with a long ``decision_id``, so that callers take it for one; with 0 bytes it is the
empty message, which makes the program a sink for OTLP.
"""

from __future__ import annotations

import sys
from concurrent import futures

import grpc
from fleetgate_proto.v1 import review_pb2


class _Identity(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, answer: bytes) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(lambda _request, _context: answer)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        # Health must stay unimplemented: clients then take the server for healthy, and no stream holds a thread.
        return None if handler_call_details.method.startswith("/grpc.health.") else self._handler


def _answer(size: int) -> bytes:
    # Field 1, length-delimited, filled up to the size.
    return review_pb2.ReviewResponse(decision_id="0" * max(0, size - 3)).SerializeToString() if size else b""


def main() -> None:
    """Serve until terminated."""
    threads, answer_bytes = int(sys.argv[1]), int(sys.argv[2])
    server = grpc.server(
        futures.ThreadPoolExecutor(threads),
        handlers=(_Identity(_answer(answer_bytes)),),
        options=[("grpc.so_reuseport", 0)],
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()

"""Calls to InventoryService, one after the other: a command asks and ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    import grpc
    from fleetgate_proto.v1 import inventory_pb2

EXIT_UNUSABLE = 2
EXIT_PARTIAL = 3

_MAX_MESSAGE_BYTES = 16 * 1024 * 1024

ServerOption = Annotated[str, typer.Option("--server", metavar="HOST:PORT", help="The service.", show_default=False)]
CaOption = Annotated[Path | None, typer.Option("--ca", help="Authorities to trust (PEM). [default: the system's]")]
CertOption = Annotated[Path | None, typer.Option("--cert", help="Own certificate (PEM), for mutual TLS.")]
KeyOption = Annotated[Path | None, typer.Option("--key", help="Its key (PEM).")]
ServerNameOption = Annotated[str, typer.Option("--server-name", help="Name to expect in the service's certificate.")]
InsecureOption = Annotated[bool, typer.Option("--insecure", help="No TLS: loopback addresses only.")]
TimeoutOption = Annotated[float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="Time for each answer.")]


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the service, as the options say it."""

    server: str
    ca: Path | None
    cert: Path | None
    key: Path | None
    server_name: str
    insecure: bool
    timeout: float


class Inventory:
    """InventoryService."""

    def __init__(self, stub: object, timeout: float) -> None:
        self._stub, self._timeout = stub, timeout

    def clusters(self, request: inventory_pb2.ListClustersRequest) -> list[inventory_pb2.ClusterInfo]:
        """The chosen clusters. Raises grpc.RpcError."""
        return list(self._stub.ListClusters(request, timeout=self._timeout).clusters)  # type: ignore[attr-defined]

    def pages(self, request: inventory_pb2.QueryInventoryRequest) -> Iterator[inventory_pb2.QueryInventoryResponse]:
        """All pages, each with a deadline of its own. Raises grpc.RpcError."""
        while True:
            page = self._stub.QueryInventory(request, timeout=self._timeout)  # type: ignore[attr-defined]
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token


@contextmanager
def inventory(connection: Connection) -> Iterator[Inventory]:
    """Connect to InventoryService. What fails ends the command with a sentence, exit code 2."""
    from fleetgate_proto.v1 import inventory_pb2_grpc  # noqa: PLC0415 (help and completion do without)

    with connect(connection) as channel:
        yield Inventory(inventory_pb2_grpc.InventoryServiceStub(channel), connection.timeout)


@contextmanager
def connect(connection: Connection) -> Iterator[grpc.Channel]:
    """Open a channel. Options that do not fit, and calls that fail, end the command with a sentence, exit code 2."""
    import grpc  # noqa: PLC0415

    from fleetgate_clients.channel import ChannelError, ServiceOptions, credentials  # noqa: PLC0415

    options = ServiceOptions(
        targets=(connection.server,),
        ca=connection.ca,
        cert=connection.cert,
        key=connection.key,
        server_name=connection.server_name,
        insecure=connection.insecure,
    )
    arguments: list[tuple[str, str | int]] = [("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES)]
    if connection.server_name:
        arguments.append(("grpc.ssl_target_name_override", connection.server_name))
    try:
        options.check()
        secrets = credentials(options)
    except ChannelError as error:
        # It names the options as the webhook has them.
        fail(str(error).replace("--server-", "--"))
    made = (
        grpc.insecure_channel(connection.server, arguments)
        if secrets is None
        else grpc.secure_channel(connection.server, secrets, arguments)
    )
    with made as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            fail(f"{connection.server}: {failure_words(error)}")


def failure_words(error: grpc.RpcError) -> str:
    """What a call failed with: the code, what the service says, and each defect of what was sent."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415
    from google.rpc import error_details_pb2  # noqa: PLC0415
    from grpc_status import rpc_status  # noqa: PLC0415

    words = f"{error.code().name}: {error.details()}"
    try:
        status = rpc_status.from_call(error)
    except (ValueError, DecodeError):
        return words
    for detail in status.details if status is not None else ():
        if detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            defects = error_details_pb2.BadRequest()
            detail.Unpack(defects)
            words += "".join(f"\n{one.field}: {one.description}" for one in defects.field_violations)
    return words


def no_cluster_words(selector: str) -> str:
    """What to say where no cluster is chosen."""
    return f"no cluster matches --clusters {selector}" if selector else "the service knows no cluster"


def fail(words: str) -> NoReturn:
    """End the command: nothing can be answered."""
    from fleetgate_clients.output.terminal import printable  # noqa: PLC0415

    for number, line in enumerate(words.splitlines()):
        typer.echo(f"  {printable(line)}" if number else f"error: {printable(line)}", err=True)
    raise typer.Exit(EXIT_UNUSABLE)

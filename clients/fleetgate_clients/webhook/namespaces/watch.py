"""Namespaces of a live cluster: list, watch, and a direct read on a miss.

The states are a reflector's:

    LISTING   everything is read, page by page, and replaces what was known at once; then WATCHING
    WATCHING  events are applied as they come; a watch that ends or breaks is resumed where it was; 410 Gone (the
              history that it would need is compacted) means LISTING

What is known stays in use through all of it: there is never an empty window. Failures back off with jitter.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto

import aiohttp
import msgspec
from aiohttp.http_exceptions import HttpProcessingError

from fleetgate_clients.telemetry import Instruments
from fleetgate_clients.webhook.namespaces import NamespaceError, NamespaceNotFound
from fleetgate_clients.webhook.namespaces.kubeconfig import ApiServer

logger = logging.getLogger(__name__)

PATH = "/api/v1/namespaces"
PAGE = 500
LIST_SECONDS = 30.0
GET_SECONDS = 5.0
# The API server ends a watch after this long; a client that varies it spreads the reconnects.
WATCH_SECONDS = (240, 300)
BACKOFF_SECONDS = (0.2, 15.0)
_GONE = 410
_MAX_LINE = 4 * 1024 * 1024
# What a name of Kubernetes may have at most; nobody is asked for longer ones.
_MAX_NAME = 253

_FAILURES = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError, ValueError, msgspec.DecodeError)


class _Metadata(msgspec.Struct):
    name: str = ""
    resourceVersion: str = ""  # noqa: N815 (Kubernetes' names)
    continue_: str = msgspec.field(name="continue", default="")


class _Object(msgspec.Struct):
    metadata: _Metadata
    kind: str = ""


class _List(msgspec.Struct):
    metadata: _Metadata
    items: list[msgspec.Raw]


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Status(msgspec.Struct):
    code: int = 0
    message: str = ""


_decode_list = msgspec.json.Decoder(_List).decode
_decode_object = msgspec.json.Decoder(_Object).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_status = msgspec.json.Decoder(_Status).decode


class Refused(OSError):  # noqa: N818 (the API server's word, not a defect)
    """The API server answered with an error status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message or f"the API server answered with {code}")
        self.code = code


class _State(Enum):
    LISTING = auto()
    WATCHING = auto()


class WatchedNamespaces:
    """The Namespaces of ``api``, kept up to date."""

    def __init__(self, api: ApiServer, instruments: Instruments) -> None:
        self._api = api
        self._instruments = instruments
        self._objects: dict[str, bytes] = {}
        self._version = ""
        self._synced = False
        self._session: aiohttp.ClientSession | None = None
        self._task: asyncio.Task[None] | None = None
        self._reads: dict[str, asyncio.Task[bytes]] = {}

    async def start(self) -> None:
        """Begin to list and watch."""
        connector = aiohttp.TCPConnector(limit=16, socket_factory=_keepalive_socket)
        self._session = aiohttp.ClientSession(
            connector=connector,
            read_bufsize=_MAX_LINE,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5.0),
        )
        self._task = asyncio.create_task(self._run(), name="watch-namespaces")

    @property
    def ready(self) -> bool:
        """Whether the first list is complete."""
        return self._synced

    @property
    def count(self) -> int:
        """Number of Namespaces known."""
        return len(self._objects)

    async def get(self, name: str, *, timeout: float) -> bytes:
        """Return a Namespace, asking the API server where it is not known (yet). Raises NamespaceError.

        A Namespace and the first object in it may be created faster than a watch event travels.
        """
        known = self._objects.get(name)
        if known is not None:
            return known
        _check_segment(name)
        # One question however many requests wait for the answer.
        read = self._reads.get(name)
        if read is None:
            read = asyncio.create_task(self._read(name), name="read-namespace")
            self._reads[name] = read
            read.add_done_callback(lambda _: self._reads.pop(name, None))
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.shield(read)
        except TimeoutError:
            raise NamespaceError(f'Get "{self._url(name)}": context deadline exceeded') from None

    async def close(self) -> None:
        """Stop watching and disconnect."""
        tasks = [task for task in (self._task, *self._reads.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _run(self) -> None:
        state = _State.LISTING
        failures = 0
        while True:
            try:
                if state is _State.LISTING:
                    await self._list()
                    state = _State.WATCHING
                else:
                    await self._watch()
                failures = 0
            # Whatever it is: a task that dies would leave old Namespaces in use without a word.
            except Exception as error:  # noqa: BLE001
                if isinstance(error, Refused) and error.code == _GONE:
                    logger.info("the watch of Namespaces is too old, listing again")
                    state = _State.LISTING
                    # Once at once; a server that always says so gets the back-off.
                    if failures == 0:
                        failures = 1
                        continue
                if isinstance(error, Refused) and error.code == 401:
                    self._api.unauthorized()
                failures += 1
                pause = min(BACKOFF_SECONDS[0] * 2 ** min(failures - 1, 10), BACKOFF_SECONDS[1])
                pause *= 0.5 + random.random()  # noqa: S311 (jitter)
                fields = {
                    "error": str(error) or type(error).__name__,
                    "state": state.name,
                    "retry_seconds": round(pause, 2),
                }
                logger.warning("cannot %s Namespaces", state.name.lower().removesuffix("ing"), extra={"fields": fields})
                await asyncio.sleep(pause)

    async def _list(self) -> None:
        """Read all, then replace all."""
        objects: dict[str, bytes] = {}
        query = {"limit": str(PAGE)}
        result = "error"
        try:
            while True:
                async with self._request(PATH, query, total=LIST_SECONDS) as response:
                    page = _decode_list(await response.read())
                for raw in page.items:
                    item = bytes(raw)
                    objects[_decode_object(item).metadata.name] = _typed(item)
                if not page.metadata.continue_:
                    break
                query["continue"] = page.metadata.continue_
            result = "ok"
        finally:
            self._instruments.namespace_lists.add(1, {"result": result})
        self._objects = objects
        self._version = page.metadata.resourceVersion
        if not self._synced:
            logger.info("Namespaces are known", extra={"fields": {"count": len(objects)}})
        self._synced = True

    async def _watch(self) -> None:
        """Apply events until the API server ends the watch."""
        seconds = random.randint(*WATCH_SECONDS)  # noqa: S311
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(seconds),
        }
        loop = asyncio.get_running_loop()
        began, events = loop.time(), 0
        async with self._request(PATH, query, total=seconds + 30.0) as response:
            async for line in response.content:
                if line.strip():
                    self._apply(line)
                    events += 1
        if not events and loop.time() - began < 1.0:
            # Something in between ends every watch at once: do not ask in a tight circle.
            raise Refused(0, "the watch ended before it began")

    def _apply(self, line: bytes) -> None:
        event = _decode_event(line)
        raw = bytes(event.object)
        if event.type == "ERROR":
            status = _decode_status(raw)
            raise Refused(status.code, status.message)
        metadata = _decode_object(raw).metadata
        if event.type == "DELETED":
            self._objects.pop(metadata.name, None)
        elif event.type in ("ADDED", "MODIFIED"):
            self._objects[metadata.name] = _typed(raw)
        elif event.type != "BOOKMARK":
            raise ValueError(f"unknown watch event {event.type!r}")
        self._version = metadata.resourceVersion

    async def _read(self, name: str) -> bytes:
        result = "error"
        try:
            async with self._request(f"{PATH}/{urllib.parse.quote(name, safe='')}", {}, total=GET_SECONDS) as response:
                found = _typed(await response.read())
            result = "found"
            return found
        except Refused as error:
            if error.code == 401:
                self._api.unauthorized()
            if error.code == 404:
                result = "absent"
                raise NamespaceNotFound(name) from None
            raise NamespaceError(str(error)) from error
        except _FAILURES as error:
            raise NamespaceError(f'Get "{self._url(name)}": {error or type(error).__name__}') from error
        finally:
            self._instruments.namespace_misses.add(1, {"result": result})

    def _url(self, name: str) -> str:
        return f"{self._api.url}{PATH}/{name}"

    @asynccontextmanager
    async def _request(
        self, path: str, query: dict[str, str], *, total: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("not started")
        headers = {"Accept": "application/json", "User-Agent": "fleetgate-webhook", **await self._api.authorization()}
        async with self._session.get(
            f"{self._api.url}{path}",
            params=query,
            headers=headers,
            ssl=self._api.tls() or True,
            server_hostname=self._api.server_name or None,
            timeout=aiohttp.ClientTimeout(total=total, sock_connect=5.0),
            allow_redirects=False,
        ) as response:
            if response.status != 200:
                body = await response.content.read(64 * 1024)
                with suppress(msgspec.DecodeError, UnicodeDecodeError):
                    raise Refused(response.status, _decode_status(body).message)
                raise Refused(response.status, "")
            yield response


def _check_segment(name: str) -> None:
    """Refuse a name that would ask for something else than one Namespace, in client-go's words.

    A URL's ``.`` and ``..`` are taken away on the road, and a list would answer for the Namespace.
    """
    if name in (".", ".."):
        why = f"may not be '{name}'"
    elif unfit := [mark for mark in "/%" if mark in name]:
        why = " ".join(f"may not contain '{mark}'" for mark in unfit)
    elif len(name) > _MAX_NAME:
        name, why = name[:_MAX_NAME], f"must be no more than {_MAX_NAME} characters"
    else:
        return
    raise NamespaceError(f'invalid resource name "{name}": [{why}]')


def _typed(raw: bytes) -> bytes:
    """Give an item of a list the kind that the list left out."""
    if _decode_object(raw).kind:
        return raw
    return b'{"apiVersion":"v1","kind":"Namespace",' + raw.lstrip()[1:]


def _keepalive_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A peer that vanished is noticed in half a minute, not when the watch would have ended."""
    connection = socket.socket(*address[:3])
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return connection

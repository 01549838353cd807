"""The webhook over HTTPS, as an API server calls it: keep-alive connections, one request at a time on each."""

import asyncio
import ssl
from urllib.parse import urlsplit

import aiohttp
import msgspec

from fleetgate_clients.loadtest.plan import Endpoint, Tls
from fleetgate_clients.loadtest.tally import Outcome
from fleetgate_clients.loadtest.transport import ConnectError, RequestFailed

# Codes of an AdmissionReview's status that are decisions: a denial, and a Gatekeeper resource that is not valid.
_DENIALS = {403, 422}
_HEADERS = {"Content-Type": "application/json", "User-Agent": "fleetgate-loadtest"}


class _Status(msgspec.Struct):
    code: int = 0


class _Response(msgspec.Struct):
    allowed: bool
    warnings: list[str] = msgspec.field(default_factory=list)
    status: _Status = msgspec.field(default_factory=_Status)


class _AdmissionReview(msgspec.Struct):
    response: _Response


class WebhookTransport:
    """A pool of connections."""

    def __init__(self, session: aiohttp.ClientSession, endpoint: Endpoint, context: ssl.SSLContext | None) -> None:
        self._session = session
        self._url = endpoint.address
        self._context: ssl.SSLContext | bool = context or False
        self._server_name = endpoint.tls.server_name if endpoint.tls else None
        self._decode = msgspec.json.Decoder(_AdmissionReview).decode

    @classmethod
    async def open(cls, endpoint: Endpoint, *, timeout: float, connections: int) -> "WebhookTransport":
        """Check that the endpoint accepts a connection and shows a trusted certificate; else raise ConnectError."""
        url = urlsplit(endpoint.address)
        context = None if endpoint.tls is None else _context(endpoint.tls)
        server_name = None if endpoint.tls is None else endpoint.tls.server_name
        port = url.port or (443 if context else 80)
        try:
            async with asyncio.timeout(timeout):
                _, writer = await asyncio.open_connection(
                    url.hostname, port, ssl=context, server_hostname=server_name if context else None
                )
                writer.close()
        except (OSError, TimeoutError) as error:
            raise ConnectError(f"no connection to {endpoint.address}: {error or 'timed out'}") from error
        connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=60)
        session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=timeout),
            headers=_HEADERS,
            auto_decompress=False,
        )
        return cls(session, endpoint, context)

    async def send(self, payload: bytes) -> bytes:
        try:
            async with self._session.post(
                self._url, data=payload, ssl=self._context, server_hostname=self._server_name
            ) as response:
                body = await response.read()
        except TimeoutError as error:
            raise RequestFailed("TIMEOUT") from error
        except aiohttp.ClientConnectorError as error:
            raise RequestFailed("CONNECT") from error
        except aiohttp.ClientError as error:
            raise RequestFailed("DISCONNECTED") from error
        if response.status != 200:
            raise RequestFailed(f"HTTP {response.status}")
        return body

    def read(self, answer: bytes) -> Outcome:
        outcome = Outcome()
        try:
            response = self._decode(answer).response
        except msgspec.MsgspecError:
            outcome.failures["not an AdmissionReview"] += 1
            return outcome
        if response.allowed:
            outcome.decisions["warn" if response.warnings else "allow"] += 1
        elif response.status.code in _DENIALS:
            outcome.decisions["deny"] += 1
        else:
            outcome.failures[f"review {response.status.code}"] += 1
        return outcome

    async def close(self) -> None:
        await self._session.close()


def _context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.certificate:
            context.load_cert_chain(tls.certificate, tls.key)
    except OSError as error:
        files = ", ".join(str(file) for file in (tls.ca, tls.certificate, tls.key) if file)
        reason = error if isinstance(error, ssl.SSLError) else error.strerror
        raise ConnectError(f"the certificates ({files}) cannot be used: {reason}") from error
    return context

"""Calling an instance over HTTP: one request, one answer; nothing is followed, decompressed or remembered."""

from __future__ import annotations

import asyncio
import resource
from functools import lru_cache, partial
from http import HTTPStatus
from ssl import SSLError
from urllib.parse import quote

import aiohttp
import orjson
from aiohttp import ClientError, ClientTimeout, DummyCookieJar
from yarl import URL

from orchestration import clock
from orchestration.domain.limits import Limits

from .addresses import OutboundPolicy
from .answers import ERROR_BODY_BYTES, outcome_of, retry_after_of
from .calls import Accepted, Outcome, ServiceCall, failed
from .resolving import ForbiddenAddress, checked_connector
from .tls import BY_DEFAULT, Secured

HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "Podium",
}
CONNECTIONS_OF_ALL = 10
READ_ON_THE_LOOP = 32 * 1024


class HttpCaller:
    """The pooled connections of one event loop to all instances."""

    def __init__(
        self,
        *,
        policy: OutboundPolicy,
        connections: int,
        connect_seconds: float,
        answer_bytes: int,
        retry_after_max: float,
        limits: Limits,
    ) -> None:
        self._answer_bytes = answer_bytes
        self._retry_after_max = retry_after_max
        self._limits = limits
        self._session = aiohttp.ClientSession(
            connector=checked_connector(policy, per_address=connections, total=_total(connections)),
            cookie_jar=DummyCookieJar(),
            headers=HEADERS,
            timeout=ClientTimeout(total=None, sock_connect=connect_seconds),
            auto_decompress=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def call(self, call: ServiceCall, *, url: str, tls: Secured = BY_DEFAULT) -> Outcome:
        """Post the call to its method of the instance at `url` and return what came of it."""
        target = _target(url, call.method)
        if target is None:
            return failed("method_not_found", f"{call.method[:80]!r} cannot be a method's name")
        return await self.post(call, target, tls=tls)

    async def post(self, call: ServiceCall, target: URL, *, tls: Secured = BY_DEFAULT) -> Outcome:
        """Post the call's input to `target` and return what came of it. The caller bounds its time."""
        try:
            body = orjson.dumps(call.input)
            async with self._session.post(
                target,
                data=body,
                headers=_headers(call),
                allow_redirects=False,
                ssl=tls.context,
                server_hostname=tls.server_name,
            ) as response:
                return await self._outcome(response, call)
        except (ClientError, OSError) as error:
            return _unreached(error, secured=tls is not BY_DEFAULT)
        except (ValueError, TypeError) as error:
            # Headers and bodies that cannot be put on a wire.
            return failed("invalid_input", f"the call cannot be written as a request: {error}"[:500])

    async def _outcome(self, response: aiohttp.ClientResponse, call: ServiceCall) -> Outcome:
        status, headers = response.status, response.headers
        if status == HTTPStatus.ACCEPTED and call.callback is not None:
            return Accepted()
        if 200 <= status < 300:
            body = await _read(response, self._answer_bytes)
            if body is None:
                return failed("too_large", "the answer is longer than it may be", allowed=self._answer_bytes)
            if "Content-Encoding" in headers and headers["Content-Encoding"].lower() != "identity" and body:
                return failed("invalid_output", "the answer is compressed, which was not asked for")
            asked = None
        else:
            body = await _read(response, ERROR_BODY_BYTES) or b""
            asked = retry_after_of(headers.get("Retry-After"), now=clock.now(), most=self._retry_after_max)
        read = partial(outcome_of, status, body, retry_after=asked, limits=self._limits)
        # Reading a long answer takes a while, in which the loop has others to see to.
        return await asyncio.to_thread(read) if len(body) > READ_ON_THE_LOOP else read()


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """Return the body, None if it is longer than `most` bytes; its connection is closed then."""
    length = response.content_length
    if length is not None and length <= most:
        return await response.read()
    body = bytearray()
    # A length that is too great is not worth reading for.
    if length is None:
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > most:
                break
        else:
            return bytes(body)
    response.close()
    return None


def _unreached(error: Exception, *, secured: bool) -> Outcome:
    """Return the failure of a call that got no answer, without a word of what lies at the address."""
    if isinstance(getattr(error, "os_error", error), ForbiddenAddress):
        return failed("denied", "calls may not go to this address", reason="address.forbidden")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return failed("connection", "the service's certificate is not as it should be", reason="certificate")
    if isinstance(error, aiohttp.ClientSSLError | SSLError) or isinstance(error.__cause__, SSLError):
        return failed("connection", "no secure connection could be made", reason="tls")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return failed("connection", "the host has no address", reason="name")
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ServerTimeoutError):
        return failed("connection", "no connection could be made", reason="unreachable")
    if isinstance(error, aiohttp.ClientResponseError):
        return failed("connection", "the answer is not HTTP as it should be", reason="protocol")
    if secured and isinstance(error, aiohttp.ClientOSError | aiohttp.ServerDisconnectedError):
        # Since TLS 1.3 a service refuses a client's certificate after the handshake, by hanging up.
        said = "the connection was closed before an answer, as a service does that refuses the certificate it was shown"
        return failed("connection", said, reason="tls.closed")
    return failed("connection", "the connection was lost before the answer was whole", reason="lost")


@lru_cache(maxsize=4096)
def _target(url: str, method: str) -> URL | None:
    segments = method.split("/")
    if not all(segments) or {".", ".."} & set(segments) or len(method) > 256:
        return None
    return URL(f"{url}/{quote(method, safe='/')}", encoded=True)


def _headers(call: ServiceCall) -> dict[str, str]:
    headers = {"Podium-Attempt": str(call.attempt)}
    if call.idempotency_key:
        headers["Idempotency-Key"] = call.idempotency_key
    if call.epoch:
        headers["Podium-Epoch"] = str(call.epoch)
    if call.traceparent is not None:
        headers["traceparent"] = call.traceparent
    if call.callback is not None:
        headers["Podium-Callback"] = call.callback
    return headers


def _total(per_address: int) -> int:
    """Return how many connections a process may hold: ten addresses' worth, but not all of its open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = per_address * CONNECTIONS_OF_ALL
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft // 2))

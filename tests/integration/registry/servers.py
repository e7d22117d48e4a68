"""Services on real sockets: well-behaved ones, and ones that speak anything."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Service:
    """An HTTP service on a free port of loopback. It remembers every request with its body."""

    def __init__(self, handler: Handler, *, tls: ssl.SSLContext | None = None) -> None:
        self._handler = handler
        self._tls = tls
        self.requests: list[tuple[web.Request, bytes]] = []
        self.peers: set[Any] = set()
        self.url = ""
        self.port = 0

    async def __aenter__(self) -> Self:
        server = web.Server(self._serve)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http{'s' * (self._tls is not None)}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.peers.add(request.transport.get_extra_info("peername") if request.transport else None)
        self.requests.append((request, await request.read()))  # type: ignore[arg-type]
        return await self._handler(request)  # type: ignore[arg-type]


class RawServer:
    """A TCP server on a free port of loopback that hands each connection, its request read, to `talk`."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._open: set[asyncio.StreamWriter] = set()
        self.accepted = 0
        self.ended = 0
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        while self._open:
            await asyncio.sleep(0.005)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._open.add(writer)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.ended += 1
        finally:
            writer.transport.abort()
            self._open.discard(writer)


def answer(body: Any, status: int = 200, **headers: str) -> Handler:
    """Return a handler that always answers the same JSON."""

    async def handle(_: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, bytes):
            return web.Response(body=body, status=status, headers=named)
        return web.json_response(body, status=status, headers=named)

    return handle


def reset(writer: asyncio.StreamWriter) -> None:
    """Cut the connection with a reset rather than an end."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

"""A TCP proxy that breaks as networks do, in front of a database, a broker or a service.

It runs in a thread of the harness; `mode` is what happens to bytes from now on and may be changed at any time:

    pass       they go through
    refuse     new connections are reset; those that are open go on
    blackhole  new connections are taken and nothing is ever read; open ones are silent for good, both ways
    delay      every piece waits `seconds` in either direction
    drip       one byte at a time, `seconds` apart
    cut        a connection is reset once `after` bytes have gone to the server
    cut-reply  requests go through; the connection is reset when the reply comes

`cut()` resets everything that is open.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PIECE = 65536


@dataclass(eq=False)
class Pipe:
    """One connection: both its ends, and whether it was swallowed by a black hole."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    sent: int = 0
    swallowed: bool = field(default=False)


class Proxy:
    """A proxy to `port` of loopback. `with Proxy(port).running() as proxy: proxy.port …`."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.mode = "pass"
        self.seconds = 0.2
        self.after = 0
        self.accepted = 0
        # Pieces that were read from clients, whether they were passed on already or not.
        self.taken = 0
        self._pipes: set[Pipe] = set()
        self._waiting: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._over: asyncio.Event | None = None

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        """Listen on a free port until the end of the block."""
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        self._ready.wait(10)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(lambda: self._over and self._over.set())
            thread.join(10)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    def switch(self, mode: str, *, seconds: float = 0.2, after: int = 0) -> None:
        """Change what happens to bytes from now on. A connection that a black hole swallowed stays swallowed."""
        self.seconds, self.after = seconds, after
        if mode == "blackhole":
            for pipe in list(self._pipes):
                pipe.swallowed = True
        self.mode = mode

    def cut(self) -> None:
        """Reset every open connection."""
        self._loop.call_soon_threadsafe(self._reset_all)

    @property
    def open(self) -> int:
        """Return how many connections are open."""
        return len(self._pipes)

    async def _serve(self) -> None:
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        self._reset_all()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _reset_all(self) -> None:
        for pipe in list(self._pipes):
            _reset(pipe.client)
            _reset(pipe.server)
        for writer in list(self._waiting):
            _reset(writer)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.mode == "refuse":
            _reset(writer)
            return
        if self.mode == "blackhole":
            # Half-open: taken, never read, never answered.
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            self._waiting.add(writer)
            return
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        pipe = Pipe(writer, to_server)
        self._pipes.add(pipe)
        try:
            await asyncio.gather(
                self._pump(pipe, reader, to_server, upwards=True), self._pump(pipe, from_server, writer, upwards=False)
            )
        except asyncio.CancelledError:
            # The proxy ends.
            return
        finally:
            self._pipes.discard(pipe)
            for end in (writer, to_server):
                with contextlib.suppress(Exception):
                    end.close()

    async def _pump(
        self, pipe: Pipe, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upwards: bool
    ) -> None:
        """Pass pieces on in order, each when it is due: what was sent arrives, even if its sender is gone by then."""
        pieces: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue()
        taking = asyncio.create_task(self._take(reader, pieces, upwards=upwards))
        try:
            while (found := await pieces.get()) is not None:
                due, piece = found
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                if pipe.swallowed:
                    continue
                if self.mode == "cut-reply" and not upwards:
                    self._break(pipe)
                    return
                await self._pass_on(pipe, piece, writer, upwards=upwards)
            if not pipe.swallowed:
                writer.write_eof()
        except (ConnectionError, OSError):
            return
        finally:
            taking.cancel()

    async def _take(
        self, reader: asyncio.StreamReader, pieces: asyncio.Queue[tuple[float, bytes] | None], *, upwards: bool
    ) -> None:
        with contextlib.suppress(ConnectionError, OSError):
            while piece := await reader.read(PIECE):
                self.taken += upwards
                pieces.put_nowait((self._loop.time() + (self.seconds if self.mode == "delay" else 0), piece))
        pieces.put_nowait(None)

    async def _pass_on(self, pipe: Pipe, piece: bytes, writer: asyncio.StreamWriter, *, upwards: bool) -> None:
        if self.mode == "cut" and upwards:
            pipe.sent += len(piece)
            if pipe.sent > self.after:
                self._break(pipe)
                return
        if self.mode == "drip":
            for byte in piece:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(self.seconds)
            return
        writer.write(piece)
        await writer.drain()

    def _break(self, pipe: Pipe) -> None:
        _reset(pipe.client)
        _reset(pipe.server)


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

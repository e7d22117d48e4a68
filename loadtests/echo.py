"""The benchmark's service: answers every POST with a small JSON object, as cheaply as Python can.

`python -m loadtests.echo --port 0 --ready-file FILE`. What a benchmark over HTTP measures should be the platform, not
the service it calls, so this speaks just enough HTTP/1.1 by hand (persistent connections, `Content-Length` bodies) and
keeps nothing. It is no example of how to write a service.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import cast

import uvloop

ANSWER = b'{"ok":true}'
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)
REFUSAL = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
MOST_WAITING_BYTES = 1024 * 1024


class Echo(asyncio.Protocol):
    """One connection: every whole request that stands in the buffer is answered, in order."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        """Answer what is whole, keep the rest."""
        self._buffer += data
        answered = 0
        try:
            while (end := _end_of_request(self._buffer)) is not None:
                self._buffer = self._buffer[end:]
                answered += 1
        except ValueError:
            self._give_up()
            return
        if self._transport is not None and answered:
            self._transport.write(REPLY * answered)
        if len(self._buffer) > MOST_WAITING_BYTES:
            self._give_up()

    def _give_up(self) -> None:
        if self._transport is not None:
            self._transport.write(REFUSAL)
            self._transport.close()


def _end_of_request(buffer: bytes) -> int | None:
    """Return where the first request ends, None while it is not whole. Raises ValueError for a bad length."""
    head = buffer.find(b"\r\n\r\n")
    if head < 0:
        return None
    at = buffer[:head].lower().find(b"\r\ncontent-length:")
    length = 0
    if at >= 0:
        line = buffer[at + 17 : head + 2]
        length = int(line[: line.index(b"\r\n")])
        if not 0 <= length <= MOST_WAITING_BYTES:
            raise ValueError(length)
    end = head + 4 + length
    return end if len(buffer) >= end else None


async def serve(given: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError where the port cannot be had."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    server = await loop.create_server(Echo, given.host, given.port, backlog=1024)
    url = f"http://{given.host}:{server.sockets[0].getsockname()[1]}"
    if given.ready_file is not None:
        half = given.ready_file.with_name(given.ready_file.name + ".new")
        half.write_text(url + "\n", encoding="utf-8")
        os.replace(half, given.ready_file)
    await stop.wait()
    server.close()


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop; return 1 where the port cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.echo", description="Answer every POST, cheaply.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--ready-file", type=Path, help="written with the address once the service answers")
    try:
        uvloop.run(serve(parser.parse_args(argv)))
    except OSError as error:
        print(f"echo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The outside world, and the oracle: an HTTP service that writes every call down, with fsync, before it answers.

It runs as a process of its own (`python -m tests.faults.recorder --file calls.jsonl --port 0`) and applies an effect
once per `Idempotency-Key`, as a good service does. What it was asked stands in the file, whatever became of the answer:
one JSON line per call. A control request `POST /-/mode {"method", "mode", "times", "seconds", "status",
"retry_after"}` makes the next `times` calls of a method go wrong:

    ok       written, applied, answered; `input.seconds` is how long the answer takes
    status   written, not applied, answered with `status` (and `Retry-After: retry_after`)
    hang     written, not applied, never answered
    drip     written, applied, answered one byte a second
    headers  written, applied, answered with headers that never end
    lost     written, applied, and the connection closed without a word
    reset    written, not applied, and the connection reset
    fenced   refused (409, not applied) where a call of the same execution came with a higher `Podium-Epoch` before
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

Headers = dict[str, str]


class Recorder:
    """The service: its file, what it has applied, and what goes wrong next."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        self._applied: set[str] = set()
        self._epochs: dict[str, int] = {}
        self._modes: dict[str, dict[str, Any]] = {}
        for line in path.read_text().splitlines():
            call = json.loads(line)
            if call["applied"]:
                self._applied.add(call["key"])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while (request := await _read(reader)) is not None:
                path, headers, body = request
                if path == "/-/mode":
                    mode = json.loads(body)
                    self._modes[mode["method"]] = mode
                    await _answer(writer, 200, {})
                else:
                    await self._call(writer, path.strip("/"), headers, body)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            with contextlib.suppress(Exception):
                writer.close()

    async def _call(self, writer: asyncio.StreamWriter, method: str, headers: Headers, body: bytes) -> None:
        told = json.loads(body or b"{}")
        mode = self._mode(method)
        name = mode["mode"]
        epoch = int(headers.get("podium-epoch", "0"))
        highest = self._epochs.get(told.get("execution", ""), 0)
        stale = epoch < highest
        self._epochs[told.get("execution", "")] = max(epoch, highest)
        key = headers.get("idempotency-key", "")
        applied = name in ("ok", "drip", "headers", "lost") or (name == "fenced" and not stale)
        first = applied and key not in self._applied
        if first:
            self._applied.add(key)
        line = {
            "at": time.time_ns() // 1000,
            "method": method,
            "key": key,
            "attempt": int(headers.get("podium-attempt", "0")),
            "epoch": epoch,
            "stale": stale,
            "mode": name,
            "applied": first,
            "execution": told.get("execution", ""),
            "step": told.get("step", ""),
        }
        os.write(self._file, f"{json.dumps(line)}\n".encode())
        os.fsync(self._file)
        await asyncio.sleep(told.get("seconds") or 0)
        await self._reply(writer, mode, stale=stale, first=first)

    async def _reply(self, writer: asyncio.StreamWriter, mode: dict[str, Any], *, stale: bool, first: bool) -> None:
        match mode["mode"]:
            case "status":
                await _answer(writer, mode["status"], {}, mode.get("retry_after"))
            case "hang":
                await asyncio.sleep(mode.get("seconds") or 3600)
                writer.transport.abort()
            case "drip":
                await _drip(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            case "headers":
                writer.write(b"HTTP/1.1 200 OK\r\n")
                await _drip(writer, b"")
            case "lost":
                writer.close()
            case "reset":
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            case "fenced" if stale:
                await _answer(
                    writer, 409, {"error": {"code": "fenced", "message": "an older holder", "retryable": False}}
                )
            case _:
                await _answer(writer, 200, {"first": first})

    def _mode(self, method: str) -> dict[str, Any]:
        mode = self._modes.get(method)
        if mode is None:
            return {"mode": "ok"}
        mode["times"] -= 1
        if mode["times"] <= 0:
            del self._modes[method]
        return mode


async def _read(reader: asyncio.StreamReader) -> tuple[str, Headers, bytes] | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    return first.split(" ")[1], headers, await reader.readexactly(int(headers.get("content-length", "0")))


async def _answer(writer: asyncio.StreamWriter, status: int, value: Any, retry_after: str | None = None) -> None:
    body = json.dumps(value).encode()
    asked = f"Retry-After: {retry_after}\r\n" if retry_after is not None else ""
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n{asked}Content-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


async def _drip(writer: asyncio.StreamWriter, head: bytes) -> None:
    writer.write(head)
    for number in range(3600):
        writer.write(f"X-{number}: x\r\n".encode() if not head else b" ")
        await writer.drain()
        await asyncio.sleep(1 if head else 0.05)


async def _run(path: Path, port: int) -> None:
    server = await asyncio.start_server(Recorder(path).serve, "127.0.0.1", port, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    asyncio.run(_run(options.file, options.port))

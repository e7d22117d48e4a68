"""What the farm was asked and what it did: one append-only file of JSON lines, read back at the next start.

Two lines belong to a call, `call` when it came in and `end` when it was decided; both are on disk (fdatasync) before
the farm goes on. The `end` line with the outcome `applied` *is* the effect: whoever finds it there has been charged,
reserved for, notified. So a farm that is killed before that line has done nothing, and one that is killed after it
knows its answer again: a repeated call with the same key gets the first answer back and applies nothing.

Lines are written by one task at a time, all that wait together (group commit). A torn last line is cut off when the
file is opened. What is kept in memory is bounded: the oldest calls are forgotten first.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

APPLIED, REFUSED, FAILED, CUT, ABANDONED, REPLAYED = "applied", "refused", "failed", "cut", "abandoned", "replayed"

KEPT_CALLS = 100_000
ROTATE_BYTES = 256 * 1024 * 1024
SHOWN_INPUT_BYTES = 16 * 1024

Effect = tuple[str, str, str]
"""Service, method and idempotency key: what an effect is applied at most once for."""


@dataclass(slots=True)
class Call:
    """One call: who was asked for what, under which key, and how it ended (`outcome` is empty while it lasts)."""

    number: int
    at: int
    service: str
    method: str
    key: str
    attempt: str
    input: Any
    input_hash: str
    outcome: str = ""
    status: int = 0
    answer: Any = None
    ended_at: int = 0

    @property
    def effect(self) -> Effect:
        """Return what the call's effect is told apart by."""
        return (self.service, self.method, self.key)

    def as_json(self) -> dict[str, Any]:
        """Return the call as `/__calls` shows it; instants are microseconds since 1970."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Ledger:
    """All calls in order of arrival. Without a path they live in memory only."""

    path: Path | None = None
    calls: OrderedDict[int, Call] = field(default_factory=OrderedDict)
    _applied: dict[Effect, Call] = field(default_factory=dict)
    _tries: Counter[Effect] = field(default_factory=Counter)
    _next: int = 1
    _file: int = -1
    _waiting: list[tuple[bytes, asyncio.Future[None]]] = field(default_factory=list)
    _writer: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Read what an earlier farm wrote, and be ready to write on."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and self.path.stat().st_size > ROTATE_BYTES:
            self.path.replace(self.path.with_suffix(".old.jsonl"))
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        whole = 0
        with self.path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                self._read(json.loads(line))
                whole += len(line)
        os.ftruncate(self._file, whole)

    async def close(self) -> None:
        """Wait for what is being written, and close the file."""
        if self._writer is not None:
            await self._writer
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    async def receive(self, *, service: str, method: str, key: str, attempt: str, given: Any) -> Call:
        """Note that a call came in; it is on disk when this returns."""
        digest = hashlib.blake2b(json.dumps(given, sort_keys=True).encode(), digest_size=12).hexdigest()
        call = Call(self._next, _now(), service, method, key, attempt, given, digest)
        self._next += 1
        self._keep(call)
        size = len(json.dumps(given))
        shown = given if size <= SHOWN_INPUT_BYTES else {"omitted_bytes": size}
        await self._write({"line": "call", **{name: getattr(call, name) for name in _CALL_NAMES}, "input": shown})
        return call

    async def conclude(self, call: Call, *, outcome: str, status: int, answer: Any) -> None:
        """Note how a call ended. With the outcome `applied` or `cut` its effect has happened when this returns."""
        end = {"line": "end", "number": call.number, "outcome": outcome, "status": status, "answer": answer}
        end["ended_at"] = _now()
        await self._write(end)
        self._end(call, end)

    def applied(self, effect: Effect) -> Call | None:
        """Return the call that applied this effect, if one did."""
        return self._applied.get(effect) if effect[2] else None

    def tries(self, effect: Effect) -> int:
        """Return how many calls for this effect were answered without applying it."""
        return self._tries[effect]

    def asked(
        self, *, service: str = "", method: str = "", key: str = "", outcome: str = "", after: int = 0
    ) -> Iterator[Call]:
        """Yield the calls that fit, in order of arrival; `key` is the beginning of one, empty asks for any."""
        for call in list(self.calls.values()):
            wanted = _fits(call.service, service) and _fits(call.method, method) and _fits(call.outcome, outcome)
            if wanted and call.number > after and call.key.startswith(key):
                yield call

    def _keep(self, call: Call) -> None:
        self.calls[call.number] = call
        while len(self.calls) > KEPT_CALLS:
            _, old = self.calls.popitem(last=False)
            if self._applied.get(old.effect) is old:
                del self._applied[old.effect]
            self._tries.pop(old.effect, None)

    def _end(self, call: Call, end: dict[str, Any]) -> None:
        call.outcome, call.status, call.answer = end["outcome"], end["status"], end["answer"]
        call.ended_at = end["ended_at"]
        if call.outcome in (APPLIED, CUT):
            self._applied.setdefault(call.effect, call)
        elif call.outcome in (REFUSED, FAILED):
            self._tries[call.effect] += 1

    def _read(self, line: dict[str, Any]) -> None:
        kind = line.pop("line")
        if kind == "call":
            call = Call(**line)
            self._keep(call)
            self._next = max(self._next, call.number + 1)
        elif (known := self.calls.get(line["number"])) is not None:
            self._end(known, line)

    async def _write(self, line: dict[str, Any]) -> None:
        if self._file < 0:
            return
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((json.dumps(line).encode() + b"\n", written))
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain())
        await written

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                fault: OSError | None = None
                try:
                    await loop.run_in_executor(None, self._to_disk, b"".join(line for line, _ in batch))
                except OSError as error:
                    fault = error
                for _, written in batch:
                    if not written.done():
                        written.set_result(None) if fault is None else written.set_exception(fault)
        finally:
            self._writer = None

    def _to_disk(self, lines: bytes) -> None:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        os.fdatasync(self._file)


_CALL_NAMES = ("number", "at", "service", "method", "key", "attempt", "input_hash")


def _now() -> int:
    return time.time_ns() // 1000


def _fits(value: str, asked: str) -> bool:
    return not asked or value == asked

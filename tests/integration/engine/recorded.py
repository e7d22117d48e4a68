"""Services of worker processes that write down every call before they answer: the outside world, and the oracle."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.engine.held import Held
from orchestration.registry.local import CallContext, service


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was made, or its end."""

    method: str
    key: str
    attempt: int
    done: bool
    pid: int


class Calls:
    """What was written down."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> list[Call]:
        """Return everything, in order."""
        if not self._path.exists():
            return []
        return [Call(**json.loads(line)) for line in self._path.read_text().splitlines() if line.endswith("}")]

    def made(self, method: str | None = None) -> list[Call]:
        """Return the calls that were made."""
        return [call for call in self.all() if not call.done and method in (None, call.method)]


def _record(context: CallContext, *, done: bool) -> None:
    line = json.dumps(
        {
            "method": context.method,
            "key": context.idempotency_key,
            "attempt": context.attempt,
            "done": done,
            "pid": os.getpid(),
        }
    )
    descriptor = os.open(os.environ["PODIUM_RECORD"], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def quick(input: dict[str, Any], context: CallContext) -> dict[str, Any]:
    """Answer at once."""
    _record(context, done=False)
    return {"pid": os.getpid()}


async def slow(input: dict[str, Any], context: CallContext) -> dict[str, Any]:
    """Answer after `seconds`."""
    _record(context, done=False)
    await asyncio.sleep(input["seconds"])
    _record(context, done=True)
    return {}


def abort(input: dict[str, Any], context: CallContext) -> dict[str, Any]:
    """Take the whole process along."""
    _record(context, done=False)
    os.abort()


def poison_begins() -> None:
    """Have this process die when it begins an execution with `poison`, before anything of it is written."""
    begin = Held.begin

    def begin_or_die(self: Held) -> None:
        poison = json.loads(self.row.input).get("poison")
        if poison:
            _record(CallContext(0, "", "begin", self.row.claims, self.row.id, None, None), done=False)
        if poison == "loop":
            while True:
                pass
        if poison:
            os.abort()
        begin(self)

    Held.begin = begin_or_die


def register() -> None:
    """Have this process offer the services."""
    for function in (quick, slow, abort):
        service("recorded")(function)


if "PODIUM_RECORD" in os.environ:
    register()
if "PODIUM_POISON" in os.environ:
    poison_begins()

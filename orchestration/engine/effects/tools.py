"""What effects work with: the execution that a command came from, and the shift's ways out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from orchestration.engine.callbacks import callback_url
from orchestration.engine.ports import Client
from orchestration.engine.store import ChildRow, Store


@dataclass(frozen=True, slots=True)
class Origin:
    """The execution that a command came from; `epoch` rises with every claim."""

    execution_id: str
    team_id: int
    root_id: str
    priority: int
    correlation_id: str
    epoch: int = 0
    workflow: str = ""

    def traceparent(self, attempt: str) -> str:
        """Return the trace context of one attempt: all executions below one root share a trace."""
        span = crc32(attempt.encode()) << 32 | crc32(self.execution_id.encode())
        return f"00-{self.root_id.replace('-', '')}-{span or 1:016x}-01"

    def callback(self, attempt: str) -> str:
        """Return the address to which the result of one attempt is posted."""
        return callback_url(self.team_id, self.execution_id, attempt)


@dataclass(frozen=True, slots=True)
class Tools:
    """The ways out of one shift. `insert_child` returns once the child stands."""

    client: Client
    store: Store
    insert_child: Callable[[ChildRow, str], Awaitable[None]]
    graph: Callable[[int, str], Any]
    now: Callable[[], int]

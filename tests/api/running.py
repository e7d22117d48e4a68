"""A shift in this process, and what the tests wait for while it works."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from orchestration.engine.driver import run_shift
from tests.api.client import Caller
from tests.waiting import wait_for


@contextmanager
def shift_at_work() -> Iterator[None]:
    """Run one shift in a thread as long as the block lasts."""
    over = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(run_shift(until=over.is_set)), name="shift")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)
        assert not thread.is_alive()


def start(caller: Caller, workflow: str, **variables: Any) -> str:
    """Start an execution and return its id."""
    answer = caller.post(f"workflows/{workflow}/execute", {"variables": variables})
    assert answer.status == 202, answer
    return str(answer.body["execution_id"])


def show(caller: Caller, execution_id: str) -> dict[str, Any]:
    """Return an execution as it is shown."""
    answer = caller.get(f"executions/{execution_id}")
    assert answer.status == 200, answer
    return dict(answer.body)


def reach(caller: Caller, execution_id: str, status: str) -> dict[str, Any]:
    """Wait until the execution has the status, and return it."""

    def asked() -> dict[str, Any] | None:
        shown = show(caller, execution_id)
        return shown if shown["status"] == status else None

    return wait_for(asked, what=f"{execution_id} to be {status}") or {}


def reach_wait(caller: Caller, execution_id: str) -> dict[str, Any]:
    """Wait until the execution waits for its signal, and return it."""

    def asked() -> dict[str, Any] | None:
        shown = show(caller, execution_id)
        return shown if any(step["status"] == "waiting" for step in shown["steps"]) else None

    return wait_for(asked, what=f"{execution_id} to wait") or {}

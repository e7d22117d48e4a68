"""Waiting for facts: poll a question until its answer is yes, and say what was seen last when it never is."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
PAUSE = 0.01


class NeverHappened(AssertionError):
    """What was waited for did not come true in time."""


def wait_for(ask: Callable[[], T], *, what: str, timeout: float = 30.0, pause: float = PAUSE) -> T:
    """Return the first true answer of `ask`, which is asked every `pause` seconds.

    Raises NeverHappened, with the last answer, after `timeout` seconds.
    """
    until = time.monotonic() + timeout
    between = threading.Event()
    while not (answer := ask()):
        if time.monotonic() > until:
            raise NeverHappened(f"waited {timeout} s for {what}; the last answer was {answer!r}")
        between.wait(pause)
    return answer


async def wait_for_async(
    ask: Callable[[], Awaitable[T]], *, what: str, timeout: float = 30.0, pause: float = PAUSE
) -> T:
    """Return the first true answer of the coroutine function `ask`.

    Raises NeverHappened, with the last answer, after `timeout` seconds.
    """
    until = time.monotonic() + timeout
    while not (answer := await ask()):
        if time.monotonic() > until:
            raise NeverHappened(f"waited {timeout} s for {what}; the last answer was {answer!r}")
        await asyncio.sleep(pause)
    return answer

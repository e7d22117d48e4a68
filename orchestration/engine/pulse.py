"""What the pulse asks of the database and decides from it, without clusters and queues: a simulation does the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from orchestration.domain.limits import MICROSECONDS
from orchestration.engine.store import Backlog, Store

SHORTEST_SECONDS = 0.05


async def look_after(store: Store, gone: Callable[[Backlog], Awaitable[list[int]]]) -> tuple[Backlog, list[int]]:
    """Declare dead the shifts that are; return what is due after that, and who was declared dead.

    `gone` names the shifts that are known to have ended without a word. Raises what the store raises.
    """
    backlog = await store.backlog()
    dead = await store.bury(await gone(backlog))
    if dead:
        backlog = await store.backlog()
    return backlog, dead


def too_few(backlog: Backlog, *, mine: int, workers: int, most: int, batch: int) -> bool:
    """Tell whether another shift is wanted.

    `mine` of those that are awake belong to whoever asks, who has `workers` and one in reserve for suspects, and of
    whose shifts `most` are of use at once; each takes `batch` at once. What other hosts have is of no concern: each
    sees to its own.
    """
    if not backlog.due:
        return False
    if not backlog.awake:
        return True
    if backlog.suspects:
        # They are driven alone: by a shift that has nothing else, or by the worker that is kept in reserve.
        return mine <= workers
    return mine < most and backlog.due >= batch


def pause(next_due: int | None, now: int, sweep: float) -> float:
    """Return the seconds until the next pulse: a sweep, or until the next timer if no shift waits for it."""
    if next_due is None:
        return sweep
    left = (next_due - now) / MICROSECONDS
    return min(sweep, max(left, SHORTEST_SECONDS)) if left > 0 else sweep

"""The supervisor of the simulated world: the engine's pulse, without the clusters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from orchestration.engine import pulse
from orchestration.engine.journal import UNANSWERED
from orchestration.engine.store import Backlog, Store

from .process import Process
from .swarm import Swarm
from .wakeups import Queue


async def supervise(
    process: Process, store: Store, boot: str, swarm: Swarm, queue: Queue, gone: Callable[[Backlog], list[int]]
) -> None:
    """Pulse for ever: bury the dead, count what is due, ask for a shift where there are too few."""
    most = swarm.workers if swarm.postgres else 0
    next_due: int | None = None

    async def named(backlog: Backlog) -> list[int]:
        return gone(backlog)

    while True:
        try:
            backlog, _ = await pulse.look_after(store, named)
            next_due = None if backlog.awake else backlog.next_due
            mine = sum(1 for _, other in backlog.awake.values() if other == boot)
            few = pulse.too_few(backlog, mine=mine, workers=swarm.workers, most=most, batch=swarm.claim_batch)
            if few and not queue.waiting:
                queue.enqueue()
        except UNANSWERED:
            pass
        await asyncio.sleep(pulse.pause(next_due, process.now_us(), swarm.sweep_seconds))

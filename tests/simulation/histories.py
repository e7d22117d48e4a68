"""Recorded executions for tests, made by the simulator itself: what was true of them is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulation.fit.scenario import History
from simulation.world.world import World


@dataclass(frozen=True)
class Kept:
    """One execution as a recording has it."""

    id: str
    created: int
    started: int | None
    ended: int | None
    status: str
    entries: tuple[Any, ...]
    workflow: str = "work"
    revision: int = 1
    input: dict[str, Any] = field(default_factory=dict)
    input_size: int = 2
    depth: int = 0
    parent: str = ""
    parent_attempt: str = ""


def history_of(model, definition, *, seed=3, registered=None, children=None):
    """Return what a world records while its horizon passes."""
    world = World(model, seed=seed, replication=0)
    world.shell.keep = True
    begin = world.shell.now
    world.run()
    executions = [
        Kept(
            id=each.id,
            created=each.created_at,
            started=each.run.started_at,
            ended=each.run.ended_at,
            status=each.run.status,
            entries=tuple(each.journal),
            input=dict(each.run.input),
            input_size=len(str(each.run.input)),
            workflow=each.workflow,
            depth=each.run.depth,
            parent="" if each.parent is None else each.parent.id,
            parent_attempt=each.attempt,
        )
        for each in world.shell.executions.values()
    ]
    return History(
        workflow="work",
        since=begin,
        until=world.shell.now,
        arrivals=np.array([each.created for each in executions if not each.depth], dtype=np.int64),
        executions=executions,
        graphs={(name, 1): graph for name, graph in model.graphs.items()},
        current={"work": definition, **(children or {})},
        registered=registered or {},
        filters=(),
        cap=5000,
    )

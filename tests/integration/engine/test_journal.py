"""The group commit on a store that answers badly: what is written is written once, and nobody is blamed for it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import psycopg
from django.conf import settings

from orchestration.domain.commands import StartChild
from orchestration.domain.facts import Failed
from orchestration.engine.effects import subflow
from orchestration.engine.effects.tools import Origin, Tools
from orchestration.engine.journal import Journal, Unit
from orchestration.engine.store import Batch, BatchRefused, Store


class LateStore:
    """Carries a commit out after it was looked up and found missing, as a connection that breaks may."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self._late: list[int] = []

    async def commit(self, batch: Batch) -> None:
        if batch.number in self.written:
            raise BatchRefused("it stands already")
        if not self._late:
            self._late.append(batch.number)
            raise psycopg.OperationalError("the connection broke")
        self.written.append(batch.number)

    async def committed(self, shift_id: int, number: int) -> bool:
        found = number in self.written
        self.written += [each for each in self._late if each not in self.written]
        return found


async def test_a_batch_that_was_written_late_is_not_refused():
    spoiled: list[str] = []
    store = LateStore()
    journal = Journal(
        cast("Store", store), 1, settings.PODIUM, spoiled=lambda each, _: spoiled.append(each), now=lambda: 1
    )
    done: list[str] = []
    unit = Unit("e", 1, lambda unit: done.append(unit.execution_id))
    unit.touched = ("e", (1, 1, "w"))
    journal.put(unit)
    writing = asyncio.create_task(journal.run())
    await journal.drain()
    writing.cancel()
    assert (store.written, done, spoiled) == ([1], ["e"], [])


class SilentStore:
    """Does not answer the first time."""

    def __init__(self) -> None:
        self.asked = 0

    async def workflow(self, team_id: int, slug: str, revision: int | None) -> None:
        self.asked += 1
        if self.asked == 1:
            raise psycopg.OperationalError("no answer")


async def test_a_subflow_waits_for_the_database_to_answer():
    store = SilentStore()
    tools = Tools(cast("Any", None), cast("Store", store), cast("Any", None), cast("Any", None), lambda: 1)
    command = StartChild("a!1", "a", "child", "nobody", None, {}, True, 1)
    fact = await subflow.start_child(command, Origin("e", 1, "e", 5, ""), tools)
    assert isinstance(fact, Failed)
    assert (fact.error.code, store.asked) == ("workflow_not_found", 2)

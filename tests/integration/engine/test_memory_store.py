"""The simulation's store keeps the promises of the real one: the same questions, the same answers, whatever is asked.

A seed draws what is asked; the real store (SQLite or PostgreSQL, as this run has it) and the one in memory are asked
the same, and what they answer and what they hold in the end is the same but for instants and the numbers of rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections

from orchestration.engine.lost_locks import LostLocks
from orchestration.engine.models import Execution, Revision
from orchestration.engine.store import (
    Batch,
    BatchRefused,
    ChildRow,
    Claimed,
    EntryRow,
    Fenced,
    Look,
    Message,
    RowChange,
    Store,
)
from orchestration.engine.stores import open_store
from orchestration.management.dst.counting import Trace
from orchestration.management.dst.database import TEAM, Database
from orchestration.management.dst.memory_store import MemoryStore
from orchestration.management.dst.process import Process
from orchestration.management.dst.rows import Execution as Row
from orchestration.management.dst.rows import Workflow
from orchestration.management.dst.timetable import Timetable
from tests.integration.engine.conftest import Site

LATER = 4_000_000_000_000_000
SEEDS, QUESTIONS, EXECUTIONS = 12, 60, 5
FIELDS = ("status", "admitted", "epoch", "claims", "quarantined", "handed_over", "seq", "attempt", "ended_at", "output")


class Direct:
    """A network on which everything arrives at once."""

    async def ask(self, process: Process, line: Any, act: Callable[[], Any]) -> Any:
        return act()


class Blind:
    """A witness that sees nothing: here the real store is the measure."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *seen: None


def memory(ids: list[str], workflow_id: int, revision_id: int) -> tuple[Store, Database]:
    podium, timetable = settings.PODIUM, Timetable(Random(0))
    database = Database(
        timetable, podium.lease_seconds, podium.max_concurrent, postgres=connection.vendor == "postgresql"
    )
    database.witness = Blind()  # type: ignore[assignment]
    document = Revision.objects.values_list("document", flat=True).get(pk=revision_id)
    database.workflows[workflow_id] = Workflow(workflow_id, "narrow", revision_id, document, 2, 5)
    for number, each in enumerate(ids):
        database.insert(Row(each, TEAM, workflow_id, revision_id, number % 2, "{}", 1000 + number, each, by="test"))
    process = Process("test", timetable, lambda what: None)
    return MemoryStore(database, Direct(), process, Trace(timetable), podium), database  # type: ignore[arg-type]


class Asker:
    """Asks both stores the same, and remembers what each of them calls its shifts and inbox items."""

    def __init__(self, luck: Random, stores: list[Store], team: int, workflow: tuple[int, int]) -> None:
        self.luck = luck
        self.stores = stores
        self.passed = 0.0
        for store in stores:
            if hasattr(store, "lost_locks"):
                store.lost_locks = LostLocks(lambda: self.passed)
        self.team, self.workflow = team, workflow
        self.shifts: list[list[int]] = []
        self.held: dict[str, tuple[int, list[Claimed]]] = {}
        self.lengths: dict[str, int] = {}
        self.items: list[list[int]] = []
        self.number = 0
        self.instant = 10_000

    async def both(self, ask: Callable[[int, Store], Any]) -> list[Any]:
        """Return what both answer; whether they raise must be the same."""
        answers: list[Any] = []
        for which, store in enumerate(self.stores):
            try:
                answers.append(await ask(which, store))
            except (Fenced, BatchRefused) as error:
                answers.append(type(error))
        assert [each if isinstance(each, type) else None for each in answers] == [
            answers[0] if isinstance(answers[0], type) else None
        ] * 2, answers
        return answers

    async def question(self) -> None:
        kinds = ["look"] * 4 + ["commit"] * 6 + ["open", "close", "bury", "reconcile", "aside", "suspect", "backlog"]
        await getattr(self, f"ask_{self.luck.choice(kinds if self.shifts else ['open'])}")()

    async def ask_open(self) -> None:
        found = await self.both(lambda which, store: store.open_shift(worker="test", boot="test", pid=1))
        self.shifts.append([each[0] for each in found])

    async def ask_look(self) -> None:
        shift, room, alone = self.luck.choice(self.shifts), self.luck.randint(0, 3), self.luck.random() < 0.5
        looks = await self.both(lambda which, store: store.look(shift[which], now=LATER, room=room, alone=alone))
        if isinstance(looks[0], type):
            return
        assert shown(looks[0]) == shown(looks[1])
        for one, other in zip(sorted(looks[0].claimed), sorted(looks[1].claimed), strict=True):
            self.held[one.id] = (self.shifts.index(shift), [one, other])
            self.lengths[one.id] = max(self.lengths.get(one.id, 0), len(one.entries))
            self.items += [[a.id, b.id] for a, b in zip(one.inbox, other.inbox, strict=True)]
        for one, (_, rows) in looks[0].told.items():
            self.items += [[a.id, b.id] for a, b in zip(rows, looks[1].told[one][1], strict=True)]

    async def ask_commit(self) -> None:
        if not self.held:
            return
        execution = self.luck.choice(sorted(self.held))
        shift, claimed = self.held[execution]
        self.number += 1
        self.instant += 1
        plan = {name: self.luck.random() < 0.4 for name in ("entry", "row", "release", "tell", "hear", "child")}
        release = plan["row"] and plan["release"]
        item = self.items.pop() if plan["hear"] and self.items else None
        wake_at = self.luck.choice([None, self.instant - 5000])
        child = f"child-{self.number}"
        told = self.luck.choice(sorted(self.held))
        batches = []
        for which in (0, 1):
            batch = Batch(self.shifts[shift][which], self.number, self.instant)
            length = self.lengths.get(execution, 0)
            if plan["entry"]:
                length += 1
                batch.entries.append(EntryRow(execution, length, self.instant, "log", "", "{}"))
                batch.touched[execution] = (length, 1, "narrow")
            if plan["row"]:
                epoch = claimed[which].epoch - (self.number % 7 == 0)
                batch.rows[execution] = RowChange(
                    execution, epoch, "running", None, None, length, 1, 0, 1, None, release, wake_at, release
                )
            if plan["tell"] and item is None:
                batch.messages.append(Message(told, "resume", "k", "{}"))
            if item is not None:
                batch.heard.append(item[which])
            if plan["child"]:
                batch.children.append(child_row(self.team, child, execution, self.workflow, 5000 + self.number))
            batches.append(batch)
        found = await self.both(lambda which, store: store.commit(batches[which]))
        if isinstance(found[0], type):
            return
        stands = await self.both(lambda which, store: store.committed(batches[which].shift_id, self.number))
        assert stands[0] == stands[1] == batches[0].leaves_a_trace
        self.lengths[execution] = self.lengths.get(execution, 0) + plan["entry"]
        if release:
            del self.held[execution]

    async def ask_close(self) -> None:
        shift = self.luck.choice(self.shifts)
        await self.both(lambda which, store: store.close_shift(shift[which]))

    async def ask_bury(self) -> None:
        gone = self.luck.choice([[], [self.luck.choice(self.shifts)]])
        self.passed += self.luck.choice([0.0, 0.5])
        dead = await self.both(lambda which, store: store.bury([each[which] for each in gone]))
        numbers = [sorted(self.number_of(which, each) for each in dead[which]) for which in (0, 1)]
        assert numbers[0] == numbers[1]

    async def ask_reconcile(self) -> None:
        shift = self.luck.choice(self.shifts)
        known = [each for each, (number, _) in self.held.items() if self.shifts[number] is shift][:2]
        rows = await self.both(lambda which, store: store.reconcile(shift[which], known))
        assert [each[1:] for each in rows[0]] == [each[1:] for each in rows[1]]

    async def ask_aside(self) -> None:
        await self.take_away(lambda store, shift, each: store.set_aside(shift, each, "{}"))

    async def ask_suspect(self) -> None:
        await self.take_away(lambda store, shift, each: store.suspect(shift, each, claims=2))

    async def take_away(self, ask: Callable[[Store, int, str], Any]) -> None:
        if self.held:
            execution = self.luck.choice(sorted(self.held))
            shift, _ = self.held.pop(execution)
            await self.both(lambda which, store: ask(store, self.shifts[shift][which], execution))

    async def ask_backlog(self) -> None:
        one, other = await self.both(lambda which, store: store.backlog())
        assert (one.due, one.suspects, one.next_due is None) == (other.due, other.suspects, other.next_due is None)
        assert [len(each.awake) for each in (one, other)] == [len(one.awake)] * 2

    def number_of(self, which: int, shift_id: int) -> int:
        return next(number for number, ids in enumerate(self.shifts) if ids[which] == shift_id)


def child_row(team: int, identity: str, parent: str, workflow: tuple[int, int], created_at: int) -> ChildRow:
    return ChildRow(identity, team, *workflow, 5, 1, parent, "a!1", parent, "{}", 1, "", "", created_at)


def shown(look: Look) -> Any:
    claimed = [
        (row._replace(team_id=0, workflow_id=0, revision_id=0, entries=[], inbox=[]), row.entries, texts(row.inbox))
        for row in sorted(look.claimed)
    ]
    told = {each: (admitted, texts(rows)) for each, (admitted, rows) in look.told.items()}
    return claimed, told, look.more, look.next_due is None


def texts(rows: list[Any]) -> list[Any]:
    return [tuple(row)[1:] for row in rows]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_both_stores_answer_alike(seed: int, site: Site, team: int):
    site.save("narrow", {"id": "w", "type": "wait", "signal": "go"}, config={"max_concurrent": 2})
    ids = [site.start("narrow") for _ in range(EXECUTIONS)]
    for number, each in enumerate(ids):
        Execution.objects.filter(id=each).update(created_at=1000 + number, priority=number % 2)
    workflow = Execution.objects.values_list("workflow_id", "revision_id").first()
    assert workflow is not None
    other, database = memory(ids, *workflow)

    async def work() -> Asker:
        real = open_store(settings.PODIUM)
        asker = Asker(Random(seed), [real, other], team, workflow)
        try:
            for _ in range(QUESTIONS):
                await asker.question()
        finally:
            await real.close()
        return asker

    asker = asyncio.run(work())
    connections.close_all()
    for row in Execution.objects.all():
        mine = database.executions[row.id]
        assert {name: getattr(row, name) for name in FIELDS} == {name: getattr(mine, name) for name in FIELDS}, row.id
        assert (row.wake_at is None) == (mine.wake_at is None), row.id
        shifts = [
            None if each is None else asker.number_of(which, each)
            for which, each in enumerate((row.shift_id, mine.shift_id))
        ]
        assert shifts[0] == shifts[1], row.id
    assert Execution.objects.count() == len(database.executions)

"""The store's promises, each on its own: who may take, who may write, and what is noticed."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections

from orchestration import clock
from orchestration.domain.facts import Signal
from orchestration.engine import feed, inbox, operations
from orchestration.engine.driver import run_shift
from orchestration.engine.models import Execution, InboxItem, JournalBatch, JournalEntry, Shift, Workflow
from orchestration.engine.store import (
    Batch,
    BatchRefused,
    ChildRow,
    EntryRow,
    Fenced,
    Message,
    RowChange,
    StepRow,
    Store,
)
from orchestration.engine.store_postgres import Line, connection_arguments
from orchestration.engine.stores import open_store
from tests.integration.engine.conftest import Site
from tests.waiting import wait_for_async

T = TypeVar("T")
Drive = Callable[[Callable[[Store], Awaitable[T]]], T]


@pytest.fixture
def drive(team: int) -> Iterator[Drive[Any]]:
    """Return a function that does something with the store, on a loop of its own."""

    def run(work: Callable[[Store], Awaitable[T]]) -> T:
        async def main() -> T:
            store = open_store(settings.PODIUM)
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(main())

    yield run
    connections.close_all()


@pytest.fixture
def executions(site: Site) -> list[str]:
    """Return three executions that are due."""
    site.save("wait", {"id": "w", "type": "wait", "signal": "go"})
    return [site.start("wait") for _ in range(3)]


async def opened(store: Store) -> int:
    shift_id, now = await store.open_shift(worker="test", boot="test", pid=1)
    assert abs(now - clock.now_us()) < 60_000_000
    return shift_id


def entry(execution: str, seq: int) -> EntryRow:
    return EntryRow(execution, seq, 1, "log", "", "{}")


def change(claimed: Any, **more: Any) -> RowChange:
    plain = RowChange(claimed.id, claimed.epoch, "running", None, None, 1, 1, 0, 1, None)
    return replace(plain, **more)


def test_it_gives_an_execution_to_one_shift_only(drive: Drive[Any], executions: list[str]) -> None:
    async def work(store: Store) -> tuple[list[Any], list[Any], list[Any]]:
        first, second = await opened(store), await opened(store)
        now = clock.now_us()
        one = await store.look(first, now=now, room=2)
        two = await store.look(second, now=now, room=5)
        three = await store.look(first, now=now, room=5)
        assert one.more
        assert not two.more
        return one.claimed, two.claimed, three.claimed

    one, two, three = drive(work)
    assert sorted(each.id for each in (*one, *two)) == sorted(executions)
    assert (len(one), len(two), len(three)) == (2, 1, 0)
    assert {each.epoch for each in (*one, *two)} == {1}


def test_it_writes_nothing_for_a_shift_that_was_declared_dead(drive: Drive[Any], executions: list[str]) -> None:
    async def work(store: Store) -> None:
        zombie = await opened(store)
        [*taken] = (await store.look(zombie, now=clock.now_us(), room=5)).claimed
        await store.commit(Batch(zombie, 1, 1, entries=[entry(each.id, 1) for each in taken]))
        assert await store.bury([zombie]) == [zombie]
        heir = await opened(store)
        [*again] = (await store.look(heir, now=clock.now_us(), room=5)).claimed
        assert [each.id for each in again] == [each.id for each in taken], "they keep their place in the queue"
        assert {each.epoch for each in again} == {2}
        batch = Batch(zombie, 2, 1, entries=[entry(taken[0].id, 2)], rows={taken[0].id: change(taken[0])})
        with pytest.raises(Fenced):
            await store.commit(batch)
        with pytest.raises(Fenced):
            await store.look(zombie, now=clock.now_us(), room=1)

    drive(work)
    assert set(JournalEntry.objects.values_list("seq", flat=True)) == {1}
    assert set(Execution.objects.values_list("status", flat=True)) == {"pending"}


def test_a_row_of_an_older_epoch_takes_the_whole_batch_down(drive: Drive[Any], executions: list[str]) -> None:
    async def work(store: Store) -> None:
        shift = await opened(store)
        taken = (await store.look(shift, now=clock.now_us(), room=5)).claimed
        rows = {taken[0].id: change(taken[0]), taken[1].id: change(taken[1], epoch=0)}
        with pytest.raises(Fenced):
            await store.commit(Batch(shift, 1, 1, rows=rows))

    drive(work)


def test_a_batch_is_written_whole_or_not_at_all(drive: Drive[Any], executions: list[str]) -> None:
    async def work(store: Store) -> None:
        shift = await opened(store)
        taken = (await store.look(shift, now=clock.now_us(), room=5)).claimed
        first, second = taken[0].id, taken[1].id
        good = Batch(shift, 1, clock.now_us(), entries=[entry(first, 1)], touched={first: (1, 1, "wait")})
        await store.commit(good)
        assert await store.committed(shift, 1)
        with pytest.raises(BatchRefused):
            await store.commit(Batch(shift, 2, 1, entries=[entry(second, 1), entry(first, 1)], touched=good.touched))
        assert not await store.committed(shift, 2)

    drive(work)
    assert JournalEntry.objects.count() == 1


def test_texts_arrive_as_they_were_sent(drive: Drive[Any], executions: list[str]) -> None:
    text = '{"a":"\\u001f\\u0000 ü \\\\ \' % {}","b":[1,null]}'

    async def work(store: Store) -> None:
        shift = await opened(store)
        [claimed, *_] = (await store.look(shift, now=clock.now_us(), room=5)).claimed
        entries = [entry(claimed.id, 1)._replace(data=text), entry(claimed.id, 2)._replace(step="a[0].b")]
        step = StepRow(claimed.id, "a[0].b", False, "service", "failed", 2, None, 3, "odd\x1f code")
        await store.commit(Batch(shift, 1, 1, entries=entries, steps={(claimed.id, "a[0].b"): step}))
        await store.commit(Batch(shift, 2, 1, steps={(claimed.id, "a[0].b"): step._replace(status="completed")}))

    drive(work)
    assert list(JournalEntry.objects.order_by("seq").values_list("data", "step")) == [(text, ""), ("{}", "a[0].b")]


def test_what_is_told_to_a_held_execution_is_noticed_and_not_lost_when_it_is_put_down(
    drive: Drive[Any], executions: list[str]
) -> None:
    async def work(store: Store) -> None:
        shift = await opened(store)
        taken = {each.id: each for each in (await store.look(shift, now=clock.now_us(), room=5)).claimed}
        first, second, third = executions
        kind, payload = inbox.dump_fact(Signal("go"))
        told = [Message(first, kind, None, payload), Message(second, kind, "k", payload)]
        # One of them is put down by the very batch that tells it something.
        rows = {second: change(taken[second], release=True)}
        await store.commit(Batch(shift, 1, clock.now_us(), rows=rows, messages=[*told, told[1]]))
        look = await store.look(shift, now=clock.now_us(), room=5)
        assert list(look.told) == [first]
        assert [each.id for each in look.claimed] == [second]
        assert len(look.claimed[0].inbox) == 1, "the same key is told once"
        assert not (await store.look(shift, now=clock.now_us(), room=5)).told
        # Told between the look and the commit that puts it down.
        await store.commit(Batch(shift, 2, clock.now_us(), messages=[Message(third, kind, None, payload)]))
        await store.commit(Batch(shift, 3, clock.now_us(), rows={third: change(taken[third], release=True)}))
        assert [each.id for each in (await store.look(shift, now=clock.now_us(), room=5)).claimed] == [third]

    drive(work)


def test_a_child_stands_once(drive: Drive[Any], executions: list[str], team: int) -> None:
    identity = str(uuid.uuid4())

    async def work(store: Store) -> None:
        shift = await opened(store)
        row = await store.workflow(team, "wait", None)
        assert row is not None
        assert await store.workflow(team, "wait", 9) is None
        child = ChildRow(
            identity, team, row.workflow_id, row.revision_id, 5, 1, executions[0], "a!0.1", executions[0], "{}", 1, "",
            "", 5,
        )  # fmt: skip
        await store.commit(Batch(shift, 1, 1, children=[child]))
        await store.commit(Batch(shift, 2, 1, children=[child]))

    drive(work)
    assert Execution.objects.filter(id=identity, parent_id=executions[0], depth=1).count() == 1


def test_it_gives_up_on_what_never_gets_any_further(drive: Drive[Any], executions: list[str], site: Site) -> None:
    claims = settings.PODIUM.claims_without_progress

    first, *neighbours = executions

    async def work(store: Store) -> list[list[str]]:
        """Have the first one take down whoever claims it; the others get further as soon as they are driven."""
        taken = []
        for _ in range(2 * claims):
            shift = await opened(store)
            look = await store.look(shift, now=clock.now_us(), room=5, alone=True)
            taken.append(sorted(each.id for each in look.claimed))
            rows = {each.id: change(each, release=True) for each in look.claimed}
            if first in rows:
                await store.bury([shift])
                assert (await store.backlog()).suspects
            elif rows:
                await store.commit(Batch(shift, 1, 1, rows=rows))
        return taken

    taken = drive(work)
    assert taken[0] == sorted(executions)
    assert all(len(each) <= 1 for each in taken[1:]), "after a death whoever was there is driven alone"
    assert sum(first in each for each in taken) == claims
    assert all(sum(each in ids for ids in taken) == 2 for each in neighbours)
    row = Execution.objects.get(id=first)
    assert (row.quarantined, row.wake_at, row.shift_id) == (True, None, None)
    told = JournalBatch.objects.filter(touched__startswith=f"{first} 0 ").count()
    assert told == 2, "whoever watches it hears of that, as of its start"
    assert not Execution.objects.filter(id__in=neighbours, quarantined=True).exists()
    site.act(first, operations.Resume())

    async def again(store: Store) -> list[Any]:
        look = await store.look(await opened(store), now=clock.now_us(), room=5, alone=True)
        return [(each.id, each.claims) for each in look.claimed]

    assert drive(again) == [(first, 2)]


def test_a_shift_that_holds_something_leaves_suspects_alone(drive: Drive[Any], executions: list[str]) -> None:
    async def work(store: Store) -> None:
        shift = await opened(store)
        assert len((await store.look(shift, now=clock.now_us(), room=2)).claimed) == 2
        await store.bury([shift])
        shift = await opened(store)
        look = await store.look(shift, now=clock.now_us(), room=5)
        assert [each.id for each in look.claimed] == executions[2:]
        look = await store.look(shift, now=clock.now_us(), room=5)
        assert (look.claimed, look.next_due) == ([], None), "nor does it look again and again because of them"

    drive(work)


def test_what_was_freed_without_a_death_is_no_suspect(drive: Drive[Any], executions: list[str]) -> None:
    async def work(store: Store) -> None:
        shift = await opened(store)
        assert len((await store.look(shift, now=clock.now_us(), room=5)).claimed) == 3
        await store.reconcile(shift, executions[:1])
        await store.close_shift(shift)
        assert not (await store.backlog()).suspects

    drive(work)
    assert set(Execution.objects.values_list("claims", flat=True)) == {0}


def test_progress_forgives_the_claims_before_it(drive: Drive[Any], executions: list[str]) -> None:
    async def work(store: Store) -> None:
        for number in range(1, 8):
            shift = await opened(store)
            claimed = {each.id: each for each in (await store.look(shift, now=clock.now_us(), room=5)).claimed}
            first = claimed[executions[0]]
            assert first.claims == 1
            assert len(first.entries) == number - 1
            rows = {first.id: change(first)} if number == 1 else {}
            await store.commit(Batch(shift, 1, 1, entries=[entry(first.id, number)], rows=rows))
            await store.bury([shift])

    drive(work)


def test_a_lease_that_ran_out_is_noticed_by_whoever_looks(drive: Drive[Any], executions: list[str]) -> None:
    async def work(store: Store) -> None:
        shift = await opened(store)
        assert (await store.look(shift, now=clock.now_us(), room=5)).claimed
        await asyncio.to_thread(lapse, shift)
        assert await store.bury([]) == [shift]
        backlog = await store.backlog()
        assert (backlog.due, backlog.awake) == (3, {})

    def lapse(shift: int) -> None:
        Shift.objects.filter(id=shift).update(expires_at=1)
        connections.close_all()

    drive(work)
    assert Shift.objects.get().state == "dead"


@pytest.mark.needs_postgres
def test_a_shift_that_lacks_its_lock_for_a_moment_is_not_dead_yet(drive: Drive[Any], executions: list[str]) -> None:
    async def work(store: Store) -> None:
        shift = await opened(store)
        for _ in range(20):
            assert await store.bury([]) == [], "it has only just begun, however often somebody looks"
        await wait_for_async(lambda: store.bury([]), what="the burial", timeout=5)
        assert (await store.backlog()).awake.get(shift) is None

    drive(work)


def test_it_says_when_the_next_timer_is_due(drive: Drive[Any], executions: list[str]) -> None:
    now = clock.now_us()
    for number, each in enumerate(executions):
        later = now + (3 - number) * 1_000_000_000
        Execution.objects.filter(id=each).update(admitted=True, wake_at=later, priority=number)

    async def work(store: Store) -> None:
        look = await store.look(await opened(store), now=now, room=5)
        assert (look.claimed, look.more, look.next_due) == ([], False, now + 1_000_000_000)
        assert (await store.backlog()).next_due == look.next_due

    drive(work)


def test_what_was_created_by_a_clock_that_is_ahead_is_due_at_once(drive: Drive[Any], executions: list[str]) -> None:
    Execution.objects.update(created_at=clock.now_us() + 3_600_000_000)

    async def work(store: Store) -> None:
        shift = await opened(store)
        # Let in by the first look, due from then on.
        looks = [await store.look(shift, now=clock.now_us() + number, room=5) for number in (0, 1_000_000)]
        assert sum(len(look.claimed) for look in looks) == 3
        await store.close_shift(shift)
        look = await store.look(await opened(store), now=clock.now_us() + 1_000_000, room=5)
        assert len(look.claimed) == 3, "what was freed is due too"

    drive(work)


def test_who_is_told_something_is_due_by_the_databases_clock(
    drive: Drive[Any], executions: list[str], team: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    Execution.objects.update(admitted=True, wake_at=None)
    right = clock.now_us()
    with monkeypatch.context() as patched:
        patched.setattr(clock, "now_us", lambda: right + 3_600_000_000)
        operations.act(team_id=team, execution_id=executions[0], fact=Signal("go"), timeout=0.0)

    async def work(store: Store) -> list[str]:
        return [each.id for each in (await store.look(await opened(store), now=clock.now_us(), room=5)).claimed]

    assert drive(work) == [executions[0]]


def test_what_a_dead_shift_had_read_and_not_answered_is_told_again(drive: Drive[Any], executions: list[str]) -> None:
    first = executions[0]
    kind, payload = inbox.dump_fact(Signal("go"))
    InboxItem.objects.create(execution_id=first, kind=kind, payload=payload, created_at=1)
    Execution.objects.filter(id=first).update(wake_at=None, admitted=True)

    async def work(store: Store) -> int:
        before = (await store.backlog()).due
        await store.bury([await opened(store)])
        assert before == 1, "the other two wait to be let in, which counts as one"
        shift = await opened(store)
        look = await store.look(shift, now=clock.now_us(), room=5)
        return sum(len(each.inbox) for each in look.claimed if each.id == first)

    assert drive(work) == 1


def test_what_was_read_for_somebody_who_is_not_there_any_more_is_told_again(
    drive: Drive[Any], executions: list[str]
) -> None:
    first, second, _ = executions

    async def work(store: Store) -> None:
        shift, other = await opened(store), await opened(store)
        taken = {each.id: each for each in (await store.look(shift, now=clock.now_us(), room=5)).claimed}
        kind, payload = inbox.dump_fact(Signal("go"))
        for number, each in enumerate((first, second)):
            await store.commit(Batch(shift, 10 + number, clock.now_us(), messages=[Message(each, kind, None, payload)]))
            # The look's answer never comes, and meanwhile the execution is put down.
            assert list((await store.look(shift, now=clock.now_us(), room=0)).told) == [each]
            rows = {each: change(taken[each], release=True)}
            await store.commit(Batch(shift, 20 + number, clock.now_us(), rows=rows))
            assert not (await store.look(other, now=clock.now_us() + 1_000_000, room=5)).claimed
            if number:
                await store.close_shift(shift)
            else:
                await store.reconcile(shift, [second, executions[2]])
            look = await store.look(other, now=clock.now_us() + 1_000_000, room=5)
            assert each in [claimed.id for claimed in look.claimed]

    drive(work)


def test_one_that_was_let_in_while_it_was_put_down_is_begun(drive: Drive[Any], executions: list[str]) -> None:
    # Let in by a look whose answer never came.
    Execution.objects.filter(id=executions[0]).update(admitted=True, wake_at=None)

    async def work(store: Store) -> list[str]:
        await store.reconcile(await opened(store), [])
        look = await store.look(await opened(store), now=clock.now_us() + 1_000_000, room=5)
        return [each.id for each in look.claimed]

    assert executions[0] in drive(work)


def test_no_entry_is_older_than_the_one_before_it(site: Site, team: int) -> None:
    site.save("wait", {"id": "w", "type": "wait", "signal": "go"})
    execution = site.start("wait")
    ahead = clock.now_us() + 3_600_000_000
    JournalEntry.objects.create(execution_id=execution, seq=1, at=ahead, type="workflow.started", step="", data="{}")
    Execution.objects.filter(id=execution).update(admitted=True, status="running", wake_at=1, seq=1, started_at=ahead)
    asyncio.run(run_shift(linger=0.0))
    assert {entry.at for entry in JournalEntry.objects.filter(execution_id=execution)} == {ahead}
    assert JournalEntry.objects.filter(execution_id=execution, type="step.waiting").exists()


@pytest.mark.needs_postgres
def test_what_a_broken_connection_asked_for_is_over_before_the_next_is_used(drive: Drive[Any], team: int) -> None:
    async def work(_: Store) -> list[Any]:
        line = Line(connection_arguments(connection.get_connection_params()))
        await line.fetch("CREATE TABLE late (n int)", {})
        slow = asyncio.create_task(
            line.fetch("WITH slept AS (SELECT pg_sleep(0.5)) INSERT INTO late SELECT 1 FROM slept", {})
        )
        watching = Line(connection_arguments(connection.get_connection_params()))
        seen = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'WITH slept%%' AND state = 'active'"
        while not (await watching.fetch(seen, {}))[0][0]:
            await asyncio.sleep(0.005)
        (await line.get()).pgconn.finish()
        with pytest.raises((psycopg.OperationalError, psycopg.InterfaceError)):
            await slow
        counts = [(await line.fetch("SELECT count(*) FROM late", {}))[0][0]]
        await line.fetch("SELECT pg_sleep(0.7)", {})
        counts += (await line.fetch("SELECT count(*) FROM late", {}))[0]
        await line.fetch("DROP TABLE late", {})
        await line.close()
        await watching.close()
        return counts

    assert drive(work) == [0, 0]


def test_the_feed_gives_each_change_once_and_goes_on_from_there(drive: Drive[Any], executions: list[str]) -> None:
    begun = feed.changes_after(position=None)
    assert begun.items == ()

    async def work(store: Store) -> None:
        shift = await opened(store)
        for number in (1, 2, 3):
            touched = {executions[0]: (number, 1, "wait"), executions[number - 1]: (number, 1, "wait")}
            await store.commit(Batch(shift, number, clock.now_us(), touched=touched))

    drive(work)
    changes = feed.changes_after(position=begun.position)
    assert {each.execution_id: each.seq for each in changes.items} == {
        executions[0]: 3,
        executions[1]: 2,
        executions[2]: 3,
    }
    assert feed.changes_after(position=changes.position).items == ()


def test_a_hint_leads_to_what_was_started_and_a_stale_one_leads_nobody_astray(
    drive: Drive[Any], executions: list[str], site: Site
) -> None:
    workflow_id = Workflow.objects.get(slug="wait").pk

    async def started(store: Store) -> Any:
        return await store.look(await opened(store), now=clock.now_us(), room=10, alone=True, hints=[workflow_id])

    look = drive(started)
    assert [each.id for each in look.claimed] == executions
    assert (look.more, look.told, look.suspects) == (False, {}, False)

    site.save("other", {"id": "w", "type": "wait", "signal": "go"})
    other = site.start("other")

    async def stale(store: Store) -> Any:
        return await store.look(
            await opened(store), now=clock.now_us(), room=10, alone=True, hints=[workflow_id, 10**9]
        )

    assert [each.id for each in drive(stale).claimed] == [other]


def test_a_hint_takes_no_more_than_there_is_room_for(drive: Drive[Any], executions: list[str]) -> None:
    workflow_id = Workflow.objects.get(slug="wait").pk

    async def work(store: Store) -> list[Any]:
        shift_id = await opened(store)
        now = clock.now_us()
        return [await store.look(shift_id, now=now, room=2, alone=True, hints=[workflow_id]) for _ in range(2)]

    first, second = drive(work)
    assert [[each.id for each in look.claimed] for look in (first, second)] == [executions[:2], executions[2:]]
    assert (first.more, second.more) == (True, False)

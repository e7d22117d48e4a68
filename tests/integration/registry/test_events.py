"""What changed, numbered: never backwards, in the order in which it becomes visible, and a team's own only."""

from __future__ import annotations

import threading

import pytest
from django.db import connections, transaction

from orchestration import clock
from orchestration.registry import events, operations, queries
from orchestration.registry.models import Instance, RegistryIndex, ServiceEvent
from orchestration.registry.queries import IndexGone
from orchestration.teams.operations import create_team, default_team

HERE = "http://127.0.0.1:9000"


@pytest.fixture
def team(db: None) -> int:
    return default_team().id


def register(team: int, **changes):
    return operations.register(**{"team_id": team, "name": "inventory", "address": HERE, **changes})


def told(team: int, after: int = 0, **changes) -> list[tuple[str, str]]:
    page = queries.events_after(team_id=team, index=after, **changes)
    return [(each.type, each.data.get("status", "")) for each in page.items]


def test_it_tells_the_life_of_an_instance(team: int):
    view = register(team)
    operations.update(team_id=team, instance_id=view.id, changes={"version": "2"})
    operations.drain(team_id=team, instance_id=view.id)
    operations.deregister(team_id=team, instance_id=view.id)
    operations.update_policy(team_id=team, name="inventory", changes={"timeout": "1s"})

    assert told(team) == [
        ("service.registered", "active"),
        ("service.updated", "active"),
        ("service.updated", "draining"),
        ("service.deregistered", "draining"),
        ("service.updated", ""),
    ]
    page = queries.events_after(team_id=team, index=0)
    assert [each.index for each in page.items] == list(range(page.items[0].index, page.index + 1))
    assert {each.instance_id for each in page.items} == {view.id, None}


def test_it_tells_nothing_where_nothing_changed(team: int):
    view = register(team, tags=["a"])
    before = queries.latest_index()
    register(team, tags=["a"])
    operations.update(team_id=team, instance_id=view.id, changes={"tags": ["a"]})
    operations.heartbeat(team_id=team, instance_id=view.id)
    operations.update_policy(team_id=team, name="inventory", changes={})

    assert queries.latest_index() == before
    register(team, tags=["b"])
    assert [each.data["changed"] for each in queries.events_after(team_id=team, index=before).items] == [["tags"]]


def test_it_tells_that_a_silent_one_is_back(team: int):
    view = register(team)
    Instance.objects.filter(pk=view.id).update(status="inactive", inactive_at=clock.now())
    before = queries.latest_index()
    assert operations.heartbeat(team_id=team, instance_id=view.id).status == "active"

    assert told(team, before) == [("service.updated", "active")]
    assert Instance.objects.get(pk=view.id).inactive_at is None


def test_it_tells_a_team_its_own(team: int):
    other = create_team(slug="other").id
    register(team)
    register(other)
    register(team, name="stock")

    assert len(told(team)) == 2
    assert len(told(other)) == 1
    assert told(team, name="stock") == [("service.registered", "active")]
    assert queries.events_after(team_id=other, index=0).index == queries.latest_index()


def test_what_is_rolled_back_is_not_told(team: int):
    before = queries.latest_index()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        register(team)
        raise ZeroDivisionError

    assert queries.latest_index() == before
    register(team)
    assert queries.latest_index() == before + 1


def test_it_pages(team: int):
    for number in range(5):
        register(team, address=f"http://127.0.0.1:{9000 + number}")
    first = queries.events_after(team_id=team, index=0, limit=3)
    second = queries.events_after(team_id=team, index=first.index, limit=3)

    assert (len(first.items), len(second.items)) == (3, 2)
    assert first.index == first.items[-1].index
    assert second.index == queries.latest_index()


def test_it_keeps_the_last_ones_and_says_what_is_gone(team: int):
    for number in range(6):
        register(team, address=f"http://127.0.0.1:{9000 + number}")
    latest = queries.latest_index()
    assert events.drop_old(keep=2) == 4
    assert events.drop_old(keep=2) == 0

    assert ServiceEvent.objects.count() == 2
    assert queries.latest_index() == latest
    assert len(told(team, latest - 2)) == 2
    for index in (0, latest - 3, latest + 1):
        with pytest.raises(IndexGone) as gone:
            queries.events_after(team_id=team, index=index)
        assert (gone.value.details["latest"], gone.value.details["oldest"]) == (latest, latest - 2)
    assert events.drop_old(keep=0) == 2
    register(team, name="stock")
    assert queries.latest_index() == latest + 1


def test_it_numbers_only_what_is_written_with_its_change(team: int):
    change = events.Change(events.UPDATED, team, "inventory")
    assert RegistryIndex.objects.count() == 0
    with transaction.atomic():
        assert events.append([change, change], now=clock.now()) == 2
    assert queries.events_after(team_id=team, index=0).index == 2


@pytest.mark.django_db(transaction=True)
def test_numbers_become_visible_in_their_order(transactional_db: None):
    """Many write at once while one reads on: it never sees a number that it has passed already."""
    team = default_team().id
    threads = 4
    seen: list[int] = []
    over = threading.Event()

    def write(which: int) -> None:
        for number in range(8):
            register(team, address=f"http://127.0.0.1:{9000 + which * 100 + number}")
        connections.close_all()

    def read() -> None:
        index = 0
        while not over.is_set() or index < queries.latest_index():
            page = queries.events_after(team_id=team, index=index)
            seen.extend(each.index for each in page.items)
            index = page.index
        connections.close_all()

    writers = [threading.Thread(target=write, args=(which,)) for which in range(threads)]
    reader = threading.Thread(target=read)
    for each in (*writers, reader):
        each.start()
    for each in writers:
        each.join()
    over.set()
    reader.join()

    assert seen == list(range(1, 8 * threads + 1))

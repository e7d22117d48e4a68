"""What processes hold together of a service: shares of its limits, and how it stands."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from django.db import DatabaseError, connections, transaction

from orchestration.domain.calling.circuit import CLOSED, OPEN, Verdict
from orchestration.domain.calling.policy import SECOND, Rate
from orchestration.registry import operations, sharing
from orchestration.registry.models import PlaceLease, Service
from orchestration.registry.sharing import Asked, Stand
from orchestration.teams.operations import default_team
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")
LEASE = 60 * SECOND


@pytest.fixture
def service() -> int:
    operations.register(team_id=default_team().id, name="pay", address="http://127.0.0.1:9000")
    return Service.objects.get().pk


def take(service: int, holder: str, places: int, *, under_way: int = 0, limit: int = 10, lease: int = LEASE) -> int:
    asked = Asked(places, under_way, 0)
    return sharing.take(service, holder, asked, limit=limit, rate=None, lease=lease).places


def at_once(count: int, do: Callable[[int], T]) -> list[T]:
    """Do it in so many threads, each with a connection of its own, all at the same time."""
    start = threading.Barrier(count)

    def begin(number: int) -> T:
        try:
            start.wait(10)
            return do(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(begin, range(count)))


def test_it_gives_no_more_places_than_there_are_however_many_ask_at_once(service: int):
    for _ in range(5):
        at_once(8, lambda number: take(service, f"worker-{number}", 5))
        held = list(PlaceLease.objects.values_list("places", flat=True))
        assert sum(held) <= 10
        assert len(held) == 8
    assert sum(held) == 10


def test_it_gives_no_more_tokens_than_there_are_however_many_ask_at_once(service: int):
    rate = Rate(per_second=0.001, burst=7)

    def ask(number: int) -> int:
        asked = Asked(0, 0, 3)
        return sharing.take(service, f"worker-{number}", asked, limit=None, rate=rate, lease=LEASE).tokens

    assert sum(at_once(8, ask)) == 7


def test_it_has_the_places_of_a_killed_worker_back_when_its_lease_is_over(service: int):
    assert take(service, "killed", 10, lease=SECOND // 5) == 10
    assert take(service, "other", 4) == 0
    wait_for(lambda: take(service, "other", 4) == 4, what="the lease to be over")


def test_it_lets_nobody_take_the_places_of_a_worker_that_renews_them(service: int):
    assert take(service, "busy", 10) == 10
    assert take(service, "busy", 10, under_way=10) == 10
    assert take(service, "other", 4) == 0


def test_it_gives_places_back(service: int):
    take(service, "leaving", 10)
    sharing.give_back("leaving", [service])
    assert take(service, "other", 4) == 4


def test_it_gives_nothing_of_a_service_that_is_gone():
    assert sharing.take(999, "worker", Asked(1, 0, 1), limit=3, rate=None, lease=LEASE) == sharing.Granted()


def test_it_lets_a_verdict_stand_only_against_older_ones(service: int):
    assert sharing.stand_of(service) is None
    opened = Verdict(1, OPEN, until=5, openings=1)
    assert sharing.publish(service, opened) == opened
    assert sharing.publish(service, Verdict(1, OPEN, until=9)) == opened
    closed = Verdict(3, CLOSED, recovered_at=7)
    assert sharing.publish(service, closed) == closed
    assert sharing.publish(service, Verdict(2, OPEN)) == closed
    assert sharing.stand_of(service) == Stand(closed, 0)


def test_it_lets_one_of_many_make_the_trial(service: int):
    sharing.publish(service, Verdict(1, OPEN))
    mine = [Verdict(2, "half-open", trial_until=number) for number in range(8)]
    stands = at_once(8, lambda number: sharing.publish(service, mine[number]))
    assert len(set(stands)) == 1
    assert sum(stood == own for stood, own in zip(stands, mine, strict=True)) == 1


def test_it_keeps_the_longest_hold(service: int):
    for until in (7, 9, 8):
        sharing.hold(service, until)
    assert sharing.stand_of(service) == Stand(Verdict(), 9)


def test_it_tells_what_changed_since_the_last_look(service: int):
    team = default_team().id
    first = sharing.look(None, [service])
    assert first.changed is None
    assert sharing.look(first.index, [service]).changed == frozenset()
    operations.update_policy(team_id=team, name="pay", changes={"timeout": "1s"})
    operations.register(team_id=team, name="ship", address="http://127.0.0.1:9001")
    sharing.publish(service, Verdict(1, OPEN))
    second = sharing.look(first.index, [service])
    assert second.changed == {(team, "pay"), (team, "ship")}
    assert second.stands[service].verdict.state == OPEN
    assert sharing.look(second.index + 1, []).changed is None, "a registry that went back is read anew"


@pytest.mark.needs_postgres
def test_a_process_that_stands_still_while_it_holds_the_row_holds_nobody_up_for_long(
    service: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sharing, "IDLE_MILLISECONDS", 200)
    holds, others_done = threading.Event(), threading.Event()

    def stand_still() -> None:
        with transaction.atomic():
            sharing._locked(service)
            holds.set()
            assert others_done.wait(20)
            Service.objects.exists()

    def stand_still_and_find_out() -> type[BaseException] | None:
        try:
            stand_still()
        except DatabaseError as error:
            return type(error)
        finally:
            connections.close_all()
        return None

    with ThreadPoolExecutor(1) as threads:
        found = threads.submit(stand_still_and_find_out)
        assert holds.wait(10)
        assert take(service, "other", 4) == 4
        others_done.set()
        assert found.result(10) is not None, "it went on with a row that another had"

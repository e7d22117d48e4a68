"""Wake-ups: what the task queue may run, and what is swept up."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from django_q import core_signing as signing
from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import BadSignature, PickleSerializer, SignedPackage

from orchestration import clock
from orchestration.engine import housekeeping, queue
from orchestration.engine.brokers import OrmBroker
from orchestration.engine.models import InboxItem, JournalBatch, Shift
from tests.integration.engine.conftest import Site


class Poison:
    """A value that runs something when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.putenv, ("PODIUM_POISON", "1")


class Tuples:
    """A value whose class is none of those that a task is made of."""


def package(*, key: str | None = None, **more: Any) -> str:
    """Return a signed task as django-q2 makes it, or as somebody makes it who has learnt another key."""
    task = {
        "id": "1",
        "name": "n",
        "func": queue.WORK,
        "args": (),
        "kwargs": {},
        "started": datetime(2030, 1, 1, tzinfo=UTC),
    }
    if key is None:
        return SignedPackage.dumps({**task, **more})
    return str(signing.dumps({**task, **more}, key=key, salt=Conf.PREFIX, serializer=PickleSerializer))


def test_it_runs_only_what_is_on_the_list() -> None:
    assert queue.may_run(package())
    assert not queue.may_run(package(func="os.system", args=("true",)))
    assert not queue.may_run(package(func=print))
    assert not queue.may_run(package(args=(Poison(),)))
    assert not queue.may_run(package() + "x")
    assert not queue.may_run("")


def test_it_refuses_what_is_signed_with_the_key_of_the_site(transactional_db: None) -> None:
    assert Conf.SECRET_KEY != settings.SECRET_KEY
    assert queue.may_run(package(key=Conf.SECRET_KEY))
    forged = package(key=settings.SECRET_KEY)
    assert not queue.may_run(forged)
    broker = OrmBroker(queue.SHIFTS)
    broker.enqueue(forged)
    assert broker.dequeue() is None
    assert not OrmQ.objects.exists()
    with pytest.raises(BadSignature):
        SignedPackage.loads(forged)


@pytest.mark.parametrize(
    "more",
    [
        {"func": "os.system", "args": ("true",)},
        {"func": "orchestration.engine.shift.work.__globals__"},
        {"func": "orchestration.engine.shift.os.system"},
        {"func": f"{queue.WORK} "},
        {"func": print},
        {"func": None},
        {"args": (Poison(),)},
        {"kwargs": {"a": [Poison()]}},
        {"hook": Poison()},
        {"extra": Tuples()},
        {"hook": "os.system"},
        {"chain": [("os.system", ("true",))]},
        {"args": ("true",)},
        {"kwargs": {"a": 1}},
    ],
)
def test_it_runs_nothing_else_even_if_it_is_signed(more: dict[str, Any]) -> None:
    assert not queue.may_run(package(**more))
    assert "PODIUM_POISON" not in os.environ


def test_what_may_not_run_is_thrown_away_before_a_worker_sees_it(transactional_db: None) -> None:
    # Whichever broker this run is on, and a queue that nobody else uses.
    broker = get_broker(f"{queue.SHIFTS}-attacked")
    for forged in (package(func="os.system"), package(key=settings.SECRET_KEY), package(hook="os.system"), "no"):
        broker.enqueue(forged)
        assert broker.dequeue() is None
        assert broker.queue_size() == 0
    broker.enqueue(package())
    [(_, found)] = broker.dequeue() or []
    assert SignedPackage.loads(found if isinstance(found, str) else found.decode())["func"] == queue.WORK


def test_a_cluster_hears_its_own_queue_besides_the_sites(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Conf, "CLUSTER_NAME", f"{queue.SHIFTS}-own")
    monkeypatch.setenv(queue.BOOT, "b1")
    broker = get_broker(Conf.CLUSTER_NAME)
    queue.send_canary(Conf.CLUSTER_NAME, "b2")
    assert broker.dequeue() is None, "another cluster's canary is none of its business"
    queue.send_canary(Conf.CLUSTER_NAME, "b1")
    queue.send_canary(Conf.CLUSTER_NAME, "b1")
    assert broker.dequeue() is not None
    assert broker.dequeue() is None, "one waits at most"
    queue.forget_canaries(Conf.CLUSTER_NAME, "b2")
    assert queue.queued(queue.own_queue(Conf.CLUSTER_NAME, "b2")) == 0


@pytest.mark.usefixtures("transactional_db")
def test_a_start_asks_for_a_shift_only_where_none_is_awake(site: Site) -> None:
    site.save("wait", {"id": "w", "type": "wait", "signal": "go"})
    now = clock.now_us()
    awake = Shift.objects.create(worker="w", boot="b", pid=1, started_at=now, expires_at=now + 60_000_000)
    # In Redis the wake-ups of other tests are still there: nobody took them, and nothing rolls them back.
    before = queue.queued()
    site.start("wait")
    assert queue.queued() == before
    awake.delete()
    queue._sent[0] = -1e9
    site.start("wait")
    assert queue.queued() == before + 1


def test_sweeping_up_leaves_what_is_new(transactional_db: None) -> None:
    now = clock.now_us()
    old = now - 2 * housekeeping.KEEP_MICROSECONDS
    for at in (old, now):
        OrmQ.objects.create(key="somebody's", payload="", lock=clock.to_datetime(at))
        JournalBatch.objects.create(at=at, touched="")
        InboxItem.objects.create(execution_id="e", kind="pause", payload="{}", outcome="{}", created_at=at)
        Shift.objects.create(worker="w", boot="b", pid=1, state="ended", started_at=at, expires_at=at)
    unheard = InboxItem.objects.create(execution_id="e", kind="pause", payload="{}", created_at=old)
    assert housekeeping.tidy() == {
        "batches": 1,
        "answers": 1,
        "shifts": 1,
        "wake_ups": 1,
        "vacuumed": 0,
        "service_events": 0,
        "health_changes": 0,
    }
    assert (JournalBatch.objects.count(), InboxItem.objects.count(), Shift.objects.count()) == (1, 2, 1)
    assert InboxItem.objects.filter(pk=unheard.pk).exists()

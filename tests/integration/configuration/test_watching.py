"""What a process knows of the live settings: soon, without a query each time, even while the database is away."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from orchestration import clock
from orchestration.configuration import operations, queries, watching
from orchestration.configuration.models import SettingsVersion
from orchestration.domain.errors import NotFound
from tests.waiting import wait_for, wait_for_async

MAX = "workflows.max_concurrent"
SOON = 2.0


def change(value: Any, name: str = MAX) -> None:
    operations.change_settings(values={name: value}, by="ana")


def told_elsewhere(value: int, version: int = 1) -> None:
    """Leave a version as another process does: nothing tells this one of it."""
    text = json.dumps({MAX: value})
    SettingsVersion.objects.create(version=version, at=clock.now_us(), settings=text)


@pytest.mark.django_db
def test_it_answers_in_the_platforms_own_units() -> None:
    assert queries.whole("registry.health_check_timeout") == 10_000_000
    assert queries.seconds("registry.heartbeat_interval") == 30.0
    assert queries.whole("messaging.max_message_size") == 1_000_000
    assert queries.current("messaging.retry_backoff") == "exponential"
    with pytest.raises(NotFound):
        queries.current("messaging.nothing")


@pytest.mark.django_db(transaction=True)
def test_a_process_knows_its_own_change_at_once() -> None:
    assert queries.current(MAX) == 100
    change(7)
    assert queries.current(MAX) == 7


@pytest.mark.django_db
def test_using_a_setting_costs_no_query() -> None:
    queries.current(MAX)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        for _ in range(1_000):
            queries.current(MAX)
            queries.execution_defaults()
    assert len(asked) <= 2


@pytest.mark.django_db
def test_a_change_made_elsewhere_is_known_within_two_seconds() -> None:
    assert queries.current(MAX) == 100
    told_elsewhere(7)
    wait_for(lambda: queries.current(MAX) == 7, what="the change", timeout=SOON)


@pytest.mark.django_db(transaction=True)
def test_a_loop_knows_a_change_within_two_seconds_and_never_waits_for_the_database() -> None:
    def tell() -> None:
        told_elsewhere(7)
        connections.close_all()

    async def follow() -> None:
        assert queries.current(MAX) == 100
        await asyncio.to_thread(tell)
        until = clock.monotonic() + SOON
        longest = 0.0
        while queries.current(MAX) != 7 and clock.monotonic() < until:
            before = clock.monotonic()
            queries.current(MAX)
            longest = max(longest, clock.monotonic() - before)
            await asyncio.sleep(0.01)
        assert queries.current(MAX) == 7
        assert longest < SOON

    asyncio.run(follow())


@pytest.mark.django_db
def test_it_goes_on_with_the_last_known_where_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    told_elsewhere(7)
    assert queries.current(MAX) == 7

    def away() -> None:
        raise DatabaseError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(watching, "_latest", away)
        watching.watch().look()
        assert queries.current(MAX) == 7
    told_elsewhere(8, version=2)
    wait_for(lambda: queries.current(MAX) == 8, what="the change", timeout=SOON)


@pytest.mark.django_db
def test_it_knows_a_version_from_the_one_that_took_its_number() -> None:
    told_elsewhere(7)
    watching.watch().look()
    SettingsVersion.objects.all().delete()
    told_elsewhere(8)
    watching.watch().look()
    assert queries.current(MAX) == 8


@pytest.mark.django_db
def test_a_failing_look_leaves_a_transaction_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SettingsVersion._meta, "db_table", "podium_nowhere")
    assert queries.current(MAX) == 100
    monkeypatch.undo()
    assert SettingsVersion.objects.count() == 0


@pytest.mark.django_db
def test_the_defaults_of_executions_follow_settings_and_environment(settings: Settings) -> None:
    settings.PODIUM = replace(settings.PODIUM, retry_attempts=4, wait_timeout_seconds=60)
    assert (queries.execution_defaults().retry_attempts, queries.execution_defaults().wait_timeout) == (4, 60_000_000)
    told_elsewhere(7)
    watching.watch().look()
    assert (queries.execution_defaults().max_concurrent, queries.execution_defaults().retry_attempts) == (7, 4)


ASK = """
import sys
import django
django.setup()
from orchestration.configuration import queries
for line in sys.stdin:
    print(queries.current("workflows.max_concurrent"), flush=True)
"""


@pytest.mark.django_db(transaction=True)
def test_every_process_knows_a_change_within_two_seconds() -> None:
    database = connection.settings_dict
    url = f"sqlite:///{database['NAME']}"
    if connection.vendor == "postgresql":
        url = "postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**database).replace(":@", "@")
    environment = {**os.environ, "DATABASE_URL": url}
    others = [
        subprocess.Popen(
            [sys.executable, "-c", ASK], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]

    def answers() -> list[str]:
        for each in others:
            assert each.stdin is not None
            each.stdin.write("\n")
            each.stdin.flush()
        return [each.stdout.readline().strip() for each in others if each.stdout is not None]

    try:
        assert answers() == ["100"] * 3
        change(7)
        wait_for(lambda: answers() == ["7"] * 3, what="the change", timeout=SOON)
    finally:
        for each in others:
            each.kill()
            each.communicate()


@pytest.mark.django_db(transaction=True)
def test_what_a_fork_leaves_looks_for_itself() -> None:
    change(7)
    assert queries.current(MAX) == 7
    read, write = os.pipe()
    told_elsewhere(8, version=2)
    connection.close()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, str(queries.current(MAX)).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        assert answer.read() == "8"
    os.waitpid(child, 0)


@pytest.mark.django_db
def test_nothing_that_goes_wrong_ends_the_thread_that_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def wrong() -> None:
        looked.append(1)
        raise RuntimeError("nobody expected this")

    async def ask() -> None:
        assert queries.current(MAX) == 100
        await wait_for_async(_twice, what="another look", timeout=10)

    async def _twice() -> bool:
        return len(looked) > 1

    monkeypatch.setattr(watching, "_latest", wrong)
    asyncio.run(ask())


@pytest.mark.django_db
def test_a_look_that_was_given_up_lets_go_of_its_own_lock_only(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, hangs, over = watching.Watch(), threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        over.wait(10)

    monkeypatch.setattr(watching, "_latest", hang)
    thread = threading.Thread(target=watch.look)
    thread.start()
    hangs.wait(10)
    # As where a thread that hangs is given up.
    taken, watch._looking = watch._looking, threading.Lock()
    over.set()
    thread.join()
    assert not taken.locked()
    assert not watch._looking.locked()

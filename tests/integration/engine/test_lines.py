"""Connections that are met with silence, through a proxy that swallows everything."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.waiting import Ready, Wait

from orchestration import lines
from orchestration.engine import brokers
from tests.faults.proxy import Proxy


@contextmanager
def through(proxy: Proxy) -> Iterator[BaseDatabaseWrapper]:
    """Give a connection of Django's own that goes through the proxy."""
    found: Any = connections["default"].copy("through")
    found.settings_dict["HOST"], found.settings_dict["PORT"] = "127.0.0.1", proxy.port
    try:
        yield found
    finally:
        found.close()


def answer(database: BaseDatabaseWrapper) -> Any:
    with database.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone()


@pytest.mark.needs_postgres
@pytest.mark.django_db(transaction=True)
def test_a_process_with_a_bound_gives_a_silent_connection_up_and_opens_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines.PatientConnection, "answer_seconds", 0.3)
    port = int(connections["default"].settings_dict["PORT"] or 5432)
    with Proxy(port).running() as proxy, through(proxy) as database:
        assert answer(database) == (1,)
        proxy.switch("blackhole")
        with pytest.raises(OperationalError, match="no answer within"):
            answer(database)
        database.close()
        proxy.switch("pass")
        assert answer(database) == (1,)


@pytest.mark.needs_postgres
@pytest.mark.django_db(transaction=True)
def test_a_process_without_one_is_not_hurried() -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.2)")
        assert isinstance(connections["default"].connection, lines.PatientConnection)
    with pytest.raises(psycopg.errors._WaitTimeout):
        connections["default"].connection.wait(_never(), timeout=0.05)


def _never() -> Generator[Wait, Ready, None]:
    while True:
        yield Wait.R


@pytest.mark.needs_redis
def test_a_silent_broker_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers, "REDIS_ANSWER_SECONDS", 0.3)
    url = str(settings.Q_CLUSTER["redis"])
    kept = redis.from_url(url).connection_pool.connection_kwargs
    with Proxy(int(kept.get("port", 6379))).running() as proxy:
        monkeypatch.setattr(brokers.Conf, "REDIS", f"redis://127.0.0.1:{proxy.port}/{kept.get('db', 0)}")
        with brokers.RedisBroker.get_connection() as broker:
            assert broker.ping()
            proxy.switch("blackhole")
            with pytest.raises(redis.RedisError):
                broker.ping()

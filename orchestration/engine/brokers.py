"""django-q2's brokers, with a door-keeper: a task whose function is not on the list never reaches a worker.

A cluster listens to two queues: the site's, which it shares with all others, and one of its own for its canaries. A
broker that does not answer is asked again soon: django-q2's pusher would lie down for ten seconds.
"""

from __future__ import annotations

import os
from datetime import timedelta
from threading import Event
from typing import Any

import redis
import structlog
from django.db import DatabaseError, InterfaceError, close_old_connections, connections
from django.db.models import Q
from django_q.brokers.orm import ORM
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf

from orchestration import clock
from orchestration.engine.doorbell import QueueBell
from orchestration.engine.queue import BOOT, may_run, own_queue

log = structlog.get_logger(__name__)

REDIS_SECONDS = 1
# Longer than a wait for a task, shorter than a canary's time.
REDIS_ANSWER_SECONDS = 4
AGAIN_SECONDS = 0.25
WRONG_CLOCK_SECONDS = 60
# Canaries of a cluster that is no more are forgotten after this.
KEEP_SECONDS = 60


def _own() -> str:
    boot = os.environ.get(BOOT, "")
    return own_queue(Conf.CLUSTER_NAME, boot) if boot else ""


class OrmBroker(ORM):
    """The queue in the database."""

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        self._bell = QueueBell()

    def enqueue(self, task: str) -> int:
        """Put a task into the queue, by the clock by which it is taken; return its number."""
        return int(self.get_connection().create(key=self.list_key, payload=task, lock=clock.now()).pk)

    def dequeue(self) -> list[tuple[Any, Any]] | None:
        """Return the next tasks that may run; throw away those that may not."""
        try:
            close_old_connections()
            found = self._take()
        except (DatabaseError, InterfaceError, OSError) as error:
            log.warning("the task queue does not answer", error=str(error))
            connections.close_all()
            Event().wait(AGAIN_SECONDS)
            return None
        if not found:
            self._bell.wait(Conf.POLL)
        return _admitted(self, found)

    def _take(self) -> list[tuple[Any, Any]]:
        now = clock.now()
        keys = [key for key in (_own(), self.list_key) if key]
        # A lock further ahead than any that is set here is of a clock that was wrong, or is not any more.
        free = Q(lock__lt=now) | Q(lock__gt=now + timedelta(seconds=Conf.RETRY + WRONG_CLOCK_SECONDS))
        waiting = self.get_connection().filter(free, key__in=keys).order_by("pk")
        found = []
        for task in waiting[: Conf.BULK]:
            locked = self.get_connection().filter(pk=task.pk, lock=task.lock)
            # Another cluster may have been faster.
            if locked.update(lock=now + timedelta(seconds=Conf.RETRY)):
                found.append((task.pk, task.payload))
        return found

    def expire(self) -> None:
        """Have what nobody takes from this queue go by itself; housekeeping sees to it."""


class RedisBroker(Redis):
    """The queue in Redis."""

    @staticmethod
    def get_connection(list_key: str | None = None) -> redis.Redis:
        """Return a connection that does not wait for ever: a network that swallows everything says nothing."""
        return redis.from_url(
            Conf.REDIS, socket_timeout=REDIS_ANSWER_SECONDS, socket_connect_timeout=REDIS_ANSWER_SECONDS
        )

    def dequeue(self) -> list[tuple[Any, Any]] | None:
        """Return the next tasks that may run; throw away those that may not."""
        own = _own()
        keys = [*([f"django_q:{own}:q"] if own else []), self.list_key]
        try:
            found = self.connection.blpop(keys, REDIS_SECONDS)
        except (redis.RedisError, OSError) as error:
            log.warning("the task queue does not answer", error=str(error))
            Event().wait(AGAIN_SECONDS)
            return None
        return _admitted(self, [(None, found[1])] if found else [])

    def expire(self) -> None:
        """Have what nobody takes from this queue go by itself."""
        self.connection.expire(self.list_key, KEEP_SECONDS)


def _admitted(broker: Any, tasks: list[tuple[Any, Any]]) -> list[tuple[Any, Any]] | None:
    admitted = []
    for ack_id, package in tasks:
        if may_run(package if isinstance(package, str) else package.decode()):
            admitted.append((ack_id, package))
        else:
            broker.fail(ack_id)
    return admitted or None

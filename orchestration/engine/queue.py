"""Wake-ups: making sure that a shift is awake.

A wake-up is a django-q2 task without arguments: losing it costs a second (the pulse sends another), doubling it costs
an idle shift. Only the functions named here, and those that an app of ours names at its start (`allow`), ever run as
tasks: whatever else lies in the queue is thrown away unread.
"""

from __future__ import annotations

import io
import os
import pickle
from typing import Any

import structlog
from django.conf import settings
from django.db import connection, connections

from orchestration import clock
from orchestration.engine import doorbell
from orchestration.engine.starting import any_awake, count_awake

log = structlog.get_logger(__name__)

WORK = "orchestration.engine.shift.work"
CANARY = "orchestration.engine.shift.canary"
TIDY = "orchestration.engine.housekeeping.tidy"
PROBE = "orchestration.registry.probes.run_due"
ALLOWED = frozenset({WORK, CANARY, TIDY, PROBE})
# What a wake-up of ours is made of. A hook or a chain would run something else besides.
KEYS = frozenset({"id", "name", "func", "args", "kwargs", "started", "cluster", "timeout", "ack_failure"})

SHIFTS = settings.PODIUM.site
HOUSEKEEPING = f"{SHIFTS}-housekeeping"
BOOT = "PODIUM_BOOT"
SOONEST_SECONDS = 0.2
WAKE_UPS_MOST = 10
# A shift ends by itself within PATIENCE (driver.py) times its time; this ends one that hangs.
SHIFT_MARGIN = 25

_allowed = set(ALLOWED)
_brokers: dict[tuple[int, str], Any] = {}
_sent: list[float] = [0.0]


def allow(function: str) -> None:
    """Let one more function run as a task; to be called while the process starts."""
    _allowed.add(function)


def wake(hint: str = "") -> None:
    """Have the shifts look, and ask for one if none is awake. To be called after the commit; never raises.

    `hint` is where they look first.
    """
    try:
        doorbell.ring(hint)
        if not any_awake(clock.now_us()):
            if clock.monotonic() - _sent[0] < SOONEST_SECONDS:
                return
            _sent[0] = clock.monotonic()
            # Where nobody takes them, more of them are of no more use.
            if queued() < WAKE_UPS_MOST:
                enqueue(WORK)
    except Exception as error:
        log.warning("no wake-up could be sent", error=str(error))


def call_for_help() -> None:
    """Have one more shift at work, on whatever host has a worker to spare, unless one is on its way; never raises.

    Where all of this cluster's are awake already, the others are left to their supervisors. To be called in a thread of
    its own: its connections are closed.
    """
    boot = os.environ.get(BOOT)
    # Shifts that share one file only wait for each other.
    if not boot or database_is_local():
        return
    try:
        if count_awake(boot) < settings.PODIUM.workers and not queued():
            enqueue(WORK)
    except Exception as error:
        log.warning("no help could be called", error=str(error))
    finally:
        connections.close_all()


def enqueue(function: str, *, cluster: str = SHIFTS) -> None:
    """Put a wake-up into a cluster's queue. Raises what the broker raises."""
    from django_q.tasks import async_task

    timeout = round(settings.PODIUM.shift_seconds * SHIFT_MARGIN)
    async_task(function, q_options={"broker": _broker(cluster), "cluster": cluster, "timeout": timeout})
    doorbell.QueueBell.ring()


def own_queue(cluster: str, boot: str) -> str:
    """Return the queue that only one run of a cluster listens to."""
    return f"{cluster}:{boot}"


def send_canary(cluster: str, boot: str) -> None:
    """Have one run of a cluster leave its trace, unless a canary waits there already. Raises what the broker raises."""
    own = own_queue(cluster, boot)
    if not queued(own):
        enqueue(CANARY, cluster=own)
        _broker(own).expire()


def forget_canaries(cluster: str, boot: str) -> None:
    """Throw away what waits in the queue of a cluster that is no more. Raises what the broker raises."""
    own = own_queue(cluster, boot)
    _broker(own).delete_queue()
    del _brokers[os.getpid(), own]


def queued(cluster: str = SHIFTS) -> int:
    """Return how many wake-ups wait in a cluster's queue."""
    return int(_broker(cluster).queue_size())


def _broker(cluster: str) -> Any:
    """Return this process's broker: connections do not survive a fork."""
    from django_q.brokers import get_broker

    key = (os.getpid(), cluster)
    if key not in _brokers:
        _brokers[key] = get_broker(cluster)
    return _brokers[key]


def may_run(package: str) -> bool:
    """Tell whether a queued package is one of ours: signed here, made of plain values, naming an allowed function."""
    from django_q import core_signing
    from django_q.conf import Conf

    try:
        task = core_signing.loads(package, key=Conf.SECRET_KEY, salt=Conf.PREFIX, serializer=_PlainPickle)
        return (
            isinstance(task, dict)
            and task.keys() <= KEYS
            and task.get("func") in _allowed
            and not (task.get("args") or task.get("kwargs"))
        )
    except Exception as error:
        log.error("a task in the queue is not ours", error=str(error))
        return False


class _PlainUnpickler(pickle.Unpickler):
    """Reads values, and instants; nothing that runs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in {("datetime", "datetime"), ("datetime", "timezone"), ("datetime", "timedelta")}:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a task")


class _PlainPickle:
    """The serializer that only reads."""

    @staticmethod
    def loads(data: bytes) -> Any:
        return _PlainUnpickler(io.BytesIO(data)).load()


def database_is_local() -> bool:
    """Tell whether all shifts share one file, so that more than one at a time only wait for each other."""
    return connection.vendor == "sqlite"

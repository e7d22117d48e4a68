"""Background work of other apps: tasks of the housekeeping queue that the pulse sends while there is something to do.

A duty is a function and a question whether it is due. The question is asked by every supervisor at every pulse, so it
has to be one cheap look into an index; the task is a wake-up without arguments, which may come twice or to nobody. What
there is to do, and who does it, stands in the rows of the app whose duty it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from orchestration.engine import queue

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Duty:
    """A task by the full name of its function, and the question whether it has anything to do."""

    task: str
    is_due: Callable[[], bool]


_duties: dict[str, Duty] = {}


def register(duty: Duty) -> None:
    """Have the duty looked after; to be called while the process starts."""
    _duties[duty.task] = duty
    queue.allow(duty.task)


def due() -> list[str]:
    """Return the tasks that have something to do. Raises what the database raises."""
    return [each.task for each in _duties.values() if each.is_due()]


def call(task: str) -> None:
    """Send a duty's task now, rather than at the next pulse; never raises. To be called after the commit."""
    try:
        if not queue.queued(queue.HOUSEKEEPING):
            queue.enqueue(task, cluster=queue.HOUSEKEEPING)
    except Exception as error:
        log.warning("a task could not be sent; the next pulse sends it", task=task, error=str(error))

"""Backpressure at the door: what is refused because more of it waits already than there should.

Nothing that stands in the database is ever dropped, so a queue is bounded where it is filled. A team that has
`backlog_max` executions waiting to begin starts no more until some have begun; an execution whose inbox holds
`inbox_max` unheard items takes no more. Children, retries and the results of calls are work that was accepted before,
and are never refused.

Counting costs a look into an index that ends at the bound. It is done once in COUNT_SECONDS per team and process;
in between every start that this process lets in is added. So the bound may be passed by what all processes start within
that time, and a refusal may last that much longer than it must.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from orchestration import clock
from orchestration.domain.errors import Overloaded
from orchestration.domain.lifecycle import PENDING
from orchestration.engine.models import InboxItem

COUNT_SECONDS = 1.0
KEPT = 10_000

_PENDING = f"""
SELECT count(*) FROM (
    SELECT 1 FROM podium_execution WHERE team_id = %s AND status = '{PENDING}' LIMIT %s
) AS waiting
"""


@dataclass(slots=True)
class Count:
    """How many executions of a team waited at an instant (monotonic seconds), and were started since."""

    number: int
    at: float


_counts: dict[int, Count] = {}
_changing = threading.Lock()


def let_in(team_id: int) -> None:
    """Let one more execution of the team in. Raises Overloaded, with when to try again, where too many wait."""
    podium = settings.PODIUM
    most, now = podium.backlog_max, clock.monotonic()
    with _changing:
        count = _counts.get(team_id)
        fresh = count is not None and now - count.at < COUNT_SECONDS
    if count is None or not fresh:
        count = _renew(team_id, most, now)
    with _changing:
        if count.number < most:
            count.number += 1
            return
    raise Overloaded(
        f"{most} executions of this team wait to begin, and no more may",
        limit="backlog_max",
        retry_after=podium.overload_retry_seconds,
    )


def _renew(team_id: int, most: int, now: float) -> Count:
    with connection.cursor() as cursor:
        cursor.execute(_PENDING, [team_id, most])
        count = Count(cursor.fetchone()[0], now)
    with _changing:
        if len(_counts) >= KEPT:
            _counts.clear()
        _counts[team_id] = count
    return count


def forget() -> None:
    """Forget all counts."""
    with _changing:
        _counts.clear()


def check_inbox(execution_id: str) -> None:
    """Raise Overloaded, with when to try again, where an execution's inbox is full."""
    podium = settings.PODIUM
    most = podium.inbox_max
    unheard = InboxItem.objects.filter(execution_id=execution_id, outcome__isnull=True).order_by("id")
    if unheard[most - 1 : most].exists():
        raise Overloaded(
            f"{most} things that this execution was told lie unheard, and no more may",
            limit="inbox_max",
            retry_after=podium.overload_retry_seconds,
        )

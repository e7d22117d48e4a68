"""Telling executions that the service that they wait for is back: a few at first, then more and more.

An execution with a call that was postponed for want of an instance listens to its service (a row of Listening). Once a
sweep the supervisor asks which services are listened to, and which of those have an instance that may be called; the
executions that have waited longest for such a one are told `ServiceBack`: `service_back_batch` of them in the first
sweep, then twice as many each time up to `service_back_max`, so that 1,000 are told within 13 seconds, and no service
is met by all of them at once.

True at all times: telling an execution and striking its row out is one transaction, so it is told once for each time
that it began to listen; what is postponed anew listens anew, and waits longer each time if the instance turns out to be
none (see the domain's `service_back`). Nothing depends on being told: without it a call is asked for in its own time.
Where several supervisors look, each tells as many. A look costs one query over the rows of Listening where nothing
waits for a service, and two more and a transaction for each service that is back.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.db import transaction

from orchestration.domain.facts import ServiceBack
from orchestration.engine.listening import SERVICE, service_of
from orchestration.engine.models import Listening
from orchestration.engine.telling import tell_all
from orchestration.registry.queries import callable_services

SERVICES_MOST = 1_000
"""Services that one look asks after; the others have their turn when some of these are back."""


class Heralds:
    """What one supervisor remembers between two looks: how many to tell next, for each service that is back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next: dict[tuple[int, str], int] = {}
        self._looked_at: float | None = None

    def look(self) -> int:
        """Tell whoever waits for a service that is back; return how many were told. Not more often than each sweep."""
        now, podium = self._clock(), settings.PODIUM
        if self._looked_at is not None and now - self._looked_at < podium.sweep_seconds:
            return 0
        self._looked_at = now
        awaited = awaited_services()
        back = callable_services(awaited) if awaited else set()
        told, following = 0, {}
        for key in sorted(back):
            batch = min(self._next.get(key, podium.service_back_batch), podium.service_back_max)
            told += tell_back(*key, most=batch)
            following[key] = 2 * batch
        self._next = following
        return told


def awaited_services() -> list[tuple[int, str]]:
    """Return the team and name of each service that some execution waits for."""
    rows = Listening.objects.filter(topic__startswith=SERVICE).order_by().values_list("team_id", "topic").distinct()
    return [(team_id, service_of(topic)) for team_id, topic in rows[:SERVICES_MOST]]


def tell_back(team_id: int, service: str, *, most: int) -> int:
    """Tell up to `most` executions that wait for the service, the oldest first, that it is back; return how many."""
    waiting = Listening.objects.filter(team_id=team_id, topic=SERVICE + service)
    with transaction.atomic():
        ids = list(waiting.order_by("execution_id").values_list("execution_id", flat=True)[:most])
        waiting.filter(execution_id__in=ids).delete()
        tell_all(ids, ServiceBack(service))
    return len(ids)

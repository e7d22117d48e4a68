"""Which topic a page follows, by the name of its view and the arguments that stand in the page.

What a browser says is checked here: unknown views and arguments of the wrong kind are Refused, and what belongs to
another team is NotFound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.conf import settings

from dashboard import reading
from dashboard.live.parts import execution_parts, now_parts, service_parts, services_parts
from dashboard.live.topics import Have, PageTopic, Reading, RowsHave, RowsTopic, ServicesTopic, Topic
from dashboard.people import Viewer
from dashboard.presenters.filters import ExecutionFilter
from dashboard.presenters.timeline import Axis
from dashboard.words.states import ENDED
from dashboard.words.times import SECOND
from orchestration import clock
from orchestration.domain.errors import NotFound, Refused
from orchestration.engine import queries
from orchestration.registry import queries as registry

CALM_SECONDS = 1.0
SERVICES_SECONDS = 2.0
"""How often pages about services look at what no event of the registry tells: circuits, heartbeats."""

SERVICES_LEAST_SECONDS = 0.25
NAME_LENGTH = 80
IDS = 100
PATH_LENGTH = 1_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What a socket wants to follow: a topic, by its key, and what its page has already."""

    key: tuple[Any, ...]
    make: Callable[[], Topic]
    have: Any
    check: Callable[[], None] = lambda: None

    def anew(self) -> Wish:
        """Return the same wish of a page that has to be sent everything."""
        return replace(self, have=Have()) if isinstance(self.have, Have) else self


def wish_of(viewer: Viewer, view: str, arguments: Mapping[str, Any], have: Mapping[str, Any]) -> Wish:
    """Read what a browser asks to follow. Raises Refused. `check` of what is returned raises NotFound (in a thread)."""
    makers = {
        "execution": _execution,
        "executions": _executions,
        "now": _now,
        "services": _services,
        "service": _service,
    }
    maker = makers.get(view)
    if maker is None:
        raise Refused("there is no such view")
    try:
        return maker(viewer.team_id, arguments, have)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused("the view's arguments cannot be read") from error


def _have(have: Mapping[str, Any]) -> Have:
    return Have(version=str(have.get("version", ""))[:64], seq=int(have.get("seq", -1)))


def _execution(team_id: int, arguments: Mapping[str, Any], have: Mapping[str, Any]) -> Wish:
    execution_id = str(UUID(arguments["id"]))
    begin, chosen = int(arguments.get("from", 0)), str(arguments.get("step", ""))[:PATH_LENGTH]
    key = ("execution", team_id, execution_id, begin, chosen)

    def read() -> Reading:
        page = reading.read_execution(team_id=team_id, execution_id=execution_id, begin=begin, chosen=chosen)
        watched = frozenset([execution_id, *(child.id for child in page.children if child.status not in ENDED)])
        return Reading(execution_parts(page), page.seq, watched, _overflows_after(page.table.axis))

    def check() -> None:
        if not queries.list_executions(team_id=team_id, ids=[execution_id], limit=1).items:
            raise NotFound("there is no such execution")

    interval = settings.PODIUM.feed_interval_ms / 1000
    return Wish(key, lambda: PageTopic(key, team_id=team_id, interval=interval, read=read), _have(have), check)


def _overflows_after(axis: Axis | None) -> float | None:
    """Return in how many seconds the timeline no longer fits its scale."""
    if axis is None or not axis.live:
        return None
    return max(0.5, (axis.start + axis.length - clock.now_us()) / SECOND)


def _executions(team_id: int, arguments: Mapping[str, Any], have: Mapping[str, Any]) -> Wish:
    key = ("executions", team_id)
    rows = {str(UUID(each)): int(seq) for each, seq in list(have.get("rows", {}).items())[:IDS]}
    known = RowsHave(
        chosen=ExecutionFilter.from_text(str(arguments.get("query", ""))),
        rows=rows,
        oldest=int(arguments.get("oldest", 0)),
        strip=bool(arguments.get("strip", False)),
    )
    return Wish(key, lambda: RowsTopic(key, team_id=team_id), known)


def _now(team_id: int, arguments: Mapping[str, Any], have: Mapping[str, Any]) -> Wish:
    key = ("now", team_id)

    def read() -> Reading:
        return Reading(now_parts(reading.read_now(team_id=team_id)))

    return Wish(key, lambda: PageTopic(key, team_id=team_id, interval=CALM_SECONDS, read=read), _have(have))


def _services(team_id: int, arguments: Mapping[str, Any], have: Mapping[str, Any]) -> Wish:
    key = ("services", team_id)

    def read() -> Reading:
        return Reading(services_parts(reading.read_services(team_id=team_id)), again_after=SERVICES_SECONDS)

    return Wish(key, lambda: _topic_of_services(key, team_id, None, read), _have(have))


def _service(team_id: int, arguments: Mapping[str, Any], have: Mapping[str, Any]) -> Wish:
    name = str(arguments["name"])[:NAME_LENGTH]
    key = ("service", team_id, name)

    def read() -> Reading:
        return Reading(service_parts(reading.read_service(team_id=team_id, name=name)), again_after=SERVICES_SECONDS)

    def check() -> None:
        registry.get_service(team_id=team_id, name=name)

    return Wish(key, lambda: _topic_of_services(key, team_id, name, read), _have(have), check)


def _topic_of_services(key: tuple[Any, ...], team_id: int, name: str | None, read: Callable[[], Reading]) -> Topic:
    return ServicesTopic(key, team_id=team_id, name=name, interval=SERVICES_LEAST_SECONDS, read=read)

"""What is known of services and their instances, and of what changed. Another team's are not there."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db.models import Q

from orchestration import clock
from orchestration.domain.balancing import usable
from orchestration.domain.calling.circuit import CLOSED, OPEN
from orchestration.domain.calling.policy import policy_document
from orchestration.domain.errors import NotFound, OrchestrationError
from orchestration.domain.health import UNHEALTHY
from orchestration.domain.lifecycle import ACTIVE

from .addresses import Address
from .filters import matching
from .models import CallingState, HealthChange, Instance, RegistryDuty, RegistryIndex, Service, ServiceEvent
from .policies import policy_of

LISTED = 1000
EVENTS_AT_ONCE = 1_000
HISTORY = 200


@dataclass(frozen=True, slots=True)
class InstanceView:
    """An instance as people and programs see it. `address` is its host (of a `python` one the module)."""

    id: str
    service: str
    protocol: str
    address: str
    port: int
    path: str
    url: str
    version: str
    tags: tuple[str, ...]
    metadata: dict[str, Any]
    dependencies: tuple[str, ...]
    locality: str
    ttl: float | None
    health_path: str
    status: str
    health: str
    health_detail: str
    health_changed_at: datetime | None
    probed_at: datetime | None
    registered_at: datetime
    registered_by: str
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class CircuitView:
    """The circuit of a service, as all workers hold it: `closed`, `open` (until then) or `half-open` (one call tries).

    `held_until` is until when the service itself asked to be left alone (`Retry-After`), None if it did not.
    """

    state: str = CLOSED
    until: datetime | None = None
    held_until: datetime | None = None


NO_TROUBLE = CircuitView()


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A service with its policy, every default in it, and its instances; `usable` of them may be called now."""

    name: str
    created_at: datetime
    instances: tuple[InstanceView, ...]
    usable: int
    policy: dict[str, Any]
    policy_version: int
    circuit: CircuitView = NO_TROUBLE


@dataclass(frozen=True, slots=True)
class InstancePage:
    """A page of instances; `cursor` leads to the next one. `index` is how far events had come when it was read."""

    items: tuple[InstanceView, ...]
    next_cursor: str | None
    index: int


@dataclass(frozen=True, slots=True)
class EventView:
    """Something that changed in the registry."""

    index: int
    type: str
    service: str
    instance_id: str | None
    at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in their order; whoever asks on with `index` misses none."""

    items: tuple[EventView, ...]
    index: int


@dataclass(frozen=True, slots=True)
class HealthMark:
    """From `at` on the instance's health was this."""

    at: datetime
    health: str
    detail: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """A duty of the registry (`expiry`, `probes`) that does not trust what it sees, since when and why.

    `of_team`: of this team alone; others are judged as ever.
    """

    duty: str
    since: datetime
    detail: str
    of_team: bool = False


class IndexGone(OrchestrationError):
    """Events after this index cannot be told any more: read everything anew, and follow from the index read there."""

    code = "index_gone"


def list_services(*, team_id: int, name: str | None = None, limit: int = LISTED) -> tuple[ServiceView, ...]:
    """Return the team's services by name with their instances: at most `limit` services, or the one named `name`."""
    services = Service.objects.filter(team_id=team_id).order_by("name")
    if name is not None:
        services = services.filter(name=name)
    rows = list(services[: max(0, min(limit, LISTED))])
    found = Instance.objects.select_related("service").filter(service__in=[row.pk for row in rows])
    ordered = found.order_by("service_id", "registered_at", "id")
    by_service = {
        key: tuple(map(instance_view, group)) for key, group in groupby(ordered, lambda each: each.service_id)
    }
    circuits = _circuits([row.pk for row in rows])
    return tuple(_service_view(row, by_service.get(row.pk, ()), circuits.get(row.pk, NO_TROUBLE)) for row in rows)


def get_service(*, team_id: int, name: str) -> ServiceView:
    """Return the team's service of this name with its instances. Raises NotFound."""
    found = list_services(team_id=team_id, name=name)
    if not found:
        raise NotFound(f"there is no service {name[:80]!r}")
    return found[0]


def instances_of(*, team_id: int, name: str) -> tuple[InstanceView, ...]:
    """Return the instances of the team's service, in the order in which they registered. Raises NotFound."""
    return get_service(team_id=team_id, name=name).instances


def callable_services(keys: Iterable[tuple[int, str]]) -> set[tuple[int, str]]:
    """Return those of the services, each its team's id and its name, of which an instance may be called."""
    wanted = set(keys)
    rows = Instance.objects.filter(
        service__team_id__in={team for team, _ in wanted}, service__name__in={name for _, name in wanted}
    )
    # What `usable` says, in words of the database's: a service may have thousands of instances.
    fit = rows.filter(status=ACTIVE).exclude(health=UNHEALTHY).order_by()
    return wanted & set(fit.values_list("service__team_id", "service__name").distinct())


def get_instance(*, team_id: int, instance_id: str) -> InstanceView:
    """Return one of the team's instances. Raises NotFound."""
    return instance_view(instance_row(team_id=team_id, instance_id=instance_id))


def list_instances(
    *,
    team_id: int,
    name: str | None = None,
    version: str | None = None,
    tags: Iterable[str] = (),
    status: Iterable[str] = (),
    health: Iterable[str] = (),
    metadata: Iterable[tuple[str, str]] = (),
    cursor: str | None = None,
    limit: int = LISTED,
) -> InstancePage:
    """Return the team's instances by the names of their services, then as they registered: those that fit everything.

    An instance fits that has all of `tags` and, as text, all of `metadata`, and one of each of `status` and `health`.
    """
    index = latest_index()
    rows = Instance.objects.select_related("service").filter(service__team_id=team_id)
    rows = matching(rows, name=name, version=version, tags=tags, status=status, health=health, metadata=metadata)
    if cursor is not None:
        rows = rows.filter(_after(cursor))
    found = list(rows.order_by("service__name", "registered_at", "id")[: limit + 1])
    following = _cursor_of(found[limit - 1]) if len(found) > limit else None
    return InstancePage(tuple(map(instance_view, found[:limit])), following, index)


def events_after(*, team_id: int, index: int, name: str | None = None, limit: int = EVENTS_AT_ONCE) -> EventPage:
    """Return the team's events after `index`, at most `limit`; with `name` those of one service. Raises IndexGone."""
    # Read before the events: what comes in between is told the next time.
    latest, dropped = _reach()
    check_index(index, latest=latest, dropped=dropped)
    rows = ServiceEvent.objects.filter(team_id=team_id, index__gt=index, index__lte=latest)
    if name is not None:
        rows = rows.filter(service=name)
    items = tuple(map(event_view, rows.order_by("index")[:limit]))
    return EventPage(items, items[-1].index if len(items) == limit else latest)


def events_of_all(*, index: int, limit: int = EVENTS_AT_ONCE) -> tuple[tuple[tuple[int, EventView], ...], int]:
    """Return every team's events after `index`, each with its team, and how far that reaches. For watching.py alone."""
    latest, _ = _reach()
    rows = ServiceEvent.objects.filter(index__gt=index, index__lte=latest).order_by("index")[:limit]
    items = tuple((row.team_id, event_view(row)) for row in rows)
    return items, items[-1][1].index if len(items) == limit else latest


def latest_index() -> int:
    """Return the number of the last event that there is, of whatever team; 0 if there was none. One row is read."""
    return _reach()[0]


def check_index(index: int, *, latest: int, dropped: int) -> None:
    """Raise IndexGone where events after `index` are not kept any more, or where it was never reached here."""
    if dropped <= index <= latest:
        return
    why = (
        f"events up to {dropped} are not kept any more"
        if index < dropped
        else f"the registry has only come to {latest}"
    )
    message = f"index {index} cannot be followed: {why}; read the services anew and follow from the index given there"
    raise IndexGone(message, index=index, latest=latest, oldest=dropped)


def health_history(*, team_id: int, instance_id: str, limit: int = HISTORY) -> tuple[HealthMark, ...]:
    """Return the latest changes of the instance's health, the oldest first. Raises NotFound."""
    row = instance_row(team_id=team_id, instance_id=instance_id)
    return health_marks(row, limit=limit)


def health_marks(row: Instance, *, limit: int = HISTORY) -> tuple[HealthMark, ...]:
    """Return the latest changes of the row's health, the oldest first."""
    found = HealthChange.objects.filter(instance_id=row.pk).order_by("-at", "-id")[:limit]
    return tuple(HealthMark(each.at, each.health, each.detail) for each in reversed(found))


def health_histories(*, team_id: int, name: str, since: datetime) -> dict[str, tuple[HealthMark, ...]]:
    """Return the changes of health of a service's instances by their ids: those after `since`, and the one before."""
    rows = HealthChange.objects.filter(instance__service__team_id=team_id, instance__service__name=name)
    found: dict[str, list[HealthMark]] = {}
    for each in rows.order_by("-at", "-id")[: HISTORY * 50]:
        marks = found.setdefault(str(each.instance_id), [])
        if not marks or marks[-1].at >= since:
            marks.append(HealthMark(each.at, each.health, each.detail))
    return {key: tuple(reversed(marks)) for key, marks in found.items()}


def doubts(*, team_id: int | None = None) -> tuple[Doubt, ...]:
    """Return what the registry does not trust of what it sees just now: for a team, or (None) for who runs the site."""
    rows = RegistryDuty.objects.filter(distrusted_since__isnull=False).order_by("name")
    if team_id is not None:
        rows = rows.filter(Q(team__isnull=True) | Q(team_id=team_id))
    return tuple(
        Doubt(row.name.partition(":")[0], row.distrusted_since, row.detail, row.team_id is not None)
        for row in rows
        if row.distrusted_since
    )


def instance_row(*, team_id: int, instance_id: str, lock: bool = False) -> Instance:
    """Return the row of one of the team's instances, for this package's own writes. Raises NotFound."""
    row = None
    if _is_canonical(instance_id):
        rows = Instance.objects.select_related("service").filter(pk=instance_id, service__team_id=team_id)
        row = (rows.select_for_update(of=("self",)) if lock else rows).first()
    if row is None:
        raise NotFound("there is no such instance")
    return row


def instance_view(row: Instance) -> InstanceView:
    """Return the row, fetched with its service, as it is shown."""
    return InstanceView(
        id=str(row.pk),
        service=row.service.name,
        protocol=row.protocol,
        address=row.host,
        port=row.port,
        path=row.path,
        url=address_of(row).url,
        version=row.version,
        tags=tuple(row.tags),
        metadata=dict(row.metadata),
        dependencies=tuple(row.dependencies),
        locality=row.locality,
        ttl=row.ttl,
        health_path=row.health_path,
        status=row.status,
        health=row.health,
        health_detail=row.health_detail,
        health_changed_at=row.health_changed_at,
        probed_at=row.probed_at,
        registered_at=row.registered_at,
        registered_by=row.registered_by,
        last_seen_at=row.last_seen_at,
    )


def address_of(row: Instance) -> Address:
    """Return the row's address."""
    return Address(row.protocol, row.host, row.port, row.path)


def _circuits(services: list[int]) -> dict[int, CircuitView]:
    """Return the circuits of the services, by their row's id, that anything was ever said of."""
    now = clock.now_us()

    def ahead(instant: int) -> datetime | None:
        return clock.to_datetime(instant) if instant > now else None

    return {
        row.service_id: CircuitView(row.state, ahead(row.until) if row.state == OPEN else None, ahead(row.held_until))
        for row in CallingState.objects.filter(service_id__in=services)
    }


def _service_view(row: Service, instances: tuple[InstanceView, ...], circuit: CircuitView) -> ServiceView:
    return ServiceView(
        name=row.name,
        created_at=row.created_at,
        instances=instances,
        usable=len(usable(instances)),
        policy=policy_document(policy_of(row.policy)),
        policy_version=row.policy_version,
        circuit=circuit,
    )


def event_view(row: ServiceEvent) -> EventView:
    """Return the row as it is shown."""
    instance = None if row.instance_id is None else str(row.instance_id)
    return EventView(row.index, row.type, row.service, instance, row.at, dict(row.data))


def _reach() -> tuple[int, int]:
    """Return the number of the last event, and of the last one that is not kept any more."""
    return RegistryIndex.objects.values_list("latest", "dropped").first() or (0, 0)


def _cursor_of(row: Instance) -> str:
    return f"{clock.to_us(row.registered_at)}.{row.pk}.{row.service.name}"


def _after(cursor: str) -> Q:
    """Return what comes after the instance of this cursor in a list. Raises ValueError for what is no cursor."""
    registered, instance, name = cursor.split(".", 2)
    at = clock.to_datetime(int(registered))
    later = Q(registered_at__gt=at) | Q(registered_at=at, pk__gt=uuid.UUID(instance))
    return Q(service__name__gt=name) | (Q(service__name=name) & later)


def _is_canonical(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False

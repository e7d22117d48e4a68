"""Services and their instances with health."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.presenters.emptiness import Emptiness
from dashboard.words.states import Look, look
from dashboard.words.values import short
from orchestration.domain.calling.circuit import OPEN
from orchestration.domain.health import stretches
from orchestration.domain.instants import from_datetime
from orchestration.registry.queries import CircuitView, Doubt, HealthMark, InstanceView, ServiceView

DRAWN = timedelta(days=1)
STRIP_WIDTH = 240


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One instance."""

    anchor: str
    url: str
    version: str
    status: Look
    health: Look
    detail: str
    since: datetime | None
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service: whether it can be called, in a word, and its instances."""

    anchor: str
    name: str
    look: Look
    usable: str
    instances: tuple[InstanceRow, ...]


@dataclass(frozen=True, slots=True)
class ServiceList:
    """The page of services."""

    rows: tuple[ServiceRow, ...]
    empty: Emptiness
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a strip: where it begins and how wide it is, in its own units, and the health in it."""

    x: str
    width: str
    state: str


@dataclass(frozen=True, slots=True)
class InstanceHistory:
    """An instance with its health over the last day, drawn as bars and said in words."""

    row: InstanceRow
    tags: str
    bars: tuple[Bar, ...]
    said: str
    width: int = STRIP_WIDTH


@dataclass(frozen=True, slots=True)
class ServiceHead:
    """What stands above everything else on the page of a service."""

    name: str
    look: Look
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ServicePage:
    """The page of one service."""

    head: ServiceHead
    instances: tuple[InstanceHistory, ...]
    policy: str
    doubts: tuple[Doubt, ...]
    empty: Emptiness


def service_page(
    service: ServiceView, histories: Mapping[str, Sequence[HealthMark]], doubts: Sequence[Doubt], *, now: datetime
) -> ServicePage:
    """Return the page of a service; `histories` are the changes of its instances' health by their ids."""
    row = service_row(service)
    return ServicePage(
        head=ServiceHead(
            name=service.name,
            look=row.look,
            facts=(
                ("Instances", row.usable),
                ("Circuit", _circuit(service.circuit)),
                ("Policy", f"version {service.policy_version}"),
            ),
        ),
        instances=tuple(_with_history(each, histories.get(each.id, ()), now) for each in service.instances),
        policy=json.dumps(service.policy, indent=2, ensure_ascii=False),
        doubts=tuple(doubts),
        empty=Emptiness(
            "No instance", "Nobody has registered an address for this service, so calls of it wait until somebody does."
        ),
    )


def _circuit(circuit: CircuitView) -> str:
    if circuit.state == OPEN:
        return f"open until {circuit.until:%H:%M:%S} UTC" if circuit.until else "open, one call is due to try"
    if circuit.held_until is not None:
        return f"closed; it asked to be left alone until {circuit.held_until:%H:%M:%S} UTC"
    return circuit.state


def _with_history(instance: InstanceView, marks: Sequence[HealthMark], now: datetime) -> InstanceHistory:
    begin = max(instance.registered_at, now - DRAWN)
    changes = [(from_datetime(each.at), each.health) for each in marks]
    drawn = stretches(changes, begin=from_datetime(begin), end=from_datetime(now))
    bars = tuple(
        # Whole units: a strip that is read anew every few seconds is sent only when something moved on it.
        Bar(str(round(each.begins * STRIP_WIDTH)), str(max(round(each.length * STRIP_WIDTH), 1)), each.state)
        for each in drawn
    )
    parts = ", ".join(f"{each.state} {each.length:.0%}" for each in drawn[-5:])
    said = f"Health since {begin:%Y-%m-%d %H:%M} UTC: {parts or instance.health}"
    return InstanceHistory(_instance_row(instance), ", ".join(instance.tags), bars, said)


def service_list(services: Sequence[ServiceView], doubts: Sequence[Doubt] = ()) -> ServiceList:
    """Return the page of services."""
    empty = Emptiness(
        "No services yet",
        "Steps call services. Register an address of one with POST /api/v1/services, and it stands here with its "
        "health.",
    )
    return ServiceList(tuple(service_row(each) for each in services), empty, tuple(doubts))


def service_row(service: ServiceView) -> ServiceRow:
    """Return a service with its instances as it is shown."""
    total = len(service.instances)
    return ServiceRow(
        anchor=f"service-{service.name}",
        name=service.name,
        look=_standing(service.usable, service.instances),
        usable=f"{service.usable} of {total} can be called" if total else "no instance is registered",
        instances=tuple(_instance_row(each) for each in service.instances),
    )


def _standing(usable: int, instances: Sequence[InstanceView]) -> Look:
    if not instances or not usable:
        return Look("failed", "Unavailable", "bad")
    if usable < len(instances):
        return Look("retrying", "Degraded", "attention")
    return Look("completed", "Available", "good")


def _instance_row(instance: InstanceView) -> InstanceRow:
    return InstanceRow(
        anchor=f"instance-{instance.id}",
        url=instance.url,
        version=instance.version,
        status=look(instance.status),
        health=look(instance.health),
        detail=short(instance.health_detail),
        since=instance.health_changed_at,
        seen_at=instance.last_seen_at,
    )

"""What is done to the registry: instances come, say that they live, drain and go; a service's policy changes.

Registering is idempotent by (service, host, port, path): the same address again is the same instance, with its id and
what is known of its health, so that a service that registers at every start does not flap, and one that says nothing
new leaves no event. Whatever changes something that others see appends its events in the same transaction (events.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction

from orchestration import clock
from orchestration.domain.calling.policy import parse_policy
from orchestration.domain.documents import merged
from orchestration.domain.errors import Conflict, IllegalTransition, LimitExceeded, NotFound, Refused
from orchestration.domain.lifecycle import DRAINING, INACTIVE, INSTANCE

from . import events, probe_times
from .models import Instance, Service
from .queries import InstanceView, ServiceView, get_service, instance_row, instance_view
from .registrations import HEALTH_PATH, Registration, RegistrationInvalid, read_changes, read_registration

__all__ = [
    "PolicyChanged",
    "RegistrationInvalid",
    "deregister",
    "drain",
    "heartbeat",
    "register",
    "update",
    "update_policy",
]


class PolicyChanged(Conflict):
    """The policy is not of the version that a change was made from; nothing was changed."""

    code = "policy_changed"


log = structlog.get_logger(__name__)


def register(
    *,
    team_id: int,
    name: str,
    address: str,
    port: int | None = None,
    protocol: str | None = None,
    version: str = "",
    tags: Sequence[str] = (),
    metadata: dict[str, Any] | None = None,
    dependencies: Sequence[str] = (),
    locality: str = "",
    health_path: str | None = None,
    ttl: str | float | None = None,
    by: str = "",
) -> InstanceView:
    """Register an instance of the service `name`, which is made if it is new, or renew one that is registered.

    `address` is a URL, a host or `python:module`; `health_path` is asked for the instance's health (default `/health`,
    empty: never); `ttl` is how long it may send no heartbeat (a duration; None: it sends none). Raises
    RegistrationInvalid with every problem, LimitExceeded when the team has too many instances.
    """
    details = {
        "version": version,
        "tags": tags,
        "metadata": {} if metadata is None else metadata,
        "dependencies": dependencies,
        "locality": locality,
        "health_path": HEALTH_PATH if health_path is None else health_path,
        "ttl": ttl,
    }
    wanted = read_registration(name=name, address=address, port=port, protocol=protocol, details=details)
    now = clock.now()
    with transaction.atomic():
        row, change = _store(team_id, wanted, by=by, now=now)
        if change is not None:
            events.append([change], now=now)
    log.info("instance registered", service=name, instance=str(row.pk), created=row.registered_at == now, by=by)
    return instance_view(row)


def update(*, team_id: int, instance_id: str, changes: Mapping[str, Any], by: str = "") -> InstanceView:
    """Change what an instance says of itself: `version`, `tags`, `metadata`, `dependencies`, `locality`, `ttl`,
    `health_path`; what is not named stays. Raises RegistrationInvalid, NotFound.
    """
    fields = read_changes(changes)
    now = clock.now()
    with transaction.atomic():
        row = instance_row(team_id=team_id, instance_id=instance_id, lock=True)
        changed = _changed(row, fields)
        if "health_path" in changed:
            fields["probe_at"] = now if fields["health_path"] else None
        if changed:
            _write(row, fields)
            events.append([events.change_of(row, events.UPDATED, changed=changed)], now=now)
    log.info("instance updated", service=row.service.name, instance=instance_id, changed=changed, by=by)
    return instance_view(row)


def heartbeat(*, team_id: int, instance_id: str) -> InstanceView:
    """Write down that the instance lives; one that had fallen silent is active again. Raises NotFound."""
    return instance_view(heartbeat_row(team_id=team_id, instance_id=instance_id))


def heartbeat_row(*, team_id: int, instance_id: str) -> Instance:
    """Do as `heartbeat` and return the row with its service, for heartbeats.py."""
    now = clock.now()
    with transaction.atomic():
        row = instance_row(team_id=team_id, instance_id=instance_id, lock=True)
        fresh: dict[str, Any] = {"last_seen_at": max(now, row.last_seen_at)}
        back = row.status == INACTIVE
        if back:
            fresh |= {"status": INSTANCE.next_state(instance_id, row.status, "heartbeat"), "inactive_at": None}
        _write(row, fresh)
        if back:
            events.append([events.change_of(row, events.UPDATED, changed=["status"])], now=now)
    return row


def drain(*, team_id: int, instance_id: str, by: str = "") -> InstanceView:
    """Give the instance nothing new; what runs there may end. Registering it again ends the draining.

    One that is draining already stays so. Raises NotFound, and Refused for one that is inactive.
    """
    now = clock.now()
    with transaction.atomic():
        row = instance_row(team_id=team_id, instance_id=instance_id, lock=True)
        if row.status == DRAINING:
            return instance_view(row)
        _write(row, {"status": _next_status(row, "drained")})
        events.append([events.change_of(row, events.UPDATED, changed=["status"])], now=now)
    log.info("instance draining", instance=instance_id, by=by)
    return instance_view(row)


def deregister(*, team_id: int, instance_id: str, by: str = "") -> InstanceView:
    """Take the instance out of the registry and return what it was. Its service stays known. Raises NotFound."""
    now = clock.now()
    with transaction.atomic():
        row = instance_row(team_id=team_id, instance_id=instance_id, lock=True)
        _next_status(row, "deregistered")
        seen = instance_view(row)
        change = events.change_of(row, events.DEREGISTERED, reason="asked")
        Instance.objects.filter(pk=row.pk).delete()
        events.append([change], now=now)
    log.info("instance deregistered", service=seen.service, instance=instance_id, by=by)
    return seen


def _next_status(row: Instance, event: str) -> str:
    """Return the status that `event` leads to. Raises Refused, saying what would be allowed."""
    try:
        return INSTANCE.next_state(str(row.pk), row.status, event)
    except IllegalTransition as error:
        allowed = error.details["allowed"]
        raise Refused(
            f"the instance is {row.status}, it cannot be {event}", state=row.status, allowed=allowed
        ) from None


def update_policy(
    *, team_id: int, name: str, changes: Mapping[str, Any], version: int | None = None, by: str = ""
) -> ServiceView:
    """Lay `changes` over the policy of a service (null takes a key back to its default) and return the service.

    With `version` only if the policy still is of that version. Raises NotFound, PolicyInvalid with every problem, and
    PolicyChanged.
    """
    now = clock.now()
    with transaction.atomic():
        row = Service.objects.select_for_update().filter(team_id=team_id, name=name).first()
        if row is None:
            raise NotFound(f"there is no service {name[:80]!r}")
        if version is not None and version != row.policy_version:
            raise PolicyChanged(f"the policy is at version {row.policy_version}, not {version}: read it anew")
        policy = merged(row.policy, changes)
        parse_policy(policy, "policy")
        changed = policy != row.policy
        if changed:
            row.policy, row.policy_version = policy, row.policy_version + 1
            row.save(update_fields=["policy", "policy_version"])
            told = events.Change(events.UPDATED, team_id, name, data={"policy_version": row.policy_version})
            events.append([told], now=now)
    if changed and changes.get("probe", {}) != {}:
        probe_times.pull_forward(Instance.objects.filter(service_id=row.pk), now=now)
    log.info("policy updated", service=name, version=row.policy_version, changed=changed, by=by)
    return get_service(team_id=team_id, name=name)


def _store(team_id: int, wanted: Registration, *, by: str, now: datetime) -> tuple[Instance, events.Change | None]:
    """Write the registration; return the instance and what others are to be told, None if that is nothing."""
    service, _ = Service.objects.get_or_create(team_id=team_id, name=wanted.name, defaults={"created_at": now})
    place = {"service": service, "host": wanted.address.host, "port": wanted.address.port, "path": wanted.address.path}
    seen = Instance.objects.select_for_update().filter(**place).first()
    if seen is None:
        _check_room(team_id)
        first = {"status": INSTANCE.first, "registered_at": now, "registered_by": by[:150]}
        row, created = Instance.objects.get_or_create(**place, defaults=first | _fresh(None, wanted, now=now))
        row.service = service
        if created:
            return row, events.change_of(row, events.REGISTERED)
        seen = row
    seen.service = service
    fresh = _fresh(seen, wanted, now=now)
    changed = _changed(seen, {**wanted.fields, "protocol": fresh["protocol"], "status": fresh["status"]})
    _write(seen, fresh)
    return seen, events.change_of(seen, events.UPDATED, changed=changed) if changed else None


def _fresh(seen: Instance | None, wanted: Registration, *, now: datetime) -> dict[str, Any]:
    fresh = {**wanted.fields, "protocol": wanted.address.protocol, "last_seen_at": now, "inactive_at": None}
    if seen is not None:
        fresh["status"] = INSTANCE.next_state(str(seen.pk), seen.status, "registered")
    if seen is None or (seen.protocol, seen.health_path) != (fresh["protocol"], fresh["health_path"]):
        fresh["probe_at"] = now if fresh["health_path"] else None
    return fresh


def _check_room(team_id: int) -> None:
    allowed = settings.PODIUM.instances_per_team
    if Instance.objects.filter(service__team_id=team_id).count() >= allowed:
        raise LimitExceeded(f"a team has at most {allowed} instances", limit="instances_per_team", allowed=allowed)


def _changed(row: Instance, fields: Mapping[str, Any]) -> list[str]:
    """Return the names of the fields that are not as they were."""
    return sorted(name for name, value in fields.items() if getattr(row, name) != value)


def _write(row: Instance, fields: Mapping[str, Any]) -> None:
    """Write some columns of a row, and no others: what others write meanwhile stays."""
    for name, value in fields.items():
        setattr(row, name, value)
    row.save(update_fields=list(fields))

"""Rows of the registry: services by name, and the instances that stand for them."""

from __future__ import annotations

import uuid

from django.db import models

from orchestration.domain.calling.circuit import CLOSED, HALF_OPEN, OPEN
from orchestration.domain.health import HEALTH_STATES, UNKNOWN
from orchestration.domain.lifecycle import ACTIVE, DRAINING, INACTIVE

from .addresses import PROTOCOLS, Address

STATUSES = (ACTIVE, INACTIVE, DRAINING)


class Service(models.Model):
    """A name inside a team. It outlives its instances: a service between two of them is not unknown, only not there."""

    team = models.ForeignKey("orchestration.Team", on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=80)
    created_at = models.DateTimeField()
    policy = models.JSONField(default=dict)
    policy_version = models.PositiveIntegerField(default=1)

    class Meta:
        db_table = "podium_service"
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="service_name_once_per_team")]

    def __str__(self) -> str:
        return self.name


class Instance(models.Model):
    """An address at which a service is reached. Of a `python` one the host is a module and the port 0."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="instances")
    protocol = models.CharField(max_length=8)
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField()
    path = models.CharField(max_length=512, blank=True)
    version = models.CharField(max_length=64, blank=True)
    tags = models.JSONField(default=list)
    metadata = models.JSONField(default=dict)
    dependencies = models.JSONField(default=list)
    locality = models.CharField(max_length=64, blank=True)
    health_path = models.CharField(max_length=256, blank=True)
    status = models.CharField(max_length=16, default=ACTIVE)
    registered_at = models.DateTimeField()
    registered_by = models.CharField(max_length=150, blank=True)
    last_seen_at = models.DateTimeField()
    # How long it may be silent, in seconds; NULL: it sends no heartbeats, and only probes judge it.
    ttl = models.FloatField(null=True)
    inactive_at = models.DateTimeField(null=True)

    health = models.CharField(max_length=16, default=UNKNOWN)
    health_row = models.SmallIntegerField(default=0)
    health_detail = models.CharField(max_length=64, blank=True)
    health_changed_at = models.DateTimeField(null=True)
    probed_at = models.DateTimeField(null=True)
    probe_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "podium_instance"
        constraints = [
            models.UniqueConstraint(fields=["service", "host", "port", "path"], name="instance_address_once"),
            models.CheckConstraint(condition=models.Q(protocol__in=PROTOCOLS), name="instance_protocol_known"),
            models.CheckConstraint(condition=models.Q(status__in=STATUSES), name="instance_status_known"),
            models.CheckConstraint(condition=models.Q(health__in=HEALTH_STATES), name="instance_health_known"),
        ]
        indexes = [
            # Read by probes.py, every second: those that are due.
            models.Index(fields=["probe_at"], name="instance_probe_due", condition=models.Q(probe_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return Address(self.protocol, self.host, self.port, self.path).url


class RegistryIndex(models.Model):
    """The one row that numbers events: `latest` is the last number given, `dropped` the last that is not kept any more.

    Whoever appends an event raises `latest` in the same transaction and holds the row until it commits, so that events
    become visible in the order of their numbers: a reader that has seen one has seen all before it.
    """

    id = models.PositiveSmallIntegerField(primary_key=True)
    latest = models.BigIntegerField(default=0)
    dropped = models.BigIntegerField(default=0)

    class Meta:
        db_table = "podium_registry_index"


class ServiceEvent(models.Model):
    """Something that changed in the registry. Kept for those who follow it; the latest `registry_events_kept`."""

    index = models.BigIntegerField(primary_key=True)
    team = models.ForeignKey("orchestration.Team", on_delete=models.CASCADE, related_name="+", db_index=False)
    type = models.CharField(max_length=32)
    service = models.CharField(max_length=80)
    instance_id = models.UUIDField(null=True)
    at = models.DateTimeField()
    data = models.JSONField(default=dict)

    class Meta:
        db_table = "podium_service_event"
        indexes = [models.Index(fields=["team", "index"], name="service_event_of_team")]


class HealthChange(models.Model):
    """A change of an instance's health, so that its past can be drawn. What does not change leaves no row."""

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="health_changes", db_index=False)
    at = models.DateTimeField()
    health = models.CharField(max_length=16)
    detail = models.CharField(max_length=64, blank=True)

    class Meta:
        db_table = "podium_health_change"
        indexes = [models.Index(fields=["instance", "at"], name="health_change_of_instance")]
        constraints = [
            models.CheckConstraint(condition=models.Q(health__in=HEALTH_STATES), name="health_change_known"),
        ]


class RegistryDuty(models.Model):
    """What a background duty of the registry (`expiry`, `probes`) knows of itself, for all processes to see.

    A duty may have a row of its own for a team too (`expiry:7`), for what it knows of that team alone.
    `since` is when it began to look without a pause that was too long; `distrusted_since` is set while so much looks
    wrong at once that the fault is more likely the platform's own, with the reason in `detail`.
    """

    name = models.CharField(max_length=32, primary_key=True)
    team = models.ForeignKey("orchestration.Team", on_delete=models.CASCADE, null=True, related_name="+")
    since = models.DateTimeField()
    looked_at = models.DateTimeField()
    distrusted_since = models.DateTimeField(null=True)
    detail = models.CharField(max_length=200, blank=True)

    class Meta:
        db_table = "podium_registry_duty"


class CallingState(models.Model):
    """What all processes hold of how a service may be called; there is a row only once there is something to hold.

    The circuit is a `Verdict` (domain/calling/circuit.py) and changes only to one with a higher `number`; `held_until`
    is until when the service asked to be left alone, `due_at` when the bucket of its rate is full again. Instants are
    microseconds. Whoever divides a limit holds this row meanwhile.
    """

    service = models.OneToOneField(Service, on_delete=models.CASCADE, primary_key=True, related_name="+")
    number = models.BigIntegerField(default=0)
    state = models.CharField(max_length=16, default=CLOSED)
    until = models.BigIntegerField(default=0)
    openings = models.IntegerField(default=0)
    trial_until = models.BigIntegerField(default=0)
    recovered_at = models.BigIntegerField(default=0)
    held_until = models.BigIntegerField(default=0)
    due_at = models.BigIntegerField(default=0)

    class Meta:
        db_table = "podium_calling_state"
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=(CLOSED, OPEN, HALF_OPEN)), name="calling_state_known"),
        ]


class PlaceLease(models.Model):
    """Places of a service's concurrency limit that one process holds until `until` (microseconds, database's clock)."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="+", db_index=False)
    holder = models.CharField(max_length=32)
    places = models.IntegerField()
    wanted = models.IntegerField()
    until = models.BigIntegerField()

    class Meta:
        db_table = "podium_place_lease"
        constraints = [models.UniqueConstraint(fields=["service", "holder"], name="place_lease_once_per_holder")]

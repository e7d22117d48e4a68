"""The lab's rows: scenarios that a team keeps, runs of them, and the batches of replications that a run consists of.

A run has its own copy of the scenario: what is changed or deleted later does not touch it. A batch is what one worker
does in one go; it is held by a lease with an epoch, as executions are.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from .states import ACTIVE, FINISHED, HELD, QUEUED, STATES, WAITING

NAME_LENGTH = 120


class SavedScenario(models.Model):
    """A scenario of a team: its text as it was written. `link` is the key of the link under which it is shared."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey("orchestration.Team", on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=NAME_LENGTH)
    text = models.TextField()
    version = models.PositiveIntegerField(default=1)
    link = models.CharField(max_length=43, null=True, unique=True)  # noqa: DJ001 - null: it is not shared
    created_at = models.DateTimeField()
    created_by = models.TextField()
    updated_at = models.DateTimeField()
    updated_by = models.TextField()

    class Meta:
        db_table = "podium_simulation_scenario"
        # list_scenarios, the last changed first.
        indexes = [models.Index(fields=["team", "-updated_at", "-id"], name="simulation_scenario_list")]

    def __str__(self) -> str:
        return self.name


class SimulationRun(models.Model):
    """One simulation. `result` is JSON and grows while it runs; it holds what `told` finished batches came to.

    `problems` (JSON) say why it failed. `factors` (JSON) are the multiples of the load at which the curve is drawn;
    null: that is not known yet, an empty list: no curve is to be drawn.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey("orchestration.Team", on_delete=models.CASCADE, related_name="+")
    scenario = models.ForeignKey(SavedScenario, on_delete=models.SET_NULL, null=True, related_name="+")
    name = models.CharField(max_length=NAME_LENGTH)
    text = models.TextField()
    seed = models.BigIntegerField()
    state = models.CharField(max_length=10, default=QUEUED)
    batches = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    told = models.PositiveIntegerField(default=0)
    factors = models.TextField(null=True)  # noqa: DJ001 - null: not known yet
    # JSON, as scenario files write experiments; null: the scenario is compared with its variants.
    experiment = models.TextField(null=True)  # noqa: DJ001 - null: none is asked
    result = models.TextField(null=True)  # noqa: DJ001 - null: none yet
    # The worst word of the promises of the scenario as it is written; empty: none is told yet.
    verdict = models.CharField(max_length=20, default="")
    problems = models.TextField(default="[]")
    note = models.TextField(default="")
    created_at = models.DateTimeField()
    created_by = models.TextField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.TextField(default="")

    class Meta:
        db_table = "podium_simulation_run"
        indexes = [
            # list_runs, the newest first.
            models.Index(fields=["team", "-created_at", "-id"], name="simulation_run_list"),
            # The claim, the pulse, and how many of a team are under way.
            models.Index(fields=["created_at"], name="simulation_run_active", condition=Q(state__in=ACTIVE)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=STATES), name="simulation_run_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=ACTIVE, ended_at__isnull=True)
                | (~Q(state__in=ACTIVE) & Q(ended_at__isnull=False)),
                name="simulation_run_ended_with_an_instant",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.id}"


class TriedSetup(models.Model):
    """A set-up that an experiment tries: a scenario by itself (JSON), and what the experiment calls it."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(SimulationRun, on_delete=models.CASCADE, related_name="+", db_index=False)
    digest = models.CharField(max_length=64)
    name = models.TextField()
    text = models.TextField()

    class Meta:
        db_table = "podium_simulation_setup"
        constraints = [models.UniqueConstraint(fields=["run", "digest"], name="simulation_setup_once")]

    def __str__(self) -> str:
        return self.name


class Batch(models.Model):
    """One replication of all worlds of a group: of all variants, of all points of the curve, or of a set-up (`setup`).

    An experiment has one more batch, in which it is asked with all that is known by then.

    Whoever holds it is `holder` at `epoch`, until `lease_until`. `outcome` is what it came to (packing.py); it is let
    go when the run has ended.
    """

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(SimulationRun, on_delete=models.CASCADE, related_name="+", db_index=False)
    place = models.PositiveIntegerField()
    group = models.CharField(max_length=10)
    replication = models.PositiveIntegerField()
    setup = models.ForeignKey(TriedSetup, on_delete=models.CASCADE, null=True, related_name="+", db_index=False)
    state = models.CharField(max_length=10, default=WAITING)
    holder = models.TextField(default="")
    epoch = models.PositiveIntegerField(default=0)
    # Workers that died over it: one that takes its workers down is not tried for ever.
    deaths = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    outcome = models.BinaryField(null=True)

    class Meta:
        db_table = "podium_simulation_batch"
        constraints = [
            models.UniqueConstraint(fields=["run", "place"], name="simulation_batch_once"),
            models.CheckConstraint(
                condition=Q(state__in=(WAITING, HELD, FINISHED)), name="simulation_batch_state_known"
            ),
        ]
        # The claim and the limit of a host: what is held, wherever.
        indexes = [models.Index(fields=["holder"], name="simulation_batch_held", condition=Q(state=HELD))]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.place}"

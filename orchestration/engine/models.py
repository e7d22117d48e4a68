"""The engine's rows. Instants are whole microseconds (UTC), ids of executions are canonical UUID texts.

Hot rows (journal, step runs, inbox) have no foreign keys: they are written in bulk by the one shift that holds their
execution. Every index names its reader.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from orchestration.domain.lifecycle import EXECUTION

STATES = sorted({EXECUTION.first, *EXECUTION.last, *EXECUTION.table})
AWAKE, ENDED, DEAD = "awake", "ended", "dead"
ID_LENGTH = 36


class Workflow(models.Model):
    """A workflow of a team: its slug, and what its latest revision says of it."""

    team = models.ForeignKey("orchestration.Team", on_delete=models.CASCADE, related_name="+")
    slug = models.CharField(max_length=63)
    latest = models.PositiveIntegerField(default=0)
    name = models.TextField()
    description = models.TextField(default="")
    version = models.TextField(default="")
    step_count = models.PositiveIntegerField(default=0)
    # How many of its executions may run at once; null: the setting. The latest revision's word.
    max_concurrent = models.PositiveIntegerField(null=True)
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "podium_workflow"
        constraints = [models.UniqueConstraint(fields=["team", "slug"], name="workflow_slug_once_a_team")]

    def __str__(self) -> str:
        return self.slug


class Revision(models.Model):
    """One immutable revision of a workflow: the definition as it was saved."""

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    document = models.TextField()
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    created_by = models.TextField(default="")

    class Meta:
        db_table = "podium_revision"
        constraints = [models.UniqueConstraint(fields=["workflow", "number"], name="revision_number_once")]

    def __str__(self) -> str:
        return f"{self.workflow_id}/{self.number}"


class Execution(models.Model):
    """One execution: who may drive it, when it wants to be driven, and its state as of the last change of it.

    `shift_id` is the holder. While nobody holds it, `wake_at` says when it is due (null: not by itself); while it is
    held, `wake_at` is null until somebody puts something into its inbox.
    """

    id = models.CharField(primary_key=True, max_length=ID_LENGTH)
    team = models.ForeignKey("orchestration.Team", on_delete=models.CASCADE, related_name="+", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="+", db_index=False)
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="+", db_index=False)
    status = models.CharField(max_length=20, default=EXECUTION.first)
    priority = models.PositiveSmallIntegerField(default=5)
    # False: its workflow's max_concurrent has not let it in yet.
    admitted = models.BooleanField(default=False)
    epoch = models.BigIntegerField(default=0)
    shift_id = models.BigIntegerField(null=True)
    wake_at = models.BigIntegerField(null=True)
    # Claims since the last progress: more than none while nobody holds it: it is driven alone; too many: quarantined.
    claims = models.PositiveSmallIntegerField(default=0)
    quarantined = models.BooleanField(default=False)
    # Its last holder put it down on purpose: attempts in flight are started again under the same number.
    handed_over = models.BooleanField(default=False)
    depth = models.PositiveSmallIntegerField(default=0)
    parent_id = models.CharField(max_length=ID_LENGTH, null=True)  # noqa: DJ001 - null: it has no parent
    # The parent's attempt that waits for the end; empty: nobody waits.
    parent_attempt = models.TextField(default="")
    root_id = models.CharField(max_length=ID_LENGTH)
    idempotency_key = models.TextField(null=True)  # noqa: DJ001 - null: none was given
    body_digest = models.CharField(max_length=64, default="")
    input = models.TextField()
    output = models.TextField(null=True)  # noqa: DJ001 - null: none yet
    error = models.TextField(null=True)  # noqa: DJ001 - null: none
    # The journal's length and the fold's attempt as of when the row was last written.
    seq = models.PositiveIntegerField(default=0)
    attempt = models.PositiveIntegerField(default=1)
    steps_done = models.PositiveIntegerField(default=0)
    steps_total = models.PositiveIntegerField(default=0)
    by = models.TextField(default="")
    correlation_id = models.TextField(default="")
    created_at = models.BigIntegerField()
    started_at = models.BigIntegerField(null=True)
    ended_at = models.BigIntegerField(null=True)

    class Meta:
        db_table = "podium_execution"
        indexes = [
            # list_executions, newest first.
            models.Index(fields=["team", "-created_at", "-id"], name="execution_list"),
            # list_executions by status, count_by_status.
            models.Index(fields=["team", "status", "-created_at", "-id"], name="execution_by_status"),
            # list_executions of one workflow.
            models.Index(fields=["workflow", "-created_at", "-id"], name="execution_by_workflow"),
            # get_execution's children, list_executions of one parent.
            models.Index(
                fields=["parent_id", "created_at"], name="execution_children", condition=Q(parent_id__isnull=False)
            ),
            # The claim: due and held by nobody, by priority and age.
            models.Index(
                fields=["priority", "wake_at"],
                name="execution_due",
                condition=Q(shift_id__isnull=True, wake_at__isnull=False),
            ),
            # The claim of a suspect: its holder died before it got any further.
            models.Index(
                fields=["wake_at"],
                name="execution_suspect",
                condition=Q(claims__gt=0, shift_id__isnull=True, wake_at__isnull=False),
            ),
            # A shift's own executions whose inbox was filled; a dead shift's executions.
            models.Index(fields=["shift_id", "wake_at"], name="execution_held", condition=Q(shift_id__isnull=False)),
            # Admission: the next of a workflow that waits to be let in.
            models.Index(
                fields=["workflow", "priority", "created_at", "id"],
                name="execution_waiting_for_room",
                condition=Q(status="pending", admitted=False),
            ),
            # Admission: how many of a workflow are in.
            models.Index(fields=["workflow"], name="execution_in", condition=Q(admitted=True, ended_at__isnull=True)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=STATES), name="execution_status_known"),
            models.CheckConstraint(condition=Q(priority__lte=9), name="execution_priority_0_to_9"),
            # What has ended says when, and what has not does not.
            models.CheckConstraint(
                condition=Q(status__in=sorted(EXECUTION.last), ended_at__isnull=False)
                | Q(status__in=sorted(set(STATES) - EXECUTION.last), ended_at__isnull=True),
                name="execution_ended_with_an_instant",
            ),
            # start_execution: the same key is the same execution.
            models.UniqueConstraint(
                fields=["team", "idempotency_key"],
                name="execution_idempotency_key_once",
                condition=Q(idempotency_key__isnull=False),
            ),
        ]


class JournalEntry(models.Model):
    """One entry of an execution's journal; `data` is JSON text."""

    pk = models.CompositePrimaryKey("execution_id", "seq")
    execution_id = models.CharField(max_length=ID_LENGTH)
    seq = models.PositiveIntegerField()
    at = models.BigIntegerField()
    type = models.CharField(max_length=40)
    step = models.TextField(default="")
    data = models.TextField()

    class Meta:
        db_table = "podium_journalentry"


class StepRunRow(models.Model):
    """A step run as of its last end; what runs now is folded from the journal."""

    pk = models.CompositePrimaryKey("execution_id", "path")
    execution_id = models.CharField(max_length=ID_LENGTH)
    path = models.TextField()
    top = models.BooleanField()
    type = models.CharField(max_length=20)
    status = models.CharField(max_length=20)
    attempts = models.PositiveIntegerField(default=0)
    started_at = models.BigIntegerField(null=True)
    ended_at = models.BigIntegerField(null=True)
    error = models.TextField(default="")

    class Meta:
        db_table = "podium_steprunrow"


class InboxItem(models.Model):
    """Something that somebody tells an execution; whoever holds it reads it and writes the journal.

    A row that is to be `answered` gets an `outcome` (JSON); every other is deleted, each in the transaction of the
    entries that it led to. `key` makes telling the same twice telling it once.
    """

    id = models.BigAutoField(primary_key=True)
    execution_id = models.CharField(max_length=ID_LENGTH)
    kind = models.CharField(max_length=20)
    key = models.TextField(null=True)  # noqa: DJ001 - null: may be told any number of times
    payload = models.TextField()
    answered = models.BooleanField(default=False)
    outcome = models.TextField(null=True)  # noqa: DJ001 - null: not heard yet
    created_at = models.BigIntegerField()

    class Meta:
        db_table = "podium_inboxitem"
        indexes = [
            # The holder: what has not been heard yet, in order.
            models.Index(fields=["execution_id", "id"], name="inbox_unheard", condition=Q(outcome__isnull=True)),
            # Housekeeping: answers that nobody fetched.
            models.Index(fields=["created_at"], name="inbox_answered", condition=Q(outcome__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["execution_id", "key"], name="inbox_key_once", condition=Q(key__isnull=False)
            )
        ]


class Listening(models.Model):
    """An execution has a wait that listens to a topic just now. publish_event reads this."""

    pk = models.CompositePrimaryKey("execution_id", "topic")
    execution_id = models.CharField(max_length=ID_LENGTH)
    topic = models.TextField()
    team_id = models.BigIntegerField()

    class Meta:
        db_table = "podium_listening"
        indexes = [models.Index(fields=["team_id", "topic"], name="listening_to_topic")]


class Shift(models.Model):
    """A shift at work: the lease by which its executions are held. Its instants are the database's clock."""

    id = models.BigAutoField(primary_key=True)
    worker = models.TextField()
    boot = models.TextField()
    pid = models.PositiveIntegerField()
    state = models.CharField(max_length=10, default=AWAKE)
    started_at = models.BigIntegerField()
    expires_at = models.BigIntegerField()
    ended_at = models.BigIntegerField(null=True)

    class Meta:
        db_table = "podium_shift"
        indexes = [
            # Recovery, the pulse and every start ask for the shifts that are awake.
            models.Index(fields=["expires_at"], name="shift_awake", condition=Q(state=AWAKE))
        ]
        constraints = [models.CheckConstraint(condition=Q(state__in=[AWAKE, ENDED, DEAD]), name="shift_state_known")]


class JournalBatch(models.Model):
    """One commit that changed executions: the live feed's cursor.

    `touched` has a line `execution seq team workflow` per execution. `(shift, number)` tells whether a commit whose
    answer was lost took place.
    """

    id = models.BigAutoField(primary_key=True)
    shift_id = models.BigIntegerField(null=True)
    number = models.BigIntegerField(null=True)
    at = models.BigIntegerField()
    touched = models.TextField()

    class Meta:
        db_table = "podium_journalbatch"
        constraints = [models.UniqueConstraint(fields=["shift_id", "number"], name="batch_once")]


class Secret(models.Model):
    """A secret of a team, encrypted with the site's key."""

    team = models.ForeignKey("orchestration.Team", on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    value = models.TextField()
    updated_at = models.DateTimeField()

    class Meta:
        db_table = "podium_secret"
        constraints = [models.UniqueConstraint(fields=["team", "name"], name="secret_name_once_a_team")]

"""Executions in the admin site: the rows behind the pages, with who holds them and when they are due."""

from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from unfold.decorators import display

from orchestration.domain import lifecycle
from orchestration.engine.models import Execution

from .base import ReadOnlyAdmin, moment, shortened

LABELS = {
    lifecycle.COMPLETED: "success",
    lifecycle.RUNNING: "info",
    lifecycle.PAUSED: "warning",
    lifecycle.COMPENSATING: "warning",
    lifecycle.FAILED: "danger",
    lifecycle.COMPENSATION_FAILED: "danger",
}


@admin.register(Execution)
class ExecutionAdmin(ReadOnlyAdmin):
    """Executions, the newest first."""

    list_display = (
        "id",
        "workflow_slug",
        "team",
        "standing",
        "priority",
        "quarantined",
        "created",
        "started",
        "ended",
        "due",
    )
    list_filter = ("status", "quarantined", "team")
    list_select_related = ("workflow", "team")
    search_fields = ("=id", "=correlation_id", "=idempotency_key", "workflow__slug")
    ordering = ("-created_at", "-id")
    fields = (
        ("id", "team"),
        ("workflow_slug", "status", "priority"),
        ("created", "started", "ended", "due"),
        ("shift_id", "epoch", "claims", "quarantined", "admitted"),
        ("parent_id", "root_id", "depth"),
        ("seq", "attempt", "steps_done", "steps_total"),
        ("by", "correlation_id", "idempotency_key"),
        "given",
        "result",
        "failure",
    )

    @admin.display(description="workflow", ordering="workflow__slug")
    def workflow_slug(self, row: Execution) -> str:
        """Return the id of the execution's workflow."""
        return row.workflow.slug

    @display(description="status", ordering="status", label=LABELS)
    def standing(self, row: Execution) -> str:
        """Return its status, as a label."""
        return row.status

    @admin.display(description="created", ordering="created_at")
    def created(self, row: Execution) -> datetime | None:
        """Return when it was taken on."""
        return moment(row.created_at)

    @admin.display(description="started", ordering="started_at")
    def started(self, row: Execution) -> datetime | None:
        """Return when it began to run."""
        return moment(row.started_at)

    @admin.display(description="ended", ordering="ended_at")
    def ended(self, row: Execution) -> datetime | None:
        """Return when it ended."""
        return moment(row.ended_at)

    @admin.display(description="due")
    def due(self, row: Execution) -> datetime | None:
        """Return when it wants to be driven, while nobody holds it."""
        return moment(row.wake_at)

    @admin.display(description="input")
    def given(self, row: Execution) -> str:
        """Return its input."""
        return shortened(row.input)

    @admin.display(description="output")
    def result(self, row: Execution) -> str:
        """Return its output."""
        return shortened(row.output)

    @admin.display(description="error")
    def failure(self, row: Execution) -> str:
        """Return its error."""
        return shortened(row.error)

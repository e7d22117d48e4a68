"""Instances in the admin site."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from orchestration import clock
from orchestration.domain.health import HEALTHY, UNHEALTHY, UNKNOWN
from orchestration.domain.lifecycle import ACTIVE, DRAINING, INACTIVE
from orchestration.registry import operations
from orchestration.registry.models import Instance
from orchestration.registry.queries import address_of

from .base import ReadOnlyAdmin, told
from .doubts import tell_doubts
from .health_strip import health_strip

STANDINGS = {ACTIVE: "success", DRAINING: "warning", INACTIVE: ""}
WELLBEINGS = {HEALTHY: "success", UNHEALTHY: "danger", UNKNOWN: ""}


@admin.register(Instance)
class InstanceAdmin(ReadOnlyAdmin):
    """Instances: where they are and how they are. They can be drained and deregistered."""

    list_display = ("service", "url", "version", "standing", "wellbeing", "health_detail", "probed", "seen")
    list_filter = ("status", "health", "protocol", "locality", "service__team")
    fieldsets = (
        (None, {"fields": ("service", "url", "id", "version", "tags", "metadata", "dependencies", "locality")}),
        ("How it is", {"fields": ("status", "health", "health_detail", "health_changed_at", "history")}),
        (
            "Probes and heartbeats",
            {"fields": ("health_path", "probed_at", "probe_at", "ttl", "last_seen_at", "inactive_at")},
        ),
        ("Registration", {"fields": ("registered_at", "registered_by")}),
    )
    readonly_fields = ("id", "url", "history")
    list_select_related = ("service", "service__team")
    search_fields = ("service__name", "host", "version", "=id")
    ordering = ("service__name", "registered_at")
    actions = ("drain", "deregister")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list, and what the registry doubts of it."""
        tell_doubts(self, request)
        return super().changelist_view(request, extra_context)

    @admin.display(description="health over the last day")
    def history(self, row: Instance) -> SafeString:
        """Return the health of the last day, drawn, and its latest changes."""
        return health_strip(row)

    @admin.display(description="address")
    def url(self, row: Instance) -> str:
        """Return where the instance is, as text: it is no link, for it was given by others."""
        return address_of(row).url

    @admin.display(description="probed", ordering="probed_at")
    def probed(self, row: Instance) -> SafeString | None:
        """Return when it was probed last."""
        return told(row.probed_at, clock.now())

    @admin.display(description="last seen", ordering="last_seen_at")
    def seen(self, row: Instance) -> SafeString | None:
        """Return when it was heard of last."""
        return told(row.last_seen_at, clock.now())

    @display(description="status", ordering="status", label=STANDINGS)
    def standing(self, row: Instance) -> str:
        """Return whether it may be called, as a label."""
        return row.status

    @display(description="health", ordering="health", label=WELLBEINGS)
    def wellbeing(self, row: Instance) -> str:
        """Return how it is, as a label."""
        return row.health

    @admin.action(description="Drain: give them nothing new")
    def drain(self, request: HttpRequest, rows: QuerySet[Instance]) -> None:
        """Drain the chosen instances."""
        by = request.user.get_username()
        self.each(
            request,
            rows.select_related("service"),
            lambda row: operations.drain(team_id=row.service.team_id, instance_id=str(row.pk), by=by),
            "drained",
        )

    @admin.action(description="Deregister: take them out of the registry")
    def deregister(self, request: HttpRequest, rows: QuerySet[Instance]) -> None:
        """Deregister the chosen instances."""
        by = request.user.get_username()
        self.each(
            request,
            rows.select_related("service"),
            lambda row: operations.deregister(team_id=row.service.team_id, instance_id=str(row.pk), by=by),
            "deregistered",
        )

"""Workflows in the admin site."""

from __future__ import annotations

from django.contrib import admin

from orchestration.engine.models import Revision, Workflow

from .base import ReadOnlyAdmin, shortened


@admin.register(Workflow)
class WorkflowAdmin(ReadOnlyAdmin):
    """Workflows at their latest revision."""

    list_display = ("slug", "team", "name", "version", "latest", "step_count", "updated_at")
    list_filter = ("team",)
    list_select_related = ("team",)
    search_fields = ("slug", "name")
    ordering = ("slug",)


@admin.register(Revision)
class RevisionAdmin(ReadOnlyAdmin):
    """Saved revisions; they never change."""

    list_display = ("workflow_slug", "number", "created_at", "created_by")
    list_filter = ("workflow__team",)
    list_select_related = ("workflow",)
    search_fields = ("workflow__slug",)
    ordering = ("-created_at", "-id")
    fields = ("workflow_slug", "number", "created_at", "created_by", "definition")
    readonly_fields = fields

    @admin.display(description="workflow", ordering="workflow__slug")
    def workflow_slug(self, row: Revision) -> str:
        """Return the id of the revision's workflow."""
        return row.workflow.slug

    @admin.display(description="definition")
    def definition(self, row: Revision) -> str:
        """Return the definition's text."""
        return shortened(row.document)

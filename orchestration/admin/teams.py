"""Teams in the admin site."""

from __future__ import annotations

from django.contrib import admin

from orchestration.teams.models import Member, Team

from .base import ReadOnlyAdmin, ReadOnlyInline


class MembersOfTeam(ReadOnlyInline):
    """The members on a team's page."""

    model = Member
    fields = ("user", "role", "created_at")
    readonly_fields = fields


@admin.register(Team)
class TeamAdmin(ReadOnlyAdmin):
    """Teams and who belongs to them."""

    list_display = ("slug", "name", "created_at")
    search_fields = ("slug", "name")
    ordering = ("slug",)
    inlines = (MembersOfTeam,)

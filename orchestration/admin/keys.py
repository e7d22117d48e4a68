"""API keys in the admin site: handed out, looked at, revoked. A key itself is shown once, when it is made."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Field, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from orchestration.domain.errors import OrchestrationError
from orchestration.teams import operations
from orchestration.teams.models import ApiKey

from .base import ReadOnlyAdmin


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Keys by team: when they were made, used and end."""

    list_display = (
        "name",
        "team",
        "prefix",
        "may_configure",
        "created_at",
        "created_by",
        "last_used_at",
        "expires_at",
    )
    list_filter = ("team",)
    list_select_related = ("team",)
    search_fields = ("name", "prefix")
    ordering = ("-created_at",)
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let superusers hand keys out."""
        return self.has_module_permission(request)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        """Ask for what a new key needs; show all but the hash of one that is there."""
        if obj is None:
            return ("team", "name", "expires_at", "may_configure")
        return ("team", "name", "prefix", "created_at", "created_by", "last_used_at", "expires_at", "may_configure")

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        """Ask for a key's end, but do not insist on one."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "expires_at":
            field.required = False
        return field

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show the page; what the operation refused is told, and nothing was made."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except OrchestrationError as error:
            self.message_user(request, error.message, messages.ERROR)
            answer: HttpResponse = redirect("admin:orchestration_apikey_changelist")
            return answer

    def save_model(self, request: HttpRequest, obj: ApiKey, form: ModelForm, change: bool) -> None:
        """Hand the key out by the operation, and show it this once."""
        view, plain = operations.create_key(
            team_id=obj.team_id,
            name=obj.name,
            expires_at=obj.expires_at,
            by=request.user.get_username(),
            may_configure=obj.may_configure,
        )
        obj.pk = view.id
        obj.refresh_from_db()
        self.message_user(request, f"The key, shown only now: {plain}", messages.WARNING)

    @admin.action(description="Revoke: end them at once")
    def revoke(self, request: HttpRequest, rows: QuerySet[ApiKey]) -> None:
        """Revoke the chosen keys."""
        self.each(request, rows, lambda row: operations.revoke_key(team_id=row.team_id, key_id=row.pk), "revoked")

"""Services in the admin site."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orchestration import clock
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.health import HEALTHY
from orchestration.registry import operations
from orchestration.registry.models import Instance, Service

from .base import ReadOnlyAdmin, ReadOnlyInline, told
from .doubts import tell_doubts
from .policy_form import PolicyForm, sections


class InstancesOfService(ReadOnlyInline):
    """The instances on a service's page."""

    model = Instance
    fields = ("page", "version", "standing", "wellbeing", "health_detail", "probed", "seen")
    readonly_fields = fields
    hide_title = True

    @admin.display(description="address")
    def page(self, row: Instance) -> SafeString:
        """Return the address, which leads to the instance's own page here."""
        if row._state.adding:
            return SafeString()
        place = reverse("admin:orchestration_instance_change", args=[row.pk])
        return format_html('<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', place, row)

    @admin.display(description="status")
    def standing(self, row: Instance) -> str:
        """Return whether it may be called."""
        return row.status

    @admin.display(description="health")
    def wellbeing(self, row: Instance) -> str:
        """Return how it is."""
        return row.health

    @admin.display(description="probed")
    def probed(self, row: Instance) -> SafeString | None:
        """Return when it was probed last."""
        return told(row.probed_at, clock.now())

    @admin.display(description="last seen")
    def seen(self, row: Instance) -> SafeString | None:
        """Return when it was heard of last."""
        return told(row.last_seen_at, clock.now())


@admin.register(Service)
class ServiceAdmin(ReadOnlyAdmin):
    """Services by name and team; the policy of each is a form, and all that can be changed here."""

    form = PolicyForm
    readonly_fields = ("name", "team", "created_at", "version_shown")
    list_display = ("name", "team", "instance_count", "healthy_count", "policy_version", "created")
    list_filter = ("team",)
    list_select_related = ("team",)
    search_fields = ("name",)
    ordering = ("name", "team")
    inlines = (InstancesOfService,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Service]:
        """Return the services with their instances counted."""
        healthy = Count("instances", filter=Q(instances__health=HEALTHY))
        return super().get_queryset(request).annotate(instance_total=Count("instances"), healthy_total=healthy)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let superusers change policies."""
        return self.has_module_permission(request)

    def get_fieldsets(self, request: HttpRequest, obj: Service | None = None) -> Any:
        """Show the service, then a part for each section of the policy."""
        shown = (None, {"fields": ("name", "team", "created_at", "version_shown", "policy_version")})
        # What says nothing is folded up; what was changed is to be seen at once.
        said = obj.policy if obj is not None else {}
        parts = [
            (
                f"Policy: {name.replace('_', ' ')}" if name else "Policy",
                {"fields": names, "classes": ("collapse",) if name and not said.get(name) else ()},
            )
            for name, names in sections().items()
        ]
        return [shown, *parts]

    @admin.display(description="policy version")
    def version_shown(self, row: Service) -> int:
        """Return the version of the policy as it is."""
        return row.policy_version

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show the page with what the registry doubts; what the operation refused is told, and nothing was changed."""
        tell_doubts(self, request)
        try:
            return super().changeform_view(request, *args, **kwargs)
        except OrchestrationError as error:
            self.message_user(request, error.message, messages.ERROR)
            answer: HttpResponse = redirect(request.path)
            return answer

    def save_model(self, request: HttpRequest, obj: Service, form: Any, change: bool) -> None:
        """Change the policy by the operation, and only if it still is as it was shown."""
        operations.update_policy(
            team_id=obj.team_id,
            name=obj.name,
            changes=form.changes,
            version=form.cleaned_data["policy_version"],
            by=request.user.get_username(),
        )

    @admin.display(description="created", ordering="created_at")
    def created(self, row: Service) -> SafeString | None:
        """Return when something of that name was registered first."""
        return told(row.created_at, clock.now())

    @admin.display(description="instances", ordering="instance_total")
    def instance_count(self, row: Service) -> int:
        """Return how many instances the service has."""
        return int(getattr(row, "instance_total", 0))

    @admin.display(description="healthy", ordering="healthy_total")
    def healthy_count(self, row: Service) -> int:
        """Return how many of them are healthy."""
        return int(getattr(row, "healthy_total", 0))

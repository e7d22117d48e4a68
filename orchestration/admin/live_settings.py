"""The live settings in the admin site: all on one page, and the history of their versions on another."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from orchestration.configuration import operations, queries
from orchestration.configuration.models import LiveSettings, SettingChange, SettingsVersion
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.live_settings import CHOICE

from .base import ReadOnlyAdmin, ReadOnlyInline, moment

PAGE = "admin/orchestration/live_settings.html"


class LiveSettingsForm(forms.Form):
    """A field for each setting, empty where its default holds, and why it is changed.

    What a value may be is the operation's business: `add_problems` puts what it says beside the fields.
    """

    version = forms.IntegerField(widget=forms.HiddenInput)
    reason = forms.CharField(
        required=False,
        max_length=operations.REASON_LENGTH,
        help_text="It stands in the history.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )

    def __init__(self, settings: tuple[queries.SettingView, ...], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings = settings
        for each in settings:
            self.fields[each.name] = _field(each)

    @property
    def areas(self) -> dict[str, list[tuple[queries.SettingView, datetime | None, forms.BoundField]]]:
        """Return the settings by area, each with the moment of its last change and its field."""
        found: dict[str, list[tuple[queries.SettingView, datetime | None, forms.BoundField]]] = {}
        for each in self._settings:
            row = (each, moment(each.changed_at), self[each.name])
            found.setdefault(each.name.partition(".")[0], []).append(row)
        return found

    def values(self) -> dict[str, str | None]:
        """Return what stands in the fields; None for an empty one."""
        return {each.name: self.cleaned_data[each.name].strip() or None for each in self._settings}

    def add_problems(self, error: operations.SettingsInvalid) -> None:
        """Put what the operation found wrong beside the fields."""
        for each in error.problems:
            self.add_error(each.path if each.path in self.fields else None, each.message)


def _field(setting: queries.SettingView) -> forms.Field:
    initial = setting.value if setting.source == queries.LIVE else ""
    label = f"{setting.says[0].upper()}{setting.says[1:]}"
    common: dict[str, Any] = {"required": False, "initial": initial, "label": label}
    if setting.kind == CHOICE:
        choices = [("", f"{setting.default} (default)"), *((each, each) for each in setting.choices)]
        return forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget(), **common)
    attributes = {"placeholder": str(setting.default), "autocomplete": "off"}
    return forms.CharField(max_length=40, widget=UnfoldAdminTextInputWidget(attrs=attributes), **common)


@admin.register(LiveSettings)
class LiveSettingsAdmin(ReadOnlyAdmin):
    """All live settings on one page, with their values, defaults and bounds. They are changed together."""

    def get_urls(self) -> list[URLPattern]:
        """Return the one page that there is."""
        return [
            path("", self.admin_site.admin_view(self.changelist_view), name="orchestration_livesettings_changelist")
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the settings, or change them by the operation and tell what came of it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = queries.get_configuration()
        form = LiveSettingsForm(found.settings, request.POST or None, initial={"version": found.version})
        if request.method == "POST" and form.is_valid() and self._change(request, form):
            return redirect("admin:orchestration_livesettings_changelist")
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "title": "Live settings",
            "opts": self.opts,
            "form": form,
            "version": found.version,
        }
        return render(request, PAGE, context)

    def _change(self, request: HttpRequest, form: LiveSettingsForm) -> bool:
        before = form.cleaned_data["version"]
        try:
            after = operations.change_settings(
                values=form.values(),
                by=request.user.get_username(),
                reason=form.cleaned_data["reason"],
                expected=before,
                whole=True,
            )
        except operations.SettingsInvalid as error:
            form.add_problems(error)
            return False
        except OrchestrationError as error:
            form.add_error(None, f"{error.message[0].upper()}{error.message[1:]}. Load the page anew to go on from it.")
            return False
        if after.version == before:
            self.message_user(request, "Nothing was changed.", messages.INFO)
        else:
            self.message_user(request, f"Changed; this is version {after.version}.", messages.SUCCESS)
        return True


class ChangesOfVersion(ReadOnlyInline):
    """What a version changed, on its page."""

    model = SettingChange
    hide_title = True
    fields = ("name", "before", "after")
    readonly_fields = fields

    @admin.display(description="before")
    def before(self, row: SettingChange) -> str:
        """Return what stood before."""
        return row.old if row.old is not None else "the default"

    @admin.display(description="after")
    def after(self, row: SettingChange) -> str:
        """Return what stands since."""
        return row.new if row.new is not None else "the default"


@admin.register(SettingsVersion)
class SettingsVersionAdmin(ReadOnlyAdmin):
    """Who changed the live settings, when and why, the newest first. A version can be brought back."""

    list_display = ("version", "made_at", "by", "changed", "reason", "restored")
    list_filter = (("changes__name", admin.AllValuesFieldListFilter),)
    search_fields = ("=version", "by", "reason")
    ordering = ("-version",)
    fields = (("version", "by"), "made_at", "reason", "restored", "settings")
    readonly_fields = ("made_at",)
    inlines = (ChangesOfVersion,)
    actions = ("restore",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SettingsVersion]:
        """Return the versions with their changes."""
        return super().get_queryset(request).prefetch_related("changes")

    @admin.display(description="at", ordering="at")
    def made_at(self, row: SettingsVersion) -> datetime | None:
        """Return when it was made."""
        return moment(row.at)

    @admin.display(description="changed")
    def changed(self, row: SettingsVersion) -> str:
        """Return what it changed, in few words."""
        return ", ".join(f"{each.name}: {each.new or 'default'}" for each in row.changes.all())

    @admin.action(description="Restore: set everything as it was at this version")
    def restore(self, request: HttpRequest, rows: QuerySet[SettingsVersion]) -> None:
        """Bring the one chosen version back."""
        chosen = list(rows)
        if len(chosen) != 1:
            self.message_user(request, "Choose one version to bring back.", messages.ERROR)
            return
        by = request.user.get_username()
        self.each(request, chosen, lambda row: operations.restore_version(version=row.version, by=by), "brought back")

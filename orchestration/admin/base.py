"""What all pages of the admin site have in common: they show, superusers only, and call operations for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline

from orchestration import clock
from orchestration.domain.errors import OrchestrationError

TEXT_SHOWN = 20_000
DAY = timedelta(days=1)


class ReadOnlyAdmin(ModelAdmin):
    """Rows that are looked at, not written."""

    show_full_result_count = False
    list_per_page = 50
    compressed_fields = True
    list_fullwidth = True

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Let superusers in."""
        return bool(request.user.is_active and request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let superusers look."""
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let nobody write."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let nobody write."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let nobody write."""
        return False

    def each(self, request: HttpRequest, rows: Iterable[Any], operation: Callable[[Any], object], done: str) -> None:
        """Call `operation` with every row, then say how many were `done` and why the others were not."""
        count = 0
        for row in rows:
            try:
                operation(row)
            except OrchestrationError as error:
                self.message_user(request, f"{row.pk}: {error.message}", messages.ERROR)
            else:
                count += 1
        if count:
            self.message_user(request, f"{count} {done}.", messages.SUCCESS)


class ReadOnlyInline(TabularInline):
    """Rows that are looked at on the page of what they belong to."""

    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let superusers look."""
        return bool(request.user.is_active and request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let nobody write."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let nobody write."""
        return False


def moment(instant: int | None) -> datetime | None:
    """Return an instant in microseconds as the admin shows moments."""
    return None if instant is None else clock.to_datetime(instant)


def told(at: datetime | None, now: datetime) -> SafeString | None:
    """Return an instant in one short line: the time of day within the last day, else the date; all of it as a title."""
    if at is None:
        return None
    short = f"{at:%H:%M:%S}" if now - at < DAY else f"{at:%Y-%m-%d}"
    return format_html(
        '<time class="whitespace-nowrap" datetime="{}" title="{} UTC">{}</time>',
        at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S}", short,
    )  # fmt: skip


def shortened(text: str | None) -> str:
    """Return a text as far as a page should show it."""
    if text is None or len(text) <= TEXT_SHOWN:
        return text or ""
    return f"{text[:TEXT_SHOWN]} … ({len(text)} characters)"

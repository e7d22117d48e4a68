"""What the registry does not trust of what it sees, told on the pages that show it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest

from orchestration.registry.queries import doubts


def tell_doubts(page: ModelAdmin, request: HttpRequest) -> None:
    """Tell what the registry doubts just now, above a page that is only looked at."""
    if request.method == "GET":
        for each in doubts():
            whose = " of one team" if each.of_team else ""
            since = f"{each.since:%Y-%m-%d %H:%M:%S} UTC"
            said = f"The registry distrusts its {each.duty}{whose} since {since}: {each.detail}"
            page.message_user(request, said, messages.WARNING)

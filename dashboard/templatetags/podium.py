"""How states, instants and lasting things are written in HTML: one place for pages and frames alike.

Everything goes through `format_html`, which escapes; no value is ever marked safe.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dashboard.words.states import Look

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw a symbol of the sprite; the word beside it says what it means."""
    return format_html('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>', name)


@register.simple_tag
def state(look: Look, extra: str = "") -> SafeString:
    """Draw a state: shape, word and hue."""
    return format_html('<span class="state {} {}">{}{}</span>', look.hue, extra, icon(look.icon), look.word)


@register.simple_tag
def when(at: datetime | None) -> SafeString:
    """Write an instant in UTC; live.js turns it into the reader's own time."""
    if at is None:
        return format_html('<span class="soft">{}</span>', "–")
    at = at.astimezone(UTC)
    # Not strftime("%e"): the day without a zero is not to be had on every platform.
    words = f"{at.day} {at:%b %H:%M:%S}"
    return format_html('<time datetime="{}" title="{} UTC">{}</time>', at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S}", words)


@register.simple_tag
def lasting(words: str, since: int | None = None, until: int | None = None) -> SafeString:
    """Write how long something lasts or when it is due, to be counted on while the page is live."""
    if since is not None:
        return format_html('<span data-since="{}">{}</span>', since, words)
    if until is not None:
        return format_html('<span data-until="{}">{}</span>', until, words)
    return format_html("{}", words)

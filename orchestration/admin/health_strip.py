"""An instance's health over time, drawn on the server: a strip of colours, and the changes in words below it."""

from __future__ import annotations

from datetime import timedelta

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from orchestration import clock
from orchestration.domain.health import HEALTHY, UNHEALTHY, UNKNOWN, stretches
from orchestration.registry.models import Instance
from orchestration.registry.queries import health_marks

DRAWN = timedelta(days=1)
WIDTH, HEIGHT = 720, 28
CHANGES_SHOWN = 12
# Read on light and on dark ground alike.
COLOURS = {HEALTHY: "#16a34a", UNHEALTHY: "#dc2626", UNKNOWN: "#94a3b8"}


def health_strip(row: Instance) -> SafeString:
    """Return the last day of the row's health as a picture, and its latest changes as a list."""
    marks = health_marks(row)
    now = clock.now()
    begin = max(row.registered_at, now - DRAWN)
    drawn = stretches(
        [(clock.to_us(each.at), each.health) for each in marks], begin=clock.to_us(begin), end=clock.to_us(now)
    )
    rects = format_html_join(
        "",
        '<rect x="{}" y="0" width="{}" height="{}" fill="{}"><title>{}</title></rect>',
        (
            (
                f"{each.begins * WIDTH:.2f}",
                f"{max(each.length * WIDTH, 1.0):.2f}",
                HEIGHT,
                COLOURS[each.state],
                each.state,
            )
            for each in drawn
        ),
    )
    lines = format_html_join(
        "",
        "<li><time>{}</time> {} {}</li>",
        (
            (f"{each.at:%Y-%m-%d %H:%M:%S} UTC", each.health, f"({each.detail})" if each.detail else "")
            for each in reversed(marks[-CHANGES_SHOWN:])
        ),
    )
    said = f"Health from {begin:%Y-%m-%d %H:%M} to {now:%Y-%m-%d %H:%M} UTC, now {row.health}"
    return format_html(
        '<svg role="img" aria-label="{}" viewBox="0 0 {} {}" width="100%" height="{}" preserveAspectRatio="none">{}'
        "</svg><p>{}</p><ul>{}</ul>",
        said, WIDTH, HEIGHT, HEIGHT, rects, said, lines,
    )  # fmt: skip

"""Small pictures as SVG, made here: no script, no font, nothing from outside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from simulation.statistics.intervals import Interval
from simulation.streams import Floats

WIDTH, ROW, LEFT, RIGHT = 720, 30, 180, 90
HEIGHT, FOOT = 160, 24


def intervals(rows: Sequence[tuple[str, Interval]], unit: str) -> str:
    """Return one line a figure: a dot at its mean, a bar over its interval, from 0 to the highest."""
    highest = max((interval.high for _, interval in rows), default=0.0) or 1.0
    scale = (WIDTH - LEFT - RIGHT) / highest
    parts = []
    for place, (name, interval) in enumerate(rows):
        y = place * ROW + ROW / 2
        low, high = LEFT + max(0.0, interval.low) * scale, LEFT + interval.high * scale
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>'
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="base"/>'
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}" class="bar"/>'
            f'<circle cx="{LEFT + interval.mean * scale:.1f}" cy="{y:.1f}" r="4"/>'
            f'<text x="{WIDTH - RIGHT + 8}" y="{y + 4:.1f}">{interval.mean:.4g} {escape(unit)}</text>'
        )
    return _svg(len(rows) * ROW, "".join(parts))


def over_time(ended_at: Floats, good: Floats, horizon: float, label: str) -> str:
    """Return how many executions completed in each hundredth of the horizon (seconds), as a line."""
    slots = 100
    counts = [0.0] * slots
    for instant, fine in zip(ended_at.tolist(), good.tolist(), strict=True):
        counts[min(slots - 1, int(instant / horizon * slots))] += fine
    per_second = [count / (horizon / slots) for count in counts]
    highest = max(per_second) or 1.0
    points = " ".join(
        f"{LEFT + place * (WIDTH - LEFT - RIGHT) / (slots - 1):.1f},{HEIGHT - value / highest * (HEIGHT - 10):.1f}"
        for place, value in enumerate(per_second)
    )
    text = (
        f'<text x="{LEFT - 8}" y="14" text-anchor="end">{highest:.4g} a second</text>'
        f'<text x="{LEFT - 8}" y="{HEIGHT}" text-anchor="end">0</text>'
        f'<text x="{LEFT}" y="{HEIGHT + 18}">{escape(label)}, 0 to {horizon:g} s</text>'
    )
    return _svg(HEIGHT + FOOT, f'<polyline points="{points}"/>{text}')


def bands(horizon: float, curves: Sequence[Sequence[float]], label: str) -> str:
    """Return curves over the horizon (seconds), as lines of one scale: values at even distances, the first at 0."""
    highest = max((value for curve in curves for value in curve), default=0.0) or 1.0
    lines = "".join(
        '<polyline points="'
        + " ".join(
            f"{LEFT + place * (WIDTH - LEFT - RIGHT) / max(1, len(curve) - 1):.1f},"
            f"{HEIGHT - value / highest * (HEIGHT - 10):.1f}"
            for place, value in enumerate(curve)
        )
        + '"/>'
        for curve in curves
    )
    text = (
        f'<text x="{LEFT - 8}" y="14" text-anchor="end">{highest:.4g}</text>'
        f'<text x="{LEFT - 8}" y="{HEIGHT}" text-anchor="end">0</text>'
        f'<text x="{LEFT}" y="{HEIGHT + 18}">{escape(label)}, 0 to {horizon:g} s</text>'
    )
    return _svg(HEIGHT + FOOT, f"{lines}{text}")


def _svg(height: float, inner: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" role="img">{inner}</svg>'

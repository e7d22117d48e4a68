"""Pictures as SVG with axes: curves with bands, maps, bars. No script, no font, nothing from outside.

Colours are the page's (`simulation.pages`): shapes have classes, so that one picture serves light and dark. What colour
says, text or shape says as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, FOOT = 72, 24, 16, 48
TICKS = 5
LEVELS = 5
"""Shades of a map."""

ROOM = 1.1
"""How much higher than all that is shown a picture is, so that words have a place."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points (x, y), with where each y may be: `band` holds (low, high) for each, or nothing.

    `kind` is its number among the lines of a picture: colour and dashes are by it. `step`: it jumps at each x.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    band: tuple[tuple[float, float], ...] = ()
    kind: int = 0
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A straight line across the picture: at `x` or at `y`, and what it means."""

    text: str
    x: float | None = None
    y: float | None = None


def curves(
    lines: Sequence[Line],
    *,
    across: str,
    up: str,
    label: str,
    marks: Sequence[Mark] = (),
    least: float | None = None,
    most: float | None = None,
) -> str:
    """Return lines over a common x. `across` and `up` name the axes; `label` is what is read out of the picture.

    `least` is where x begins (None: at the first point), `most` cuts off what is higher.
    """
    xs = [x for line in lines for x, _ in line.points] + [mark.x for mark in marks if mark.x is not None]
    ys = [y for line in lines for _, y in line.points] + [high for line in lines for _, high in line.band]
    top = most or ROOM * max([*ys, *(mark.y for mark in marks if mark.y is not None)], default=1.0) or 1.0
    frame = _Frame(min(xs, default=0.0) if least is None else least, max(xs, default=1.0), top)
    parts = [frame.axes(across, up)]
    parts += [frame.band(line) for line in lines if line.band]
    parts += [frame.line(line) for line in lines]
    parts += [frame.mark(mark) for mark in marks]
    if len(lines) > 1:
        parts.append(_legend([(line.name, line.kind) for line in lines]))
    return _svg(HEIGHT + (20 if len(lines) > 1 else 0), label, "".join(parts))


def heat_map(
    columns: Sequence[str], rows: Sequence[str], cells: Sequence[Sequence[tuple[str, float]]], *, label: str
) -> str:
    """Return a map of cells, row by row: each has a text and a share in [0, 1] that shades it (1: the darkest)."""
    left, height = 150, 34
    width = (WIDTH - left) / max(1, len(columns))
    parts = []
    for place, name in enumerate(columns):
        parts.append(_text(left + (place + 0.5) * width, 16, name, "middle"))
    for row, name in enumerate(rows):
        y = 26 + row * height
        parts.append(_text(left - 8, y + height / 2 + 4, name, "end"))
        for place, (text, share) in enumerate(cells[row]):
            shade = min(LEVELS - 1, max(0, int(share * LEVELS)))
            x = left + place * width
            parts.append(
                f'<rect class="cell s{shade}" x="{x + 1:.1f}" y="{y + 1}" '
                f'width="{width - 2:.1f}" height="{height - 2}"/>'
                f'<text class="on{shade}" x="{x + width / 2:.1f}" y="{y + height / 2 + 4}" text-anchor="middle">'
                f"{escape(text)}</text>"
            )
    return _svg(26 + len(rows) * height, label, "".join(parts))


def tornado(rows: Sequence[tuple[str, float | None, float | None]], *, unit: str, label: str) -> str:
    """Return bars to both sides of nothing: each row is a name and what less and more of it change (None: unknown)."""
    most = max((abs(each) for _, *both in rows for each in both if each is not None), default=0.0) or 1.0
    left, height = 250, 26
    middle = left + (WIDTH - left) / 2
    scale = (WIDTH - left) / 2 / most * 0.78
    parts = [f'<line class="base" x1="{middle:.1f}" x2="{middle:.1f}" y1="0" y2="{len(rows) * height}"/>']
    for place, (name, less, more) in enumerate(rows):
        y = place * height
        parts.append(_text(left - 8, y + 17, name, "end"))
        for shift, value, kind in ((3, less, "less"), (13, more, "more")):
            if value is None:
                continue
            x, width = middle + min(0.0, value) * scale, abs(value) * scale
            end, side = middle + value * scale, "end" if value < 0 else "start"
            parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y + shift}" width="{width:.1f}" height="9"/>')
            parts.append(
                f'<text class="small" x="{end + (-4 if value < 0 else 4):.1f}" y="{y + shift + 8}" '
                f'text-anchor="{side}">{value:+.3g}{escape(unit)}</text>'
            )
    return _svg(len(rows) * height, label, "".join(parts))


def bars(rows: Sequence[tuple[str, float, float, float, bool]], *, unit: str, label: str, most: float) -> str:
    """Return bars from 0 with their intervals: name, value, low, high, and whether it stands out (it says so)."""
    left, right, height = 220, 150, 28
    scale = (WIDTH - left - right) / (most or 1.0)
    parts = []
    for place, (name, value, low, high, out) in enumerate(rows):
        y = place * height
        kind = "fill out" if out else "fill"
        begin, end = left + max(0.0, low) * scale, left + min(most, high) * scale
        parts.append(
            _text(left - 8, y + 18, name, "end")
            + f'<rect class="track" x="{left}" y="{y + 6}" width="{most * scale:.1f}" height="16"/>'
            f'<rect class="{kind}" x="{left}" y="{y + 6}" '
            f'width="{max(0.0, min(most, value)) * scale:.1f}" height="16"/>'
            f'<line class="whisker" x1="{begin:.1f}" x2="{end:.1f}" y1="{y + 14}" y2="{y + 14}"/>'
            + _text(WIDTH - right + 8, y + 18, f"{value:.4g}{unit}{' ◀ bottleneck' if out else ''}", "start")
        )
    return _svg(len(rows) * height, label, "".join(parts))


class _Frame:
    """Where points are in a picture with axes from the least x and from 0."""

    def __init__(self, least: float, most: float, top: float) -> None:
        self.least, self.most, self.top = least, most if most > least else least + 1.0, top

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.least) / (self.most - self.least)
        up = min(1.0, max(0.0, y / self.top))
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - FOOT - up * (HEIGHT - TOP - FOOT)

    def axes(self, across: str, up: str) -> str:
        parts = []
        for value in ticks(0.0, self.top):
            _, y = self.at(self.least, value)
            parts.append(f'<line class="base" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(_text(LEFT - 6, y + 4, f"{value:.4g}", "end"))
        for value in ticks(self.least, self.most):
            x, _ = self.at(value, 0.0)
            parts.append(_text(x, HEIGHT - FOOT + 16, f"{value:.4g}", "middle"))
        parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, across, "middle"))
        parts.append(_text(LEFT, TOP - 4, up, "start"))
        return "".join(parts)

    def line(self, line: Line) -> str:
        places = [self.at(x, y) for x, y in line.points]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dots = "".join(f'<circle class="k{line.kind % 6}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in places)
        return f'<polyline class="line k{line.kind % 6}" points="{points}"/>{dots if line.dots else ""}'

    def band(self, line: Line) -> str:
        lows = [self.at(x, low) for (x, _), (low, _) in zip(line.points, line.band, strict=True)]
        highs = [self.at(x, high) for (x, _), (_, high) in zip(line.points, line.band, strict=True)]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*highs, *reversed(lows)])
        return f'<polygon class="band k{line.kind % 6}" points="{points}"/>'

    def mark(self, mark: Mark) -> str:
        if mark.x is not None:
            x, _ = self.at(mark.x, 0.0)
            side, shift = ("end", -6) if x > WIDTH / 2 else ("start", 6)
            return (
                f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - FOOT}"/>'
                + _text(x + shift, HEIGHT - FOOT - 8, mark.text, side)
            )  # fmt: skip
        _, y = self.at(self.least, mark.y or 0.0)
        return (
            f'<line class="mark" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            + _text(LEFT + 6, y - 5, mark.text, "start")
        )  # fmt: skip


def ticks(least: float, most: float) -> list[float]:
    """Return some five round numbers from `least` to `most`."""
    if not most > least:
        return [least]
    rough = (most - least) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((factor * power for factor in (1, 2, 5) if factor * power >= rough), 10 * power)
    first = math.ceil(least / step - 1e-9)
    return [round(place * step, 12) for place in range(first, math.floor(most / step + 1e-9) + 1)]


def _legend(names: Sequence[tuple[str, int]]) -> str:
    parts, x = [], float(LEFT)
    for name, kind in names:
        parts.append(
            f'<line class="line k{kind % 6}" x1="{x:.0f}" x2="{x + 24:.0f}" y1="{HEIGHT + 8}" y2="{HEIGHT + 8}"/>'
        )
        parts.append(_text(x + 30, HEIGHT + 12, name, "start"))
        x += 50 + 7.0 * len(name)
    return "".join(parts)


def _text(x: float, y: float, text: str, side: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{side}">{escape(text)}</text>'


def _svg(height: float, label: str, inner: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" role="img" '
        f'aria-label="{escape(label, quote=True)}">{inner}</svg>'
    )

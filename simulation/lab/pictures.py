"""Pictures of results as plain numbers for templates: what goes where, in the units of the picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 960, 340
LEFT, RIGHT, TOP, BOTTOM = 70, 24, 22, 46
ROOM = 1.04
CLOSE = 90
"""Labels that are nearer to one another than this are put on two lines."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of an axis: where, and what it says."""

    at: str
    word: str


@dataclass(frozen=True, slots=True)
class Mark:
    """An upright line with its word, which stands to the left of it where there is no room on the right."""

    at: str
    word: str
    line: int
    anchor: str
    text_at: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of the curve; `said` is it in words."""

    x: str
    y: str
    said: str


@dataclass(frozen=True, slots=True)
class Curve:
    """Latency against load. Paths are SVG's `points`; `beyond` is where the part after the knee begins."""

    measure: str
    band: str
    line: str
    median: str
    dots: tuple[Dot, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    axis: str
    knee: Mark | None
    now: Mark | None
    promise: Tick | None
    said: str

    width, height, left, top = WIDTH, HEIGHT, LEFT, TOP
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM


UNITS = {"per_second": "executions a second", "users": "users", "times": "times the load"}


def curve_of(load: Mapping[str, Any], workload: str, now: float, promised: Mapping[str, float]) -> Curve | None:
    """Return the curve of a workload, with `now` as the load as it is, and the promise on what is drawn, if any.

    It shows the 95th percentile, or the mean where there are too few executions to tell that. None: nothing is told.
    """
    figures = [(point["offered"], point["workloads"][workload]["figures"]) for point in load["points"]]
    measure = "p95" if all("p95" in each for _, each in figures) else "mean"
    told = [(x, each) for x, each in figures if measure in each]
    if len(told) < 2:
        return None
    most = _top([(x, each[measure]["mean"]) for x, each in told], now, promised.get(measure))
    highest = min(most, max(each[measure]["high"] for _, each in told)) * ROOM
    farthest = max(*(x for x, _ in told), now) * ROOM
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def at(x: float) -> float:
        return LEFT + x / farthest * (right - LEFT)

    def height(y: float) -> float:
        return bottom - min(max(y, 0.0), 3 * highest) / highest * (bottom - TOP)

    def path(pairs: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{at(x):.1f},{height(y):.1f}" for x, y in pairs)

    high = [(x, each[measure]["high"]) for x, each in told]
    low = [(x, each[measure]["low"]) for x, each in told]
    knee = load.get("knee")
    unit = UNITS[load["unit"]]
    return Curve(
        measure=measure,
        band=path([*high, *reversed(low)]),
        line=path([(x, each[measure]["mean"]) for x, each in told]),
        median=path([(x, each["p50"]["mean"]) for x, each in told if "p50" in each]),
        dots=tuple(
            Dot(
                f"{at(x):.1f}", f"{height(each[measure]['mean']):.1f}", f"{x:.3g} {unit}: {each[measure]['mean']:.3g} s"
            )
            for x, each in told
            if each[measure]["mean"] <= highest
        ),
        across=tuple(Tick(f"{at(x):.1f}", f"{x:g}") for x in ticks(farthest, 8)),
        up=tuple(Tick(f"{height(y):.1f}", _seconds_word(y)) for y in ticks(highest, 5)),
        axis=unit,
        knee=None if knee is None else _mark(at(knee["load"]), f"knee at {knee['load']:.3g}", 0),
        now=_mark(at(now), f"now {now:.3g}", 1 if knee and abs(at(knee["load"]) - at(now)) < CLOSE else 0),
        promise=Tick(f"{height(promised[measure]):.1f}", f"promised {_seconds_word(promised[measure])}")
        if measure in promised and promised[measure] <= highest
        else None,
        said=_said(told, measure, unit, knee),
    )


def _top(told: Sequence[tuple[float, float]], now: float, promised: float | None) -> float:
    """Return the highest time that is drawn: enough to see the bend, not so much that all else lies flat."""
    nearest = min(told, key=lambda each: abs(each[0] - now))[1]
    lowest = min(y for _, y in told)
    return max(2.5 * nearest, 6 * lowest, 1.3 * (promised or 0.0))


def _mark(at: float, word: str, line: int) -> Mark:
    left = at > WIDTH - RIGHT - CLOSE
    return Mark(
        f"{at:.1f}", word, TOP + 12 + 16 * line, "end" if left else "start", f"{at - 6 if left else at + 6:.1f}"
    )


def _said(told: Sequence[tuple[float, Any]], measure: str, unit: str, knee: Mapping[str, float] | None) -> str:
    (least, light), (most, heavy) = told[0], told[-1]
    words = (
        f"{measure} of the time from start to end against load: {light[measure]['mean']:.3g} s at {least:.3g} {unit}, "
        f"{heavy[measure]['mean']:.3g} s at {most:.3g}"
    )
    return f"{words}; the knee is at {knee['load']:.3g}" if knee else words


def _seconds_word(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 or value == 0 else f"{value * 1000:.3g} ms"


def ticks(highest: float, count: int) -> list[float]:
    """Return about `count` round numbers from 0 up to `highest`."""
    if not highest > 0 or not math.isfinite(highest):
        return [0.0]
    rough = highest / count
    scale = 10 ** math.floor(math.log10(rough))
    step = next(each * scale for each in (1, 2, 2.5, 5, 10) if each * scale >= rough)
    return [float(f"{place * step:.6g}") for place in range(int(highest / step + 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class Span:
    """An interval on a scale from 0 to 100 %: where it begins, how wide it is, where the mean lies."""

    low: str
    width: str
    mean: str
    mark: str = ""


def span_of(figure: Mapping[str, float], highest: float, mark: float | None = None) -> Span:
    """Return an interval on a scale up to `highest`, with a mark on it, if one is given and fits."""

    def part(value: float) -> float:
        return min(100.0, max(0.0, 100 * value / highest)) if highest > 0 else 0.0

    low, high = part(figure["low"]), part(figure["high"])
    shown = "" if mark is None or mark > highest else f"{part(mark):.2f}%"
    return Span(f"{low:.2f}%", f"{max(0.3, high - low):.2f}%", f"{part(figure['mean']):.2f}%", shown)


def steps_of(values: Sequence[float], highest: float, width: int = 600, height: int = 80) -> str:
    """Return values over time as the points of a line."""
    slot = width / max(1, len(values))
    top = highest or 1.0
    return " ".join(
        f"{place * slot + slot / 2:.1f},{height - 4 - value / top * (height - 12):.1f}"
        for place, value in enumerate(values)
    )

"""A check, its tolerance, and the table that checks make.

A simulated figure agrees with the exact one if it is within its half-width or 1 % of it, and the half-width is at most
2 %: a wide interval proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulation.statistics.intervals import Interval, mean_interval
from simulation.streams import Floats

CLOSE = 0.01
WIDEST = 0.02


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table. `passed` None: it could not be made here, `got` says why."""

    name: str
    expected: float | str
    got: float | str
    interval: tuple[float, float] | None
    passed: bool | None

    def as_json(self) -> dict[str, Any]:
        """Return the line as programs read it."""
        interval = None if self.interval is None else list(self.interval)
        passed = self.passed
        return {
            "name": self.name, "expected": self.expected, "got": self.got, "interval": interval, "passed": passed
        }  # fmt: skip


def against(name: str, expected: float, values: Sequence[float] | Floats) -> Check:
    """Return whether independent replications' figures agree with the exact one."""
    interval = mean_interval(values)
    close = abs(interval.mean - expected) <= max(interval.half_width, CLOSE * abs(expected))
    narrow = interval.half_width <= WIDEST * abs(expected)
    return simulated(name, expected, interval, passed=close and narrow)


def simulated(name: str, expected: float | str, interval: Interval, *, passed: bool) -> Check:
    """Return a check of a figure that has an interval."""
    return Check(name, expected, interval.mean, (interval.low, interval.high), passed)


def exactly(name: str, expected: float, got: float, *, digits: int = 9) -> Check:
    """Return whether something that has no chance in it came out right."""
    return Check(name, expected, got, None, round(abs(expected - got), digits) == 0)


def within(name: str, low: float, high: float, got: float) -> Check:
    """Return whether a figure lies where it should."""
    return Check(name, f"{low:g} to {high:g}", got, None, low <= got <= high)


def at_least(name: str, least: float, got: float) -> Check:
    """Return whether a figure is as high as it should be."""
    return Check(name, f"at least {least:g}", got, None, got >= least)


def left_out(name: str, why: str) -> Check:
    """Return a check that could not be made here."""
    return Check(name, "", f"left out: {why}", None, None)


def as_lines(checks: Sequence[Check]) -> list[str]:
    """Return the table for people, one line a check."""
    width = max((len(each.name) for each in checks), default=4)
    lines = [f"{'check':{width}}  {'expected':>14}  {'got':>14}  {'interval':>25}  result"]
    for each in checks:
        interval = "" if each.interval is None else f"{each.interval[0]:.6g} to {each.interval[1]:.6g}"
        word = {True: "passed", False: "FAILED", None: "left out"}[each.passed]
        lines.append(f"{each.name:{width}}  {_said(each.expected):>14}  {_said(each.got):>14}  {interval:>25}  {word}")
    return lines


def as_markdown(checks: Sequence[Check]) -> str:
    """Return the table as documentation shows it."""
    lines = ["| check | expected | got | interval | result |", "|---|--:|--:|--:|---|"]
    for each in checks:
        interval = "" if each.interval is None else f"{each.interval[0]:.6g} to {each.interval[1]:.6g}"
        word = {True: "passed", False: "**failed**", None: "left out"}[each.passed]
        lines.append(f"| {each.name} | {_said(each.expected)} | {_said(each.got)} | {interval} | {word} |")
    return "\n".join(lines) + "\n"


def _said(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.7g}"

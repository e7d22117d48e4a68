"""Calibrating the simulator's workers: the measurements, round by round, and the comparison at the end.

What is compared is measured in the same minute: each round measures all that the costs are worked out from and all
that they are compared with, in turn, and of each figure the median over the rounds counts. What is compared
was not calibrated on: chains of other lengths, a fan-out of another size, another row of starts.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field, fields

from django.conf import settings

from orchestration.management.bench.calibration import LONG, SHORT, Costs, Measured, costs_of
from orchestration.management.bench.figures import Figures
from orchestration.management.bench.prediction import Ask, Asked, Compared, ask_simulator, compare
from orchestration.management.bench.site import BenchFailed, Site
from orchestration.management.bench.workloads import Workload, run

HTTP_STEPS = STEPS = 10
CHAIN = 5
"""Steps of the chain whose step-to-step time is calibrated on; the comparison's has `STEPS`."""

FAN, OTHER_FAN = 500, 1_000
MILLISECOND = 0.001

Run = Callable[[Workload], Figures]


@dataclass(slots=True)
class Rounds:
    """What the rounds measured so far, in seconds and steps a second."""

    short: list[float] = field(default_factory=list)
    long: list[float] = field(default_factory=list)
    http: list[float] = field(default_factory=list)
    step: list[float] = field(default_factory=list)
    fan_step: list[float] = field(default_factory=list)
    awake: list[float] = field(default_factory=list)
    asleep: list[float] = field(default_factory=list)
    steps_per_s: list[float] = field(default_factory=list)
    other_step: list[float] = field(default_factory=list)
    other_fan: list[float] = field(default_factory=list)
    other_awake: list[float] = field(default_factory=list)
    other_asleep: list[float] = field(default_factory=list)

    def median(self, name: str) -> float:
        """Return the median of a figure over the rounds."""
        return float(statistics.median(getattr(self, name)))

    def spread(self) -> dict[str, float]:
        """Return how far the rounds lie apart: largest less smallest over the median, by figure."""
        return {
            each.name: round(
                (max(getattr(self, each.name)) - min(getattr(self, each.name))) / self.median(each.name), 3
            )
            for each in fields(self)
        }


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What came of a calibration: the costs, the scenario's `workers` block, and the comparison."""

    costs: Costs
    workers: dict[str, int | str]
    compared: list[Compared]
    spread: dict[str, float]

    def block(self) -> str:
        """Return the block as it is pasted into a scenario."""
        keys = ", ".join(f"{key}: {value}" for key, value in self.workers.items())
        return f"workers: {{{keys}}}\n"

    def as_json(self) -> str:
        """Return all of it as one JSON object."""
        compared = [each.as_json() for each in self.compared]
        return json.dumps({"workers": self.workers, "compared": compared, "spread": self.spread})


def calibrate(
    site: Site, *, workers: int, rounds: int, told: Callable[[str], None], ask: Ask = ask_simulator
) -> Calibrated:
    """Measure `rounds` rounds on a running site, work out the costs, and compare. Raises BenchFailed."""
    found = Rounds()
    for number in range(1, rounds + 1):
        measure(found, lambda workload: run(site, workload), workers=workers)
        told(f"round {number} of {rounds}: {found.steps_per_s[-1]:,.0f} steps/s together")
    return conclude(found, workers=workers, ask=ask)


def measure(found: Rounds, run: Run, *, workers: int) -> None:
    """Measure one round. `workers` is how many share the load where all executions are there at once."""

    def together(steps: int, executions: int, *, http: bool = False) -> float:
        rate = run(Workload(name="throughput", executions=executions, steps=steps, http=http)).executions_per_s
        return workers / _said(rate, "throughput")

    def alone(name: str, steps: int, executions: int) -> Figures:
        return run(Workload(name=name, executions=executions, steps=steps, http=False))

    found.short.append(together(SHORT, 1_000))
    found.steps_per_s.append(workers * STEPS / together(STEPS, 600))
    found.long.append(together(LONG, 300))
    found.http.append(together(HTTP_STEPS, 200, http=True))
    found.step.append(_said(alone("chain", CHAIN, 20).p50_ms, "chain") * MILLISECOND)
    found.other_step.append(_said(alone("chain", STEPS, 10).p50_ms, "chain") * MILLISECOND)
    found.fan_step.append(_said(alone("fanout", FAN, 1).seconds, "fanout") / FAN)
    found.other_fan.append(_said(alone("fanout", OTHER_FAN, 1).seconds, "fanout"))
    for prefix in ("", "other_"):
        started = alone("start", 1, 20)
        getattr(found, f"{prefix}awake").append(_said(started.p50_ms, "start") * MILLISECOND)
        getattr(found, f"{prefix}asleep").append(_said(started.asleep_p50_ms, "start") * MILLISECOND)


def conclude(found: Rounds, *, workers: int, ask: Ask) -> Calibrated:
    """Return the costs that the rounds come to, and what the simulator makes of them."""
    names = ("short", "long", "http", "step", "fan_step", "awake", "asleep")
    measured = Measured(http_steps=HTTP_STEPS, **{name: found.median(name) for name in names})
    costs = costs_of(measured, linger=settings.PODIUM.shift_linger_seconds)
    block = costs.as_workers(count=workers, slots=settings.PODIUM.shift_concurrency)
    asked = Asked(
        steps=STEPS,
        steps_per_s=found.median("steps_per_s"),
        step=found.median("other_step"),
        fan=OTHER_FAN,
        fan_seconds=found.median("other_fan"),
        awake=found.median("other_awake"),
        asleep=found.median("other_asleep"),
    )
    return Calibrated(costs, block, compare(asked, block, ask), found.spread())


def lines_of(calibrated: Calibrated) -> list[str]:
    """Return what people read: the block and the table."""
    lines = [f"{'':32}{'measured':>12}{'predicted':>12}{'error':>9}"]
    for each in calibrated.compared:
        name = f"{each.name} ({each.unit})"
        lines.append(f"{name:32}{each.measured:>12,.4g}{each.predicted:>12,.4g}{each.error:>+9.1%}")
    figure = max(calibrated.spread, key=lambda name: calibrated.spread[name])
    apart = f"The rounds lie up to {calibrated.spread[figure]:.0%} apart ({figure}): smaller errors say nothing."
    return [*lines, "", apart, "", calibrated.block()]


def _said(figure: float | None, workload: str) -> float:
    if not figure:
        raise BenchFailed(f"the workload {workload} measured nothing: it was over too soon")
    return figure

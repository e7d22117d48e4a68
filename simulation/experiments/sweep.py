"""A sweep: the scenario at every value of one place or two, on the same luck, and where its latency turns up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulation.blocks import Block, Picture, Said, Table
from simulation.charts import Line, Mark, curves, heat_map
from simulation.scenarios.building import seconds
from simulation.scenarios.language import Scenario
from simulation.scenarios.summary import Summary, as_json
from simulation.statistics.comparison import FAIL, PASS
from simulation.statistics.intervals import Interval

from .answers import Answer, figure
from .axes import Axis, grid
from .knee import Knee, knee_of
from .places import LOAD, value_at
from .problems import unfit
from .trials import Setup, Trials

MOST_POINTS = 400
MEASURES = ("mean", "p50", "p95", "p99", "completed", "throughput")
_LOADS = (LOAD, ".per_second", ".users", ".speed")


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a sweep; `why_not` says why it was not simulated."""

    values: tuple[Any, ...]
    summary: Summary | None
    why_not: str | None = None

    def word(self) -> str:
        """Return one word for all promises: fail if one is broken, pass if all are kept, no promise: nothing."""
        if self.summary is None:
            return "impossible"
        words = {each.word for each in self.summary.judgements}
        if not words:
            return ""
        return FAIL if FAIL in words else PASS if words == {PASS} else "cannot tell"


def sweep(trials: Trials, document: dict[str, Any], axes: Sequence[Axis], replications: int | None = None) -> Answer:
    """Return the scenario at every combination of the axes' values, with the knee where an axis is a load.

    Raises ExperimentInvalid for axes that cannot be, ScenarioInvalid for a point that is no scenario.
    """
    points = _points(trials, document, axes, replications)
    scenario = trials.scenario(Setup.of("base", document))
    blocks: list[Block] = []
    data: dict[str, Any] = {
        "axes": [{"path": axis.path, "values": list(axis.values)} for axis in axes],
        "points": [_point_json(axes, each) for each in points],
    }
    if len(axes) == 1:
        knees = _knees(axes[0], scenario, points)
        data["knees"] = {name: {"at": each.load, "latency": each.latency} for name, each in knees.items()}
        blocks += _along(axes[0], scenario, points, knees)
    blocks += [_table(axes, scenario, points, place) for place in range(len(scenario.workloads))]
    if len(axes) == 2:
        blocks += _maps(axes, scenario, points)
    refused = [each for each in points if each.why_not is not None]
    blocks += [Said(f"Not simulated, {_named(axes, each.values)}: {each.why_not}") for each in refused]
    asked = " ".join(f"--sweep '{axis.path}={','.join(map(str, axis.values))}'" for axis in axes)
    return Answer("sweep", asked, document, trials.seed, blocks, data)


def _points(trials: Trials, document: dict[str, Any], axes: Sequence[Axis], replications: int | None) -> list[Point]:
    if not 1 <= len(axes) <= 2:
        raise unfit("sweep", f"goes along one place or two, {len(axes)} were given")
    for axis in axes:
        if axis.path != LOAD:
            value_at(document, axis.path)
    made = grid(document, axes)
    if len(made) > MOST_POINTS:
        raise unfit("sweep", f"has {len(made)} points, {MOST_POINTS} are allowed")
    setups = [Setup.of(str(place), each) for place, (_, each) in enumerate(made)]
    refused = {each.name: trials.hopeless(each) for each in setups}
    possible = [each for each in setups if refused[each.name] is None]
    count = replications or trials.scenario(setups[0]).replications
    found = trials.summaries(possible, count)
    return [
        Point(values, found.get(setup.name), refused[setup.name])
        for setup, (values, _) in zip(setups, made, strict=True)
    ]


def is_load(path: str) -> bool:
    """Say whether a place is how much arrives, so that latency against it has a knee."""
    return path == LOAD or path.endswith(_LOADS[1:])


def _latency(points: Sequence[Point], place: int) -> tuple[str, list[tuple[Any, Interval]]]:
    """Return the measure of latency that all points can tell (p95, else the mean), and its value at each point."""
    known = [each for each in points if each.summary is not None and "mean" in each.summary.workloads[place].figures]
    for measure in ("p95", "mean"):
        found = [(each.values[0], each.summary.workloads[place].figures.get(measure)) for each in known if each.summary]
        if found and all(interval is not None for _, interval in found):
            return measure, [(value, interval) for value, interval in found if interval is not None]
    return "mean", []


def _knees(axis: Axis, scenario: Scenario, points: Sequence[Point]) -> dict[str, Knee]:
    if not is_load(axis.path):
        return {}
    knees = {}
    for place, workload in enumerate(scenario.workloads):
        _, found = _latency(points, place)
        found = [(value, each) for value, each in found if value > 0 and each.mean > 0]
        knee = knee_of([value for value, _ in found], [each.mean for _, each in found])
        if knee is not None:
            knees[workload.name] = knee
    return knees


def _along(axis: Axis, scenario: Scenario, points: Sequence[Point], knees: dict[str, Knee]) -> list[Block]:
    blocks: list[Block] = [Said(each, strong=True) for each in _answers(axis, scenario, points, knees)]
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in axis.values)
    for place, workload in enumerate(scenario.workloads):
        measure, found = _latency(points, place)
        if not numbers or len(found) < 2:
            continue
        line = Line(
            workload.name,
            tuple((float(value), each.mean) for value, each in found),
            tuple((each.low, each.high) for _, each in found),
            dots=True,
        )
        marks = (
            [Mark(f"knee {knees[workload.name].load:.4g}", x=knees[workload.name].load)]
            if workload.name in knees
            else []
        )
        promised = [getattr(slo, measure, None) for slo in scenario.slos if slo.workload == workload.name]
        marks += [Mark(f"promised {seconds(each):g} s", y=seconds(each)) for each in promised if each is not None]
        label = f"{measure} of {workload.name} against {axis.path}"
        svg = curves([line], across=axis.path, up=f"{measure} (s)", label=label, marks=marks)
        blocks.append(Picture(f"{label}, with 95 % intervals", svg))
    return blocks


def _answers(axis: Axis, scenario: Scenario, points: Sequence[Point], knees: dict[str, Knee]) -> list[str]:
    said = [
        f"The knee of {name} is at {axis.path} = {each.load:.4g}, with a latency of {each.latency:.4g} s: beyond it, "
        "latency grows faster than the load."
        for name, each in knees.items()
    ]
    if is_load(axis.path) and not knees:
        said.append("No knee in this range: latency grows everywhere slower, or everywhere faster, than the load.")
    kept = [each.values[0] for each in points if each.word() == PASS]
    if scenario.slos:
        values = ", ".join(str(each) for each in kept)
        said.append(
            f"All promises are kept at {axis.path} = {values}." if kept else "At no value are all promises kept."
        )
    return said


def _table(axes: Sequence[Axis], scenario: Scenario, points: Sequence[Point], place: int) -> Table:
    rows = []
    for point in points:
        cells = [str(each) for each in point.values]
        if point.summary is None:
            cells += ["–"] * len(MEASURES) + ["", "impossible"]
        else:
            figures = point.summary.workloads[place].figures
            cells += [figure(measure, figures.get(measure)) for measure in MEASURES]
            cells += [point.summary.bottleneck, point.word()]
        rows.append(tuple(cells))
    columns = (*(axis.path for axis in axes), *MEASURES, "bottleneck", "promises")
    return Table(f"Workload {scenario.workloads[place].name}, 95 % intervals", columns, tuple(rows))


def _maps(axes: Sequence[Axis], scenario: Scenario, points: Sequence[Point]) -> list[Block]:
    blocks: list[Block] = []
    wide, deep = axes[1], axes[0]
    for place, workload in enumerate(scenario.workloads):
        measure, found = _latency(points, place)
        if not found:
            continue
        least, most = min(each.mean for _, each in found), max(each.mean for _, each in found)
        cells = [
            [
                _cell(points[row * len(wide.values) + column], place, measure, least, most)
                for column in range(len(wide.values))
            ]
            for row in range(len(deep.values))
        ]
        label = f"{measure} of {workload.name} (s): rows {deep.path}, columns {wide.path}; ✗ a promise is broken"
        svg = heat_map([str(each) for each in wide.values], [str(each) for each in deep.values], cells, label=label)
        blocks.append(Picture(label, svg))
    return blocks


def _cell(point: Point, place: int, measure: str, least: float, most: float) -> tuple[str, float]:
    figures = {} if point.summary is None else point.summary.workloads[place].figures
    if measure not in figures:
        return "–", 0.0
    mean = figures[measure].mean
    broken = " ✗" if point.word() == FAIL else ""
    return f"{mean:.3g}{broken}", (mean - least) / (most - least) if most > least else 0.0


def _point_json(axes: Sequence[Axis], point: Point) -> dict[str, Any]:
    values = {axis.path: value for axis, value in zip(axes, point.values, strict=True)}
    told = None if point.summary is None else {**as_json(point.summary), "name": _named(axes, point.values)}
    return {"values": values, "promises": point.word(), "why_not": point.why_not, "summary": told}


def _named(axes: Sequence[Axis], values: Sequence[Any]) -> str:
    return ", ".join(f"{axis.path} = {value}" for axis, value in zip(axes, values, strict=True))

"""What replications say of nodes: as figures with intervals, as lines, as JSON and as pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

from orchestration.domain.capacity.vector import RESOURCES
from simulation.figures import HEIGHT, LEFT, RIGHT, WIDTH
from simulation.statistics.intervals import Interval, mean_interval
from simulation.world.cluster_figures import ClusterFigures, Course
from simulation.world.world import Outcome

FIGURES = {
    "moved": lambda each: float(each.moved),
    "moves dropped": lambda each: float(each.dropped),
    "placed anew": lambda each: float(each.placed_anew),
    "deployed": lambda each: float(each.deployed),
    "unplaced": lambda each: each.unplaced,
    "unplaced at most": lambda each: float(each.most_unplaced),
}
"""What is told of a whole cluster, per replication."""

FOOT = 24


@dataclass(frozen=True, slots=True)
class ClusterSummary:
    """A cluster's figures, and those of each node: `held` shares by resource, `cpu in use`, `up`. `why` is the last
    reason for which an instance found no place, empty if all did.
    """

    figures: Mapping[str, Interval]
    nodes: Mapping[str, Mapping[str, Interval]]
    why: str


def cluster_summary(outcomes: Sequence[Outcome]) -> ClusterSummary | None:
    """Return what the replications of one variant say of nodes, None if there are none."""
    found = [each.cluster for each in outcomes if each.cluster is not None]
    if not found:
        return None
    return ClusterSummary(
        figures={word: mean_interval([measure(each) for each in found]) for word, measure in FIGURES.items()},
        nodes={name: _node(name, found) for name in found[0].nodes},
        why=next((each.why for each in found if each.why), ""),
    )


def cluster_json(summary: ClusterSummary | None) -> dict[str, Any] | None:
    """Return it as programs read it."""
    if summary is None:
        return None
    return {
        **{word: interval.as_json() for word, interval in summary.figures.items()},
        "nodes": {
            name: {word: interval.as_json() for word, interval in each.items()} for name, each in summary.nodes.items()
        },
        "why_unplaced": summary.why,
    }


def cluster_lines(summary: ClusterSummary | None) -> Iterator[str]:
    """Yield it as lines."""
    if summary is None:
        return
    yield "  nodes"
    for word, interval in summary.figures.items():
        yield f"    {word:18} {interval.mean:.5g}  [{interval.low:.5g}, {interval.high:.5g}]"
    for name, each in summary.nodes.items():
        told = ", ".join(f"{word} {interval.mean:.1%}" for word, interval in each.items())
        yield f"    {name:18} {told}"
    if summary.why:
        yield f"    last refusal       {summary.why}"


def cluster_pictures(figures: ClusterFigures | None, horizon: float, label: str) -> str:
    """Return how full each node was over time, and how many instances had no place, as SVG (empty without nodes)."""
    if figures is None:
        return ""
    parts = [
        _course(each.course, horizon, 1.0, f"{name}: its fullest resource, {label}")
        for name, each in figures.nodes.items()
    ]
    highest = max(1.0, float(figures.most_unplaced))
    parts.append(_course(figures.course, horizon, highest, f"instances without a place, {label}"))
    return "".join(parts)


def _node(name: str, found: Sequence[ClusterFigures]) -> dict[str, Interval]:
    nodes = [each.nodes[name] for each in found]
    used = [resource for resource in RESOURCES if any(each.held[resource] for each in nodes)]
    figures = {f"{resource} held": mean_interval([each.held[resource] for each in nodes]) for resource in used}
    figures["cpu in use"] = mean_interval([each.cpu for each in nodes])
    figures["up"] = mean_interval([each.up for each in nodes])
    return figures


def _course(course: Course, horizon: float, highest: float, label: str) -> str:
    def point(instant: float, value: float) -> str:
        x = LEFT + min(1.0, instant / horizon) * (WIDTH - LEFT - RIGHT)
        return f"{x:.1f},{HEIGHT / 2 - min(1.0, value / highest) * (HEIGHT / 2 - 10):.1f}"

    points = [point(0.0, course[0][1])]
    for (_, before), (instant, value) in pairwise(course):
        points += [point(instant, before), point(instant, value)]
    points.append(point(horizon, course[-1][1]))
    top = f"{highest:.0%}" if highest == 1.0 else f"{highest:g}"
    text = (
        f'<text x="{LEFT - 8}" y="14" text-anchor="end">{top}</text>'
        f'<text x="{LEFT - 8}" y="{HEIGHT / 2:g}" text-anchor="end">0</text>'
        f'<text x="{LEFT}" y="{HEIGHT / 2 + 18:g}">{escape(label)}, 0 to {horizon:g} s</text>'
    )
    height = HEIGHT / 2 + FOOT
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" role="img">'
        f'<polyline points="{" ".join(points)}"/>{text}</svg>'
    )

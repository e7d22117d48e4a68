"""A result as people read it in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulation.statistics.comparison import CANNOT_TELL
from simulation.statistics.intervals import Interval

from . import forecasting, scoring
from .cluster_summary import cluster_lines
from .running import Result
from .summary import NOT_MODELLED, Judgement, Summary

_TIMES = frozenset({"mean", "p50", "p95", "p99", "time"})
_SHARES = frozenset({"completed", "busy", "failed", "postponed"})


def lines_of(result: Result) -> Iterator[str]:
    """Yield the lines of a result."""
    yield f"{result.scenario.scenario}, seed {result.seed}"
    if result.scenario.description:
        yield result.scenario.description.strip()
    yield from _provenance(result.scenario.provenance)
    for summary in result.summaries:
        yield ""
        yield from _summary(summary, result.expected[summary.name])
    for name, differences in result.differences.items():
        yield ""
        yield f"{name} against {result.summaries[0].name}, replication by replication"
        for measure, interval in differences.items():
            sure = "" if interval.low <= 0 <= interval.high else "  *"
            yield f"  {measure:34} {told(measure.rpartition(' ')[2], interval, signed=True)}{sure}"
    yield ""
    yield "Not modelled: " + "; ".join(NOT_MODELLED) + "."


def _summary(summary: Summary, expected: dict[str, float]) -> Iterator[str]:
    yield f"== {summary.name}: {summary.replications} replications, {summary.steps} attempts"
    for workload in summary.workloads:
        warm_up = f" (the first {workload.dropped} of each replication left out)" if workload.dropped else ""
        yield f"  workload {workload.name}{warm_up}"
        for measure, interval in workload.figures.items():
            yield f"    {measure:18} {told(measure, interval)}"
    for service in summary.services:
        yield f"  service {service.name}"
        for measure, interval in service.figures.items():
            yield f"    {measure:18} {told(measure, interval)}"
        guides = f"{service.expected_busy:.1%} by λE[S]/c, {expected[service.name]:.1%} by the load alone"
        yield f"    {'guides':18} busy {guides}; L = λW within {service.little:.2%}"
    if summary.worker_busy is not None:
        yield f"  workers busy         {told('busy', summary.worker_busy)}"
    yield from cluster_lines(summary.cluster)
    yield f"  bottleneck: {summary.bottleneck}"
    yield from (f"  {_judgement(each)}" for each in summary.judgements)
    if summary.forecast is not None:
        yield from (f"  {each}" for each in forecasting.lines_of(summary.forecast))
    yield from (f"  {each}" for each in scoring.lines_of(summary.scores))
    yield from (f"  note: {each}" for each in summary.notes)


def _provenance(provenance: dict[str, Any]) -> Iterator[str]:
    if not provenance:
        return
    yield (
        f"fitted to {provenance.get('read')} of {provenance.get('started')} executions from {provenance.get('from')} "
        f"to {provenance.get('to')}, data {str(provenance.get('data_hash'))[:12]}"
    )
    yield from (f"  filter: {each}" for each in provenance.get("filters", ()))
    yield from (f"  warning: {each}" for each in provenance.get("warnings", ()))


def _judgement(judged: Judgement) -> str:
    promised = f"{judged.promised:.2%}" if judged.measure == "completed" else f"{judged.promised:g} s"
    got = "too few executions" if judged.figure is None else told(judged.measure, judged.figure)
    more = f"; about {judged.more} more replications would tell" if judged.word == CANNOT_TELL and judged.more else ""
    return f"SLO {judged.workload} {judged.measure} {promised}: {judged.word.upper()} ({got}{more})"


def told(measure: str, interval: Interval, *, signed: bool = False) -> str:
    """Return a figure with its interval: times in seconds, shares in percent."""
    sign = "+" if signed else ""
    if measure in _TIMES:
        return f"{interval.mean:{sign}.4g} s  [{interval.low:.4g}, {interval.high:.4g}]"
    if measure in _SHARES:
        return f"{interval.mean:{sign}.2%}  [{interval.low:.2%}, {interval.high:.2%}]"
    return f"{interval.mean:{sign}.5g}  [{interval.low:.5g}, {interval.high:.5g}]"

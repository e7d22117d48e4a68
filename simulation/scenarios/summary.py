"""What replications of a scenario come to: figures with their intervals, verdicts, the bottleneck, guides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulation.statistics.comparison import CANNOT_TELL, FAIL, more_to_tell, verdict
from simulation.statistics.intervals import Interval, enough_for, mean_interval, percentile
from simulation.statistics.warmup import average_series, mser5
from simulation.streams import Floats
from simulation.world.world import Outcome, WorkloadFigures, WorldModel

from .building import AS_WRITTEN, seconds
from .bursty import notes_on_traces
from .cluster_summary import ClusterSummary, cluster_json, cluster_summary
from .forecasting import Forecast, forecast
from .language import Scenario, Slo, calls_in
from .scoring import Score, scores

PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
LITTLE = 0.01
NOT_MODELLED = (
    "time on the network beside what the service times hold",
    "the machine under the platform: memory, collections of rubbish, neighbours",
    "the database and the broker, beside the workers' commit and per-entry times",
    "parking: an execution that waits keeps its worker's slot",
    "several workers' own views of a circuit, a budget or a limit: all share one gate",
    "times that depend on a call's input, or on how many calls an instance serves",
    "on nodes: contention for anything but CPU, which is shared as it was when a call began",
    "on nodes: failures of the network between them, and calls to a lost node that hang instead of being refused",
)
"""What every result says that it leaves out."""


@dataclass(frozen=True, slots=True)
class WorkloadSummary:
    """A workload's figures by name, each an interval; `dropped` executions of each replication were warm-up.

    `too_few` are percentiles for which there were too few executions in a replication to tell them.
    """

    name: str
    figures: dict[str, Interval]
    values: dict[str, list[float]]
    dropped: int
    steady: bool
    too_few: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceSummary:
    """A service's figures; `expected_busy` is λ E[S] / places, `little` how far L is from λ W (a share)."""

    name: str
    figures: dict[str, Interval]
    expected_busy: float
    little: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """A promise and whether it is kept. `more` is about how many replications would tell, where it cannot be told."""

    workload: str
    measure: str
    promised: float
    figure: Interval | None
    word: str
    more: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """All that one variant of a scenario came to."""

    name: str
    replications: int
    steps: int
    workloads: list[WorkloadSummary]
    services: list[ServiceSummary]
    worker_busy: Interval | None
    judgements: list[Judgement]
    bottleneck: str
    notes: list[str] = field(default_factory=list)
    forecast: Forecast | None = None
    scores: list[Score] = field(default_factory=list)
    cluster: ClusterSummary | None = None


def summarise(name: str, scenario: Scenario, world: WorldModel, outcomes: Sequence[Outcome]) -> Summary:
    """Return what the replications of one variant came to."""
    workloads = [_workload(each.name, scenario, outcomes) for each in scenario.workloads]
    services = [_service(each, world, outcomes) for each in scenario.services]
    workers = None if scenario.workers is None else mean_interval([each.worker_busy for each in outcomes])
    by_name = {each.name: each for each in workloads}
    summary = Summary(
        name=name,
        replications=len(outcomes),
        steps=sum(each.steps for each in outcomes),
        workloads=workloads,
        services=services,
        worker_busy=workers,
        judgements=[judged for slo in scenario.slos for judged in _judge(slo, by_name[slo.workload])],
        bottleneck=_bottleneck(services, workers),
        forecast=forecast(outcomes, seconds(scenario.horizon)),
        scores=scores(scenario.recorded, outcomes, seconds(scenario.horizon)) if name == AS_WRITTEN else [],
        cluster=cluster_summary(outcomes),
    )
    summary.notes.extend(_notes(summary, scenario))
    summary.notes.extend(notes_on_traces(world))
    return summary


def _workload(name: str, scenario: Scenario, outcomes: Sequence[Outcome]) -> WorkloadSummary:
    found = [outcome.workloads[name] for outcome in outcomes]
    series = _alike(found)
    dropped, steady = 0, True
    if not scenario.transient:
        warm_up = mser5(average_series(series))
        dropped, steady = warm_up.dropped, warm_up.steady
    kept = [each[dropped:] for each in series]
    values: dict[str, list[float]] = {
        "throughput": [each.ended / seconds(scenario.horizon) for each in found],
        "completed": [each.completed / max(1, each.offered - each.open + each.overdue) for each in found],
        "overdue at the end": [float(each.overdue) for each in found],
    }
    too_few = []
    if all(each.size for each in kept):
        values["mean"] = [float(each.mean()) for each in kept]
    for word, share in PERCENTILES.items():
        if all(enough_for(share, each.size) for each in kept):
            values[word] = [percentile(each, share) for each in kept]
        else:
            too_few.append(word)
    figures = {word: mean_interval(each) for word, each in values.items()}
    return WorkloadSummary(name, figures, values, dropped, steady, tuple(too_few))


def _alike(found: Sequence[WorkloadFigures]) -> list[Floats]:
    """Return the times of each replication, job by job: of all the same jobs, where some kept fewer than others."""
    most = max(each.every for each in found)
    return [each.times[:: most // each.every] for each in found]


def _service(name: str, world: WorldModel, outcomes: Sequence[Outcome]) -> ServiceSummary:
    found = [outcome.services[name] for outcome in outcomes]
    model = next(each for each in world.services if each.name == name)
    measures: dict[str, Callable[[Any], float]] = {
        "busy": lambda each: each.busy,
        "inside": lambda each: each.inside,
        "calls a second": lambda each: each.arrivals,
        "time": lambda each: each.time,
        "failed": lambda each: each.failed / max(1, each.attempts),
        "postponed": lambda each: sum(each.postponed.values()) / max(1, each.attempts),
    }
    figures = {word: mean_interval([measure(each) for each in found]) for word, measure in measures.items()}
    served = figures["calls a second"].mean
    expected = served * model.times.mean / (model.instances * model.capacity)
    product = served * figures["time"].mean
    inside = figures["inside"].mean
    return ServiceSummary(name, figures, expected, abs(inside - product) / inside if inside else 0.0)


def _judge(slo: Slo, workload: WorkloadSummary) -> list[Judgement]:
    judged = []
    for word in PERCENTILES:
        promised = getattr(slo, word)
        if promised is None:
            continue
        figure = workload.figures.get(word)
        if figure is None:
            judged.append(Judgement(slo.workload, word, seconds(promised), None, CANNOT_TELL))
        else:
            most = seconds(promised)
            said, more = verdict(figure, at_most=most), more_to_tell(figure, at_most=most)
            judged.append(Judgement(slo.workload, word, most, figure, said, more))
    if slo.completed is not None:
        figure = workload.figures["completed"]
        # A share that should be at least so high is one of failures that should be at most so high.
        failed = Interval(1 - figure.mean, 1 - figure.high, 1 - figure.low, figure.count)
        most = round(1 - slo.completed, 12)
        said, more = verdict(failed, at_most=most), more_to_tell(failed, at_most=most)
        judged.append(Judgement(slo.workload, "completed", slo.completed, figure, said, more))
    return judged


def _bottleneck(services: Sequence[ServiceSummary], workers: Interval | None) -> str:
    shares = {f"service {each.name}": each.figures["busy"].mean for each in services}
    if workers is not None:
        shares["workers"] = workers.mean
    name = max(shares, key=lambda each: shares[each], default="")
    return f"{name}, busy {shares[name]:.1%}" if name else "nothing"


def _notes(summary: Summary, scenario: Scenario) -> list[str]:
    notes = []
    for workload in summary.workloads:
        if not workload.steady:
            notes.append(f"{workload.name}: no steady state was found; the horizon is too short, or the load too high")
        overdue = workload.figures["overdue at the end"].mean
        if overdue >= 1:
            notes.append(
                f"{workload.name}: {overdue:.0f} executions had long begun and not ended; times are without them"
            )
        if workload.too_few:
            few = ", ".join(workload.too_few)
            notes.append(f"{workload.name}: too few executions in a replication to tell {few}; lengthen the horizon")
    if not scenario.transient:
        away = [each for each in summary.services if each.little > LITTLE]
        notes += [
            f"{each.name}: L differs from λW by {each.little:.1%}; calls inside at the end count once" for each in away
        ]
    return notes


def as_json(summary: Summary) -> dict[str, Any]:
    """Return a summary as programs read it. Times are seconds."""
    return {
        "name": summary.name,
        "replications": summary.replications,
        "steps": summary.steps,
        "workloads": {each.name: _figures(each.figures) for each in summary.workloads},
        "services": {
            each.name: {**_figures(each.figures), "expected_busy": each.expected_busy, "little": each.little}
            for each in summary.services
        },
        "workers": None if summary.worker_busy is None else summary.worker_busy.as_json(),
        "slos": [
            {
                "workload": each.workload,
                "measure": each.measure,
                "promised": each.promised,
                "got": None if each.figure is None else each.figure.as_json(),
                "verdict": each.word,
                "more_replications": each.more,
            }
            for each in summary.judgements
        ],
        "bottleneck": summary.bottleneck,
        "notes": summary.notes,
        "forecast": None if summary.forecast is None else summary.forecast.as_json(),
        "scores": [each.as_json() for each in summary.scores],
        "cluster": cluster_json(summary.cluster),
    }


def all_kept(summaries: Sequence[Summary]) -> bool:
    """Say whether no promise of any variant is broken."""
    return all(each.word != FAIL for summary in summaries for each in summary.judgements)


def _figures(figures: dict[str, Interval]) -> dict[str, Any]:
    return {word: interval.as_json() for word, interval in figures.items()}


def expected_loads(scenario: Scenario, world: WorldModel) -> dict[str, float]:
    """Return at least how busy each service will be, every step run once: the utilisation law λ E[S] / places.

    Closed users never overload anything, so they count for nothing; retries, loops and branches are not looked into.
    """
    busy = dict.fromkeys(scenario.services, 0.0)
    definitions = {each["id"]: each for each in scenario.workflows}
    for workload in world.workloads:
        rate = getattr(workload.load, "rate", None)
        if rate is None:
            continue
        always = [step for step in definitions[workload.workflow]["steps"] if "condition" not in step]
        for _, called in calls_in(always, ""):
            model = next(each for each in world.services if each.name == called)
            busy[called] += rate(world.horizon) * model.times.mean / (model.instances * model.capacity)
    return {name: float(np.round(share, 6)) for name, share in busy.items()}

"""One long replication instead of many short ones: its warm-up cut once, its interval from thirty batch means.

Worth it where the warm-up is long: it is paid once. The interval holds only if batches are as good as independent, and
the answer says when they are not.
"""

from __future__ import annotations

from typing import Any

from simulation.blocks import Block, Said, Table
from simulation.statistics.batch_means import BATCHES, BatchMeans, batch_means
from simulation.statistics.warmup import WarmUp, mser5

from .answers import Answer, figure
from .problems import unfit
from .trials import Setup, Trials


def long_run(trials: Trials, document: dict[str, Any]) -> Answer:
    """Return each workload's mean time from one replication. Raises ExperimentInvalid for a run too short for it."""
    setup = Setup.of("long run", document)
    why_not = trials.hopeless(setup)
    if why_not is not None:
        raise unfit("long-run", why_not, "load.above_capacity")
    scenario = trials.scenario(setup)
    outcome = trials.outcomes([setup], 1)[setup.name][0]
    rows, data, blocks = [], {}, list[Block]()
    for workload in scenario.workloads:
        times = outcome.workloads[workload.name].times
        warm_up = WarmUp(0, steady=True) if scenario.transient else mser5(times)
        kept = times[warm_up.dropped :]
        if kept.size < BATCHES:
            raise unfit(
                "horizon", f"{kept.size} executions of {workload.name} are left after the warm-up; {BATCHES} at least"
            )
        means = batch_means(kept)
        rows.append(_row(workload.name, kept.size, warm_up, means))
        data[workload.name] = _json(kept.size, warm_up, means)
        if not means.independent or not warm_up.steady:
            said = "batches are not independent yet" if warm_up.steady else "no steady state was found"
            blocks.append(
                Said(f"{workload.name}: {said}, so the interval is too narrow; lengthen the horizon.", strong=True)
            )
    columns = ("workload", "mean time", "executions", "warm-up left out", "in a batch", "lag-1 correlation")
    blocks.append(Table(f"One replication, 95 % intervals by {BATCHES} batch means", columns, tuple(rows)))
    return Answer("long run", "--long-run", document, trials.seed, blocks, {"workloads": data})


def _row(name: str, count: int, warm_up: WarmUp, means: BatchMeans) -> tuple[str, ...]:
    time = figure("mean", means.interval)
    return name, time, str(count), str(warm_up.dropped), str(means.length), f"{means.lag1:+.2f}"


def _json(count: int, warm_up: WarmUp, means: BatchMeans) -> dict[str, Any]:
    interval = means.interval
    return {
        "mean": {"mean": interval.mean, "low": interval.low, "high": interval.high, "batches": interval.count},
        "executions": count,
        "dropped": warm_up.dropped,
        "steady": warm_up.steady,
        "batch": means.length,
        "lag1": means.lag1,
        "independent": means.independent,
    }

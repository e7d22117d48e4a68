"""Replications until the figures are sure: the stopping rule over a whole scenario.

In rounds: ten replications first, then as many as the widest figure needs by its own width (which falls with the root
of their number), at most as many again as there are. What decides are each workload's mean time and each promised
figure, in every variant. The cap or the clock may end it before; then the answer says which figure is how wide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from simulation.statistics.intervals import Interval
from simulation.statistics.stopping import StoppingRule
from simulation.world.world import Outcome

from .running import Plan, Progress, Result, concluded, planned, refuse_hopeless, simulated
from .summary import Summary


def run_until_sure(
    document: dict[str, Any],
    *,
    folder: Path,
    seed: int,
    rule: StoppingRule,
    in_time: Callable[[], bool] = lambda: True,
    jobs: int = 1,
    progress: Progress = lambda done, of: None,
) -> Result:
    """Return what a scenario comes to once every figure that decides is as narrow as the rule asks.

    `in_time` is asked before every round but the first; without it the same document and seed give the same result.
    A note of the first variant says how it ended. Raises ScenarioInvalid as `run_scenario` does.
    """
    plan = planned(document, folder=folder)
    refuse_hopeless(plan, seed=seed)
    outcomes: dict[str, list[Outcome]] = {name: [] for name in plan.scenarios}
    there, more = 0, min(rule.least, rule.most)
    while True:
        found = simulated(document, list(plan.scenarios), range(there, there + more), folder, seed, jobs, progress)
        for name, row in found.items():
            outcomes[name] += row
        there += more
        result = concluded(plan, outcomes, seed=seed)
        more = next_round(result, rule, there)
        if not more or not in_time():
            return ended(result, rule, there)


def next_round(result: Result, rule: StoppingRule, there: int) -> int:
    """Return how many replications come after the first `there`, 0: it is over."""
    return max(0, min(rule.most - there, there, more_needed(result, rule)))


def over_after(plan: Plan, outcomes: Mapping[str, list[Outcome]], rule: StoppingRule, *, seed: int) -> int | None:
    """Return the replications after which the rounds are over, None if those that there are are not enough for that.

    It is the number after which `run_until_sure` ends.
    """
    count, there = min(map(len, outcomes.values())), min(rule.least, rule.most)
    while there <= count:
        result = concluded(plan, {name: row[:there] for name, row in outcomes.items()}, seed=seed)
        more = next_round(result, rule, there)
        if not more:
            return there
        there += more
    return None


def ended(result: Result, rule: StoppingRule, there: int) -> Result:
    """Return the result with a note of how it ended after `there` replications."""
    result.summaries[0].notes.insert(0, _how_it_ended(result, rule, there, capped=there >= rule.most))
    return result


def more_needed(result: Result, rule: StoppingRule) -> int:
    """Return about how many more replications of each variant the rule asks for; 0 if all that decides is narrow."""
    return max(rule.more(interval) for _, interval in deciding(result))


def deciding(result: Result) -> Iterator[tuple[str, Interval]]:
    """Yield the figures that decide: each workload's mean time, and what is promised, of every variant."""
    for summary in result.summaries:
        yield from _of(summary)


def _of(summary: Summary) -> Iterator[tuple[str, Interval]]:
    for workload in summary.workloads:
        if "mean" in workload.figures:
            yield f"{summary.name}: {workload.name} mean", workload.figures["mean"]
    for judged in summary.judgements:
        if judged.figure is not None and judged.measure != "mean":
            yield f"{summary.name}: {judged.workload} {judged.measure}", judged.figure


def _how_it_ended(result: Result, rule: StoppingRule, there: int, *, capped: bool) -> str:
    name, widest = max(deciding(result), key=lambda each: each[1].relative)
    if not rule.more(widest):
        return f"sure after {there} replications: every figure that decides is within ±{rule.target:.0%}"
    why = f"the cap of {rule.most} replications" if capped else "the time limit"
    return f"not sure: {why} ended it after {there}; the widest figure, {name}, is within ±{widest.relative:.1%}"

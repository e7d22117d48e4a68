"""Whether a set-up keeps all promises, said as early as it can be known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from simulation import formulas
from simulation.arrivals.processes import Poisson
from simulation.scenarios.building import AS_WRITTEN, seconds
from simulation.scenarios.language import Scenario, Slo
from simulation.scenarios.single_pool import SinglePool, pool_of
from simulation.scenarios.summary import PERCENTILES, Summary
from simulation.service_models.distributions import Exponential
from simulation.statistics.comparison import CANNOT_TELL, FAIL, PASS
from simulation.statistics.intervals import CONFIDENCE, LEAST_TAIL, mean_interval
from simulation.world.world import Outcome, WorldModel

from .problems import unfit
from .trials import Setup, Trials

FIRST_LOOK = 5
"""Replications after which a set-up is looked at first; then after twice as many, and so on."""

HOPELESS = "impossible"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether all promises are kept, and why that is said. `replications` 0: it needed none."""

    word: str
    why: str
    replications: int = 0
    summary: Summary | None = None


def judge(trials: Trials, setup: Setup, most: int, *, first: int = 0, early: bool = True) -> Verdict:
    """Return whether a set-up keeps its promises, from at most `most` replications, from number `first` on.

    With `early` it is looked at after 5, 10, 20 … replications, and ended once every promise is kept or one is broken;
    the intervals of all looks hold together with 95 % (Bonferroni), so that looking often does not fool.
    """
    why_not = trials.overloaded(setup)
    if why_not is not None:
        return Verdict(HOPELESS, why_not.partition(": ")[0])
    exact = by_formula(trials, setup)
    if exact is not None:
        return exact
    looks = [most] if not early else sorted({*_doubling(most), most})
    confidence = 1 - (1 - CONFIDENCE) / len(looks)
    outcomes: list[Outcome] = []
    verdict = Verdict(CANNOT_TELL, "it was not looked at")
    for look in looks:
        outcomes += trials.outcomes([setup], look - len(outcomes), first + len(outcomes))[setup.name]
        summary = trials.summary(setup, outcomes)
        word, why = judged(trials.scenario(setup), summary, confidence)
        verdict = Verdict(word, why, look, summary)
        if word != CANNOT_TELL:
            break
    return verdict


def judged(scenario: Scenario, summary: Summary, confidence: float) -> tuple[str, str]:
    """Return one word for all promises, with what it rests on: the worst of them."""
    words = [each for slo in scenario.slos for each in _each(slo, summary, confidence)]
    for wanted in (FAIL, CANNOT_TELL):
        told = [why for word, why in words if word == wanted]
        if told:
            return wanted, "; ".join(told)
    return PASS, "; ".join(why for _, why in words)


def _each(slo: Slo, summary: Summary, confidence: float) -> list[tuple[str, str]]:
    workload = next(each for each in summary.workloads if each.name == slo.workload)
    found = []
    for word in PERCENTILES:
        promised = getattr(slo, word)
        if promised is None:
            continue
        if word not in workload.values:
            found.append((CANNOT_TELL, f"{slo.workload} {word}: too few executions a replication"))
            continue
        figure, most = mean_interval(workload.values[word], confidence), seconds(promised)
        verdict = PASS if figure.high <= most else FAIL if figure.low > most else CANNOT_TELL
        said = f"{slo.workload} {word} {figure.mean:.4g} s [{figure.low:.4g}, {figure.high:.4g}], promised {most:g} s"
        found.append((verdict, said))
    if slo.completed is not None:
        figure = mean_interval(workload.values["completed"], confidence)
        verdict = PASS if figure.low >= slo.completed else FAIL if figure.high < slo.completed else CANNOT_TELL
        got = f"{figure.mean:.3%} [{figure.low:.3%}, {figure.high:.3%}]"
        said = f"{slo.workload} completed {got}, promised {slo.completed:.3%}"
        found.append((verdict, said))
    return found


def by_formula(trials: Trials, setup: Setup) -> Verdict | None:
    """Return the exact verdict of M/M/c; None for what is no single queue of Poisson calls and exponential times."""
    plan = trials.plan(setup)
    scenario = plan.scenarios[AS_WRITTEN]
    pool = markov_pool(scenario, plan.worlds[AS_WRITTEN])
    if pool is None or scenario.transient:
        return None
    servers, arrivals, services = pool
    words = []
    for slo in scenario.slos:
        for word, share in PERCENTILES.items():
            promised = getattr(slo, word)
            if promised is not None:
                late = formulas.response_beyond(servers, arrivals, services, seconds(promised))
                said = f"P(T > {seconds(promised):g} s) = {late:.4%} by Erlang C, {1 - share:.0%} may be"
                words.append((PASS if late <= 1 - share else FAIL, said))
        if slo.completed is not None:
            words.append((PASS, "nothing fails"))
    broken = [why for word, why in words if word == FAIL]
    return Verdict(FAIL if broken else PASS, "; ".join(broken or [why for _, why in words]))


def floor_of(trials: Trials, setup: Setup) -> str | None:
    """Return why no number of servers keeps a promise of an M/M/c, None if nothing is in the way or it is no M/M/c."""
    plan = trials.plan(setup)
    scenario = plan.scenarios[AS_WRITTEN]
    pool = markov_pool(scenario, plan.worlds[AS_WRITTEN])
    for slo in scenario.slos if pool is not None else ():
        for word, share in PERCENTILES.items():
            promised = getattr(slo, word)
            late = 0.0 if promised is None or pool is None else math.exp(-seconds(promised) * pool[2])
            if late > 1 - share:
                return (
                    f"{slo.workload} {word} cannot be kept: alone, the service takes more than {seconds(promised):g} s "
                    f"in {late:.1%} of the cases, {1 - share:.0%} may; so many are late whatever is added"
                )
    return None


def markov_pool(scenario: Scenario, world: WorldModel) -> tuple[int, float, float] | None:
    """Return (servers, arrivals a second, services a second) of an M/M/c, None for anything else."""
    pool: SinglePool | None = pool_of(scenario, world)
    if pool is None or pool.service.instances != 1:
        return None
    if not isinstance(pool.load, Poisson) or not isinstance(pool.times, Exponential):
        return None
    return pool.service.capacity, pool.load.per_second, 1 / pool.times.mean


def refuse_too_short(trials: Trials, setup: Setup) -> None:
    """Raise ExperimentInvalid where too few executions arrive in a replication to tell a promised percentile."""
    plan = trials.plan(setup)
    scenario, world = plan.scenarios[AS_WRITTEN], plan.worlds[AS_WRITTEN]
    if markov_pool(scenario, world) is not None and not scenario.transient:
        return
    rates = {each.name: each.load.rate(world.horizon) for each in world.workloads if hasattr(each.load, "rate")}
    for place, slo in enumerate(scenario.slos):
        for word, share in PERCENTILES.items():
            rate = rates.get(slo.workload)
            if getattr(slo, word) is None or rate is None:
                continue
            needed, there = LEAST_TAIL / (1 - share), rate * world.horizon
            if there < needed:
                raise unfit(
                    f"slos[{place}].{word}",
                    f"needs {needed:,.0f} executions a replication to be told, about {there:,.0f} arrive; "
                    f"make the horizon at least {needed / rate * 1.25:,.0f} s",
                )


def _doubling(most: int) -> Sequence[int]:
    looks, look = [], FIRST_LOOK
    while look < most:
        looks.append(look)
        look *= 2
    return looks

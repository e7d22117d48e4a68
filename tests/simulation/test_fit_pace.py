"""Slowness that belongs to executions is found, modelled, and foretells whole executions' times."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.fit.pace import paces, without_pace
from simulation.fit.scenario import fit_history
from simulation.scenarios.building import world_of
from simulation.scenarios.language import parse_scenario
from simulation.service_models.distributions import Gamma
from simulation.world.cases import Case
from simulation.world.world import simulate
from tests.simulation.histories import history_of
from tests.simulation.worlds import one_step, with_cases, world

STEPS = 5


def calls(pace, *, seed=1, noise=0.3):
    """Return executions, kinds and times of calls: five of each execution, each of another kind and usual time."""
    chance = np.random.default_rng(seed)
    executions = [str(each) for each in range(len(pace)) for _ in range(STEPS)]
    kinds = [f"step-{each}" for _ in pace for each in range(STEPS)]
    usual = np.tile(np.arange(1.0, STEPS + 1), len(pace))
    return executions, kinds, usual * np.repeat(pace, STEPS) * chance.lognormal(0, noise, usual.size)


def test_it_finds_no_paces_where_calls_know_nothing_of_one_another():
    found = paces(*calls(np.ones(400)))
    assert not found.of
    assert found.between < 0.05


def test_it_finds_the_slow_executions():
    pace = np.where(np.arange(400) % 20 == 0, 8.0, 1.0)
    found = paces(*calls(pace))
    told = np.array([found.of[str(each)] for each in range(400)])
    assert told[pace == 8].min() > 3 * told[pace == 1].max()
    assert told[pace == 8].mean() == pytest.approx(8, rel=0.15)
    # The others' differences are chance: a pace of theirs would be counted twice.
    assert (told[pace == 1] == 1).mean() > 0.99


def test_it_keeps_the_spread_of_paces_and_the_mean_of_times():
    chance = np.random.default_rng(4)
    pace = chance.lognormal(0, 0.5, 1000)
    executions, kinds, times = calls(pace)
    found = paces(executions, kinds, times)
    told = np.log(list(found.of.values()))
    assert told.std() == pytest.approx(0.5, rel=0.1)
    usual = without_pace(executions, times, found)
    each = np.array([found.of[name] for name in executions])
    assert usual.mean() * each.mean() == pytest.approx(times.mean())


def test_it_is_silent_where_there_are_too_few():
    assert paces(*calls(np.array([1.0, 9.0] * 10))).p is None


def test_it_foretells_the_times_of_whole_executions(tmp_path):
    first = one_step()["steps"][0]
    steps = [first] + [
        {**first, "id": f"s{each}", "dependencies": ["call" if each == 1 else f"s{each - 1}"]} for each in range(1, 4)
    ]
    definition = {**one_step(), "steps": steps}
    model = world(definition=definition, per_second=4.0, seconds=500.0, times=Gamma(0.2, 0.2), capacity=500)
    history = history_of(with_cases(model, Case(count=8), Case(pace=6.0, count=2)), definition)
    times = [(each.ended - each.created) / 1e6 for each in history.executions if each.ended is not None]
    fitted = fit_history(history, seed=1)
    assert fitted.document["provenance"]["paces"]["modelled"]
    found = simulate(world_of(parse_scenario(fitted.document), tmp_path), seed=2).workloads["work"].times
    for share in (0.5, 0.95):
        assert np.quantile(found, share) == pytest.approx(np.quantile(times, share), rel=0.1)

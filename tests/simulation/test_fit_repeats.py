"""Failures that belong to an execution are told from those of single attempts."""

from __future__ import annotations

import numpy as np
import pytest

from orchestration.domain.errors import StepError
from simulation.fit.attempts import COMPLETED, Attempt
from simulation.fit.repeats import owing
from simulation.fit.scenario import fit_history
from simulation.scenarios.building import world_of
from simulation.scenarios.language import parse_scenario
from simulation.service_models.distributions import Fixed
from simulation.world.cases import Case, Failing
from simulation.world.models import Failures
from simulation.world.world import simulate
from tests.simulation.histories import history_of
from tests.simulation.worlds import one_step, with_cases, world

PATIENT = {"max_attempts": 5, "delay": "10ms", "jitter": 0}


def attempts(runs, *, retryable=True):
    """Return the attempts of runs, each a text of `x` (failed) and `.` (completed)."""
    found = []
    for execution, run in enumerate(runs):
        for number, sign in enumerate(run, start=1):
            outcome = COMPLETED if sign == "." else "http_503"
            verdict = None if sign == "." else retryable
            place = execution * 100 + number
            found.append(
                Attempt(
                    str(execution),
                    "work",
                    "call",
                    "s",
                    "m",
                    number,
                    place,
                    place,
                    outcome,
                    retryable=verdict,
                    path="call",
                )
            )
    return found


def by_chance(share, count, *, seed=1, most=5):
    """Return runs whose attempts fail with a share each, whatever came of the one before."""
    chance = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        failed = int(chance.geometric(1 - share)) - 1
        found.append("x" * min(failed, most) + ("." if failed < most else ""))
    return found


def test_it_leaves_failures_of_single_attempts_to_the_service():
    found = owing(attempts(by_chance(0.2, 2000)))
    told = found.steps["work.call"]
    assert not found.owed
    assert not told.dependent
    assert told.independent == pytest.approx(0.2, abs=0.02)


def test_it_finds_the_executions_that_fail_on_every_attempt():
    found = owing(attempts(by_chance(0.1, 1000) + ["xxxxx"] * 50))
    told = found.steps["work.call"]
    assert told.dependent
    assert told.for_good == pytest.approx(50, abs=3)
    assert told.independent == pytest.approx(0.1, abs=0.02)
    assert sum(owed.first is None for owed in found.owed.values()) == told.for_good


def test_it_finds_the_executions_that_fail_several_times_in_a_row():
    found = owing(attempts(["."] * 400 + ["xx."] * 40))
    assert len(found.owed) == 40
    assert {owed.first for owed in found.owed.values()} == {2}
    assert found.steps["work.call"].independent == 0


def test_it_takes_a_service_at_its_word_that_trying_again_is_no_use():
    found = owing(attempts(["."] * 20 + ["x"] * 3, retryable=False))
    assert len(found.owed) == 3
    assert found.steps["work.call"].p is None


def test_it_does_not_have_a_whole_loop_fail_for_one_of_its_items():
    bad = attempts(["x"], retryable=False)
    good = attempts(["."])
    other = type(good[0])(
        **{name: getattr(good[0], name) for name in Attempt.__slots__} | {"path": "call[1]", "execution": "0"}
    )
    assert not owing([*bad, other]).owed


@pytest.fixture(scope="module")
def bad_orders():
    """Return the history of a step that a tenth of the executions never get past, and others fail at now and then."""
    refused = Failing(StepError("warming_up", retryable=True, details={"status": 503}))
    definition = one_step(retry=PATIENT)
    model = world(
        definition=definition, per_second=4.0, seconds=400.0, times=Fixed(0.05), capacity=100, failures=Failures(0.1)
    )
    return history_of(with_cases(model, Case(count=9), Case(count=1, fails={"call": refused})), definition)


def test_it_fits_both_parts_and_foretells_how_many_fail_for_good(bad_orders, tmp_path):
    fitted = fit_history(bad_orders, seed=1)
    told = fitted.document["provenance"]["repeats"]["work.call"]
    assert told["for_good"] == pytest.approx(0.1, abs=0.03)
    assert fitted.document["services"]["backend"]["failures"]["share"] == pytest.approx(0.1, abs=0.02)
    (owed,) = [each["fails"]["call"] for each in fitted.document["workloads"][0]["cases"] if "fails" in each]
    assert (owed["code"], owed["status"], owed["retryable"]) == ("warming_up", 503, True)
    foretold = simulate(world_of(parse_scenario(fitted.document), tmp_path), seed=2).workloads["work"]
    real = [each for each in bad_orders.executions if each.ended is not None]
    share = np.mean([each.status == "completed" for each in real])
    assert foretold.completed / foretold.ended == pytest.approx(share, abs=0.03)


def test_it_has_no_retry_help_a_bad_order(bad_orders, tmp_path):
    document = fit_history(bad_orders, seed=1).document
    document["workflows"][0] = one_step(retry={**PATIENT, "max_attempts": 12})
    # Without the retry budget, which so many useless retries would use up.
    document["services"]["backend"]["policy"] = None
    foretold = simulate(world_of(parse_scenario(document), tmp_path), seed=2).workloads["work"]
    assert foretold.completed / foretold.ended == pytest.approx(0.9, abs=0.03)

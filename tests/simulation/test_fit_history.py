"""From recorded executions to a scenario: the simulator records a world that is known, and the fit finds it again."""

from __future__ import annotations

import numpy as np
import pytest

from orchestration.domain.documents import parse_document
from simulation.fit.attempts import CANCELLED, COMPLETED, RUNNING, read
from simulation.fit.capacity import infer_places
from simulation.fit.scenario import data_hash, fit_history
from simulation.fit.services import UNKNOWN_CAPACITY, Registered
from simulation.fit.writing import text_of
from simulation.scenarios.building import world_of
from simulation.scenarios.language import ScenarioInvalid, parse_scenario
from simulation.service_models.distributions import Exponential, Fixed, Lognormal
from simulation.world.models import Failures
from simulation.world.world import simulate
from tests.simulation.histories import history_of
from tests.simulation.worlds import one_step, world


def recorded(definition=None, *, registered=None, **more):
    definition = definition or one_step()
    return history_of(world(definition=definition, **more), definition, registered=registered)


@pytest.fixture(scope="module")
def queue():
    """Return the history of a service of three places that is busy two thirds of the time, with a tenth of failures."""
    return recorded(
        per_second=4.0, seconds=400.0, times=Lognormal(0.5, 1.5), capacity=3, failures=Failures(0.1, times=Fixed(0.05))
    )


@pytest.fixture(scope="module")
def fitted(queue):
    return fit_history(queue, seed=1)


def test_it_finds_places_and_times_of_a_service_that_makes_callers_wait(queue, fitted):
    service = fitted.services["backend"]
    assert service.document["capacity"] == 3
    waiting = np.mean(
        [each.ended - each.began for each in read(queue.executions, queue.graphs, until=queue.until).attempts]
    )
    assert waiting / 1e6 > 0.6
    assert service.methods["serve"].mean == pytest.approx(0.5, rel=0.06)


def test_it_tells_failures_from_successes(fitted):
    failures = fitted.services["backend"].document["failures"]
    assert failures["share"] == pytest.approx(0.1, abs=0.02)
    assert (failures["code"], failures["retryable"]) == ("http_503", True)
    assert failures["times"]["kind"] == "empirical" or failures["times"]["time"] == pytest.approx(0.05)
    assert set(fitted.services["backend"].outcomes["work.call"]) >= {COMPLETED, "http_503"}


def test_it_writes_a_scenario_that_comes_to_what_was_recorded(queue, fitted, tmp_path):
    document = parse_document(text_of(fitted.document))
    assert document["services"] == fitted.document["services"]
    model = world_of(parse_scenario(document), tmp_path)
    medians = [np.median(simulate(model, seed=2, replication=place).workloads["work"].times) for place in range(6)]
    ended = [each for each in queue.executions if each.ended is not None]
    # A queue that is two thirds full varies much from one hundred seconds to the next.
    assert min(medians) <= np.median([each.ended - each.created for each in ended]) / 1e6 <= max(medians)
    assert max(medians) < 2 * min(medians)


def test_it_says_where_it_comes_from(queue, fitted):
    told = fitted.document["provenance"]
    assert told["data_hash"] == data_hash(queue)
    assert told["started"] == len(queue.executions)
    assert (told["from"], told["to"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:06:40Z")
    assert told["services"]["backend"]["methods"]["serve"]["attempts"] > 1300


def test_it_fits_the_same_to_the_same(queue, fitted):
    assert text_of(fit_history(queue, seed=1).document) == text_of(fitted.document)


def test_it_counts_what_timed_out_as_longer_than_that():
    history = recorded(
        one_step(timeout="300ms", retry={"max_attempts": 1}), seconds=250.0, times=Exponential(0.2), capacity=50
    )
    reading = read(history.executions, history.graphs, until=history.until)
    late = [each for each in reading.attempts if each.outcome == "timeout"]
    assert late
    assert not any(each.seen for each in late)
    found = fit_history(history, seed=1).services["backend"]
    assert "failures" not in found.document
    assert found.methods["serve"].survival.rest == pytest.approx(np.exp(-1.5), abs=0.04)


def test_it_counts_losers_of_a_race_and_what_still_runs_as_longer_than_seen():
    calls = [{"id": name, "type": "service", "service_name": "backend", "method": name} for name in ("one", "other")]
    race = {"id": "race", "type": "parallel", "mode": "race", "steps": calls}
    history = recorded({"id": "work", "name": "Work", "steps": [race], "output": {}}, seconds=200.0, capacity=50)
    reading = read(history.executions, history.graphs, until=history.until)
    outcomes = {each.outcome for each in reading.attempts}
    assert {COMPLETED, CANCELLED} <= outcomes <= {COMPLETED, CANCELLED, RUNNING}
    found = fit_history(history, seed=1).services["backend"]
    for method in ("one", "other"):
        # Of two times of mean 0.1 the shorter one was seen: its mean is 0.05.
        assert found.methods[method].mean == pytest.approx(0.1, rel=0.2)


def test_it_does_not_pretend_to_know_what_a_quiet_service_bears():
    found = fit_history(recorded(per_second=2.0, seconds=100.0, capacity=500), seed=1)
    assert found.services["backend"].document["capacity"] == UNKNOWN_CAPACITY
    assert any("says nothing of loads beyond" in each for each in found.warnings)


def test_it_takes_instances_policy_and_capacity_from_the_registry():
    registered = {"backend": Registered(2, {"timeout": "5s"}, capacity=7)}
    document = (
        fit_history(recorded(per_second=2.0, seconds=100.0, capacity=500, registered=registered), seed=1)
        .services["backend"]
        .document
    )
    assert (document["instances"], document["capacity"], document["policy"]) == (2, 7, {"timeout": "5s"})


def test_it_infers_no_places_from_times_that_do_not_grow_with_load():
    chance = np.random.default_rng(2)
    began = np.cumsum(chance.exponential(1e5, 2000)).astype(np.int64)
    found = infer_places(began, began + chance.exponential(2e5, 2000).astype(np.int64))
    assert found.count is None
    assert found.most > 3


def test_it_refuses_a_window_in_which_nothing_happened():
    history = recorded(per_second=2.0, seconds=20.0)
    empty = type(history)(
        **{name: getattr(history, name) for name in history.__slots__} | {"arrivals": np.empty(0), "executions": ()}
    )
    with pytest.raises(ScenarioInvalid, match="nothing was started in the window"):
        fit_history(empty, seed=1)

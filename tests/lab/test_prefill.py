"""A scenario that is filled in from what was recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from orchestration.engine import operations as engine
from orchestration.teams import operations as teams
from simulation.fit.scenario import History, data_hash
from simulation.lab.document import document_of
from simulation.lab.filled import calls_of, duration_text
from simulation.lab.fitting import fill
from simulation.lab.prefill import blank, prefill, text_of
from simulation.scenarios.building import variants_of
from simulation.scenarios.language import parse_scenario
from simulation.service_models.distributions import Fixed, Lognormal
from simulation.world.models import Failures
from tests.dashboard import fakes
from tests.dashboard.conftest import started
from tests.simulation.histories import history_of
from tests.simulation.worlds import one_step, world

HOUR = 3_600_000_000
SECOND = 1_000_000


@pytest.fixture
def team_id(db: None) -> int:
    return teams.default_team().id


@pytest.fixture
def order(team_id: int) -> str:
    call = {"type": "service", "service_name": "payment", "method": "charge"}
    steps = [
        {"id": "pay", **call, "timeout": "5s"},
        {"id": "each", "type": "loop", "items": "${[1, 2]}", "steps": [{"id": "ship", **call, "service_name": "post"}]},
    ]
    document = {"id": "shop", "steps": steps}
    return engine.save_definition(team_id=team_id, document=document, by="demo").workflow


@pytest.fixture(scope="module")
def history() -> History:
    """Return a history of some three hundred calls of a service of three places, a tenth of which fail."""
    definition = one_step()
    model = world(
        definition=definition,
        per_second=1.0,
        seconds=300.0,
        times=Lognormal(0.5, 1.5),
        capacity=3,
        failures=Failures(0.1, times=Fixed(0.05)),
    )
    return history_of(model, definition)


def test_it_fits_times_failures_and_load_to_what_was_recorded(history: History):
    filled = fill(history, window="the last seven days")
    service = filled.document["services"]["backend"]
    assert service["times"]["kind"] == "empirical"
    assert service["failures"]["share"] == pytest.approx(0.1, abs=0.06)
    workload = filled.document["workloads"][0]
    _, counts = np.unique(history.arrivals // HOUR, return_counts=True)
    assert workload["arrivals"] == {"kind": "poisson", "per_second": float(f"{counts.max() / 3600:.3g}")}
    assert filled.per_second == pytest.approx(counts.max() / 3600)
    assert filled.document["slos"][0]["p95"].endswith("s")


def test_it_says_where_the_numbers_come_from_and_warns_as_the_fit_does(history: History):
    filled = fill(history, window="the last seven days")
    told = filled.document["provenance"]
    assert told["data_hash"] == data_hash(history)
    assert (told["started"], told["read"]) == (len(history.executions), len(history.roots))
    assert set(told["warnings"]) <= set(filled.notes)
    assert any("executions began in the last seven days" in note for note in filled.notes)
    assert "services" not in told, "the page has no room for every figure of the fit"


def test_it_is_done_within_what_a_page_may_read(history: History, team_id: int, order: str, settings: Any):
    settings.PODIUM = replace(settings.PODIUM, simulation_recorded=2)
    for _ in range(5):
        started(team_id, order)
    notes = prefill(team_id=team_id, workflow=order).notes
    assert any("5 executions began" in note for note in notes)


def test_it_says_what_is_a_guess_where_nothing_was_recorded(team_id: int, order: str):
    filled = prefill(team_id=team_id, workflow=order)
    said = " ".join(filled.notes)
    for words in ("No execution began", "payment, post: their times are guesses", "10 is a guess", "promise"):
        assert words in said
    assert parse_scenario(document_of(text_of(filled.document))).horizon


def test_it_makes_a_scenario_of_the_whole_demo_order(team_id: int):
    engine.save_definition(team_id=team_id, document=fakes.ORDER, by="demo")
    document = prefill(team_id=team_id, workflow="order-processing").document
    assert set(document["services"]) == {service for _, service in calls_of(fakes.ORDER["steps"])}
    assert variants_of(document_of(text_of(document)))


def test_it_begins_with_an_example_that_can_be_simulated():
    assert variants_of(document_of(text_of(blank().document)))


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "0us"), (250_000, "250ms"), (90 * SECOND, "1m30s"), (18 * 24 * HOUR, "18d"), (1_500, "1ms500us")],
)
def test_it_says_durations_as_scenarios_do(micros: int, text: str):
    assert duration_text(micros) == text

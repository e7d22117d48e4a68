"""A scenario that is filled in from what was recorded."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orchestration import clock
from orchestration.engine import models, queries
from orchestration.engine import operations as engine
from orchestration.teams import operations as teams
from simulation.lab.document import document_of
from simulation.lab.prefill import blank, calls_of, duration_text, prefill, text_of
from simulation.scenarios.building import variants_of
from simulation.scenarios.language import parse_scenario
from tests.dashboard import fakes
from tests.dashboard.conftest import started

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


def recorded(
    team_id: int, workflow: str, *, at: int, millis: int, attempts: int = 1, status: str = "completed"
) -> None:
    """Write down an execution of one paid order as the engine would have."""
    execution_id = started(team_id, workflow)
    models.Execution.objects.filter(pk=execution_id).update(
        created_at=at, status="completed", ended_at=at + 2 * millis * 1_000
    )
    for path in ("pay", "each[1].ship"):
        models.StepRunRow.objects.create(
            execution_id=execution_id,
            path=path,
            top=path == "pay",
            type="service",
            status=status if path == "pay" else "completed",
            attempts=attempts if path == "pay" else 1,
            started_at=at,
            ended_at=at + millis * 1_000,
        )


def test_it_takes_load_times_and_failures_from_what_was_recorded(team_id: int, order: str):
    begin = clock.now_us() // HOUR * HOUR - 24 * HOUR
    for place in range(8):
        recorded(team_id, order, at=begin + place * SECOND, millis=100 + place)
    recorded(team_id, order, at=begin - 5 * HOUR, millis=50, attempts=3)
    recorded(team_id, order, at=begin - 400 * HOUR, millis=9_000)
    seen = queries.lately(team_id=team_id, workflow=order, since=clock.now() - timedelta(days=7))
    assert (seen.executions, seen.busiest) == (9, 8), "what is older than a week counts for nothing"
    assert (seen.attempts["pay"], seen.failures["pay"]) == (11, 2)
    assert sorted(seen.calls["pay"]) == [(100 + place) * 1_000 for place in range(8)]
    assert len(seen.calls["each.ship"]) == 9

    filled = prefill(team_id=team_id, workflow=order)
    document = filled.document
    assert document["workloads"][0]["arrivals"] == {"kind": "poisson", "per_second": 0.00222}
    assert document["services"]["payment"]["times"]["p50"] == "103ms"
    assert document["services"]["payment"]["failures"] == {"share": 0.182}
    assert not any("Too few calls" in note for note in filled.notes)
    assert variants_of(document_of(text_of(document)))


def test_it_keeps_many_times_as_they_are(team_id: int, order: str):
    begin = clock.now_us() - HOUR
    for place in range(35):
        recorded(team_id, order, at=begin + place, millis=100 + place)
    times = prefill(team_id=team_id, workflow=order).document["services"]["post"]["times"]
    assert times["kind"] == "empirical"
    assert (len(times["values"]), times["values"][0], times["values"][-1]) == (40, "100ms", "134ms")


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

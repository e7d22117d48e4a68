"""Worlds that begin with executions under way: they go on where their journals end, and nothing is run again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from orchestration.domain import events as e
from orchestration.domain.definition import parse_definition
from orchestration.domain.graph import Graph
from orchestration.domain.limits import MICROSECONDS
from simulation.scenarios.forecasting import forecast, lines_of
from simulation.service_models.distributions import Exponential, Fixed
from simulation.world.shell import EPOCH
from simulation.world.standing import OpenExecution, Standing
from simulation.world.world import World, simulate
from tests.simulation.worlds import one_step, world

SECOND = MICROSECONDS


def stopped(model, *, after):
    """Return what is under way in a world after so many seconds."""
    first = World(model, seed=1, replication=0)
    first.shell.keep = True
    for source in first.sources.values():
        source.begin(model.horizon)
    first.shell.env.run(until=EPOCH + round(after * SECOND))
    executions = tuple(
        OpenExecution(
            id=each.id.rpartition("/")[2],
            workflow=each.workflow,
            graph=model.graphs[each.workflow],
            created=each.created_at,
            input=dict(each.run.input),
            entries=tuple((entry.seq, entry.type, entry.at, entry.step, entry.data) for entry in each.journal),
            depth=each.run.depth,
        )
        for each in first.shell.executions.values()
        if not each.run.ended
    )
    return Standing(first.shell.now, executions)


def gone_on(model, standing, *, keep=True):
    """Return the world after its horizon, and what became of what was under way."""
    again = World(replace(model, standing=standing, workloads=()), seed=1, replication=0)
    again.shell.keep = keep
    return again, again.run()


def two_steps(**more):
    definition = one_step()
    second = {**definition["steps"][0], "id": "second", "dependencies": ["call"]}
    return {**definition, "steps": [*definition["steps"], second], **more}


def test_it_goes_on_with_the_rest_of_an_attempt_in_flight():
    model = world(per_second=0.5, seconds=100.0, times=Fixed(10.0), capacity=100)
    standing = stopped(model, after=20.0)
    began = {each.id: each.entries[-1][2] for each in standing.executions}
    again, outcome = gone_on(model, standing)
    assert outcome.resumed.open == 0
    for name, at in began.items():
        journal = again.shell.executions[name].journal
        assert [entry.type for entry in journal] == [e.STEP_COMPLETED, e.WORKFLOW_COMPLETED]
        assert journal[0].at == at + 10 * SECOND


def test_it_begins_at_the_instant_of_the_recording():
    model = world(per_second=0.5, seconds=100.0, times=Fixed(10.0))
    standing = stopped(model, after=20.0)
    again, _ = gone_on(model, standing)
    assert again.shell.now == standing.at + 100 * SECOND


def test_it_runs_no_step_again_and_starts_the_next_ones():
    model = world(per_second=2.0, seconds=100.0, definition=two_steps(), times=Exponential(3.0), capacity=100)
    standing = stopped(model, after=20.0)
    done = {
        each.id: {entry[3] for entry in each.entries if entry[1] == e.STEP_COMPLETED} for each in standing.executions
    }
    assert any(done.values())
    again, outcome = gone_on(model, standing)
    assert (outcome.resumed.count, outcome.resumed.open) == (len(standing.executions), 0)
    for name, steps in done.items():
        ran = [entry.step for entry in again.shell.executions[name].journal if entry.type == e.STEP_STARTED]
        assert not steps & set(ran)
        assert again.shell.executions[name].run.status == "completed"


def test_it_has_what_was_pending_wait_for_its_turn():
    definition = two_steps(config={"max_concurrent": 2})
    model = world(per_second=2.0, seconds=200.0, definition=definition, times=Fixed(2.0), capacity=100)
    standing = stopped(model, after=20.0)
    assert sum(not each.entries for each in standing.executions) > 5
    again, outcome = gone_on(model, standing)
    order = sorted(again.shell.executions.values(), key=lambda each: each.run.ended_at)
    assert [each.created_at for each in order] == sorted(each.created_at for each in order)
    assert outcome.resumed.open == 0


def test_it_keeps_a_retry_at_its_instant():
    definition = one_step(retry={"delay": "1m", "jitter": 0})
    model = world(per_second=1.0, seconds=300.0, definition=definition, times=Fixed(0.5), capacity=100)
    graph = Graph.compile(parse_definition(definition))
    error = {"code": "http_503", "message": "", "retryable": True, "details": {}}
    due = EPOCH + 60 * SECOND
    entries = (
        (1, e.WORKFLOW_STARTED, EPOCH, "", {}),
        (2, e.STEP_STARTED, EPOCH, "call", {"attempt": 1, "input": {}}),
        (3, e.STEP_RETRYING, EPOCH, "call", {"attempt": 1, "error": error, "until": due}),
    )
    standing = Standing(EPOCH + 10 * SECOND, (OpenExecution("a", "work", graph, EPOCH, {}, entries),))
    again, _ = gone_on(model, standing)
    started, *_ = again.shell.executions["a"].journal
    assert (started.type, started.at, started.data["attempt"]) == (e.STEP_STARTED, due, 2)


def test_it_leaves_a_service_alone_whose_circuit_is_open():
    model = world(per_second=1.0, seconds=100.0, times=Fixed(0.5), capacity=100)
    services = tuple(replace(each, policy=type(each).__dataclass_fields__["policy"].default) for each in model.services)
    model = replace(model, services=services)
    graph = model.graphs["work"]
    standing = Standing(EPOCH, (OpenExecution("a", "work", graph, EPOCH, {}, ()),), {"backend": EPOCH + 20 * SECOND})
    _, outcome = gone_on(model, standing)
    assert outcome.services["backend"].postponed["circuit_open"] >= 1
    assert outcome.resumed.ended_at.tolist()[0] > 20


def test_it_lets_go_of_what_has_ended_beside_new_arrivals():
    model = world(per_second=2.0, seconds=60.0, times=Fixed(1.0), capacity=100)
    standing = stopped(model, after=20.0)
    again = World(replace(model, standing=standing), seed=1, replication=0)
    outcome = again.run()
    assert outcome.workloads["callers"].offered > 80
    assert outcome.open_over_time[0] == len(standing.executions)
    assert len(outcome.open_over_time) == 101
    assert len(again.shell.executions) == outcome.workloads["callers"].open


def test_it_draws_the_rest_of_a_time_given_that_it_is_so_long_already():
    model = world(per_second=0.0001, seconds=500.0, times=Exponential(10.0), capacity=1000)
    graph = model.graphs["work"]
    begun = ((1, e.WORKFLOW_STARTED, EPOCH, "", {}), (2, e.STEP_STARTED, EPOCH, "call", {"attempt": 1, "input": {}}))
    executions = tuple(OpenExecution(str(place), "work", graph, EPOCH, {}, begun) for place in range(1000))
    _, outcome = gone_on(model, Standing(EPOCH + 20 * SECOND, executions), keep=False)
    # An exponential time has no memory: what is left of it is as long as a new one.
    assert np.mean(np.minimum(outcome.resumed.ended_at, 60)) == pytest.approx(10, rel=0.1)


def test_it_forecasts_when_the_backlog_clears():
    model = world(per_second=2.0, seconds=60.0, times=Fixed(1.0), capacity=100)
    model = replace(model, standing=stopped(model, after=20.0))
    outcomes = [simulate(model, seed=1, replication=place) for place in range(4)]
    found = forecast(outcomes, 60.0)
    assert found.count == len(model.standing.executions)
    assert 0 < found.cleared.middle <= 1
    assert (found.not_cleared, found.completed) == (0, 1.0)
    assert found.at[0] == 0
    assert found.at[-1] == 60
    assert all(each.low <= each.middle <= each.high for each in found.open)
    assert any("all of them ended" in line for line in lines_of(found))
    assert forecast([simulate(replace(model, standing=None), seed=1)] * 2, 60.0) is None

"""A run from its start to its end, by workers that live, die and come too late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.conf import settings

from orchestration import clock
from orchestration.domain.documents import parse_document
from orchestration.domain.errors import DocumentInvalid, LimitExceeded, NotFound, Overloaded, Refused
from orchestration.engine import duties, queue
from orchestration.teams import operations as teams
from simulation.lab import claims, duty, operations, queries, tasks
from simulation.lab.models import Batch, SimulationRun
from simulation.scenarios.batches import NOWHERE
from simulation.scenarios.running import run_scenario
from simulation.scenarios.sure import run_until_sure
from simulation.statistics.stopping import StoppingRule
from tests.lab.scenarios import IMPOSSIBLE, OVERLOADED, QUICK, SEARCHED, SURE

SEED = 7
LEASE = timedelta(seconds=settings.PODIUM.simulation_lease_seconds + 1)


@pytest.fixture
def team_id(transactional_db: None) -> int:
    return teams.default_team().id


def started(team_id: int, text: str = QUICK, **more: Any) -> Any:
    return operations.start_run(team_id=team_id, text=text, name="quick", by="ada", seed=SEED, **more)


def state_of(run_id: Any) -> str:
    return str(SimulationRun.objects.values_list("state", flat=True).get(pk=run_id))


def taken(holder: str = "here:1", *, later: timedelta = timedelta()) -> claims.Claim:
    found = claims.claim(holder=holder, now=clock.now() + later)
    assert found is not None
    return found


def test_it_comes_to_the_very_result_of_the_command(team_id: int):
    run_id = started(team_id)
    assert state_of(run_id) == "queued"
    assert tasks.work() == {"batches": 6}
    run = queries.get_run(team_id=team_id, run_id=run_id)
    assert (run.summary.state, run.summary.progress, run.summary.verdict) == ("done", 1.0, "pass")
    assert run.result is not None
    expected = run_scenario(parse_document(QUICK), folder=NOWHERE, seed=SEED).as_json()
    assert {key: run.result["compare"][key] for key in expected} == expected
    factors = [point["factor"] for point in run.result["load"]["points"]]
    assert factors == sorted(factors)
    assert len(factors) >= 5
    assert not Batch.objects.exists()


def test_it_stops_once_it_is_sure_as_the_command_does(team_id: int):
    run_id = started(team_id, SURE)
    assert queries.get_run(team_id=team_id, run_id=run_id).batches > 40
    while tasks.work()["batches"]:
        pass
    run = queries.get_run(team_id=team_id, run_id=run_id)
    assert (run.summary.state, run.note) == ("done", "")
    expected = run_until_sure(
        parse_document(SURE), folder=NOWHERE, seed=SEED, rule=StoppingRule(0.2, most=40)
    ).as_json()
    assert run.result is not None
    assert {key: run.result["compare"][key] for key in expected} == expected
    assert run.result["over"] == expected["variants"][0]["replications"]
    assert 10 <= run.result["over"] < 40
    assert "sure after" in expected["variants"][0]["notes"][0]


def test_it_is_told_by_the_same_replications_whoever_was_faster(team_id: int):
    """Two workers: the second has simulated beyond the end before the first one is done."""
    run_id = started(team_id, SURE)
    settled = queries.get_run(team_id=team_id, run_id=run_id).batches
    slow = taken("slow:1")
    for number in range(settled - 1):
        held = claims.claim(holder=f"fast-{number}:1", now=clock.now())
        if held is None:
            break
        tasks.carry_out(held)
    tasks.carry_out(slow)
    while tasks.work()["batches"]:
        pass
    run = queries.get_run(team_id=team_id, run_id=run_id)
    expected = run_until_sure(
        parse_document(SURE), folder=NOWHERE, seed=SEED, rule=StoppingRule(0.2, most=40)
    ).as_json()
    assert run.summary.state == "done"
    assert run.result is not None
    assert {key: run.result["compare"][key] for key in expected} == expected


def test_it_says_what_each_variant_costs(team_id: int):
    run_id = started(
        team_id, SEARCHED.replace("slos:", "variants: {more: {services: {payment: {instances: 6}}}}\nslos:")
    )
    for _ in range(2):
        tasks.carry_out(taken())
    run = queries.get_run(team_id=team_id, run_id=run_id)
    assert run.result is not None
    costs = run.result["compare"]["costs"]
    assert {name: each["cost"] for name, each in costs.items()} == {"as-written": 13.5, "more": 16.0}
    assert costs["more"]["words"] == "16 EUR an hour"


def test_it_tells_more_with_every_batch(team_id: int):
    run_id = started(team_id)
    told = []
    for _ in range(5):
        tasks.carry_out(taken())
        run = queries.get_run(team_id=team_id, run_id=run_id)
        assert run.result is not None
        compared = run.result["compare"]
        told.append((run.done, compared and compared["variants"][0]["replications"], bool(run.result["load"])))
    assert told == [(1, None, False), (2, 2, False), (3, 2, False), (4, 3, False), (5, 3, True)]
    assert state_of(run_id) == "running"


def test_it_takes_up_what_a_dead_worker_held_and_refuses_its_late_answer(team_id: int):
    run_id = started(team_id)
    dead = taken("gone:1")
    assert claims.claim(holder="gone:2", now=clock.now()) is None, "one batch at once for each host"
    again = taken("here:1", later=LEASE)
    assert (again.batch_id, again.epoch) == (dead.batch_id, dead.epoch + 1)
    assert not claims.renew(dead, now=clock.now())
    assert not claims.hand_in(dead, b"late", factors=[1.0])
    tasks.carry_out(again)
    assert queries.get_run(team_id=team_id, run_id=run_id).done == 1


def test_it_gives_a_run_up_that_takes_its_workers_down(team_id: int):
    run_id = started(team_id)
    for death in range(claims.DEATHS):
        taken(f"host-{death}:1", later=LEASE * death)
    assert claims.claim(holder="last:1", now=clock.now() + LEASE * claims.DEATHS) is None
    run = queries.get_run(team_id=team_id, run_id=run_id)
    assert run.summary.state == "failed"
    assert run.problems[0].code == "worker.lost"


def test_it_ends_a_run_whose_last_worker_died_before_it_said_so(team_id: int):
    run_id = started(team_id)
    while (held := claims.claim(holder="here:1", now=clock.now())) is not None:
        outcome = tasks.run_batch(held.text, held.group, held.replication, held.factors, seed=SEED, stop=lambda: False)
        assert outcome is not None
        first = held.group == "compare" and held.replication == 0
        claims.hand_in(held, outcome, factors=[0.5, 1.0] if first else None)
    assert state_of(run_id) == "running"
    assert claims.is_due()
    assert tasks.work() == {"batches": 0}
    assert state_of(run_id) == "done"


def test_it_stops_in_the_middle_of_a_batch_that_was_cancelled(team_id: int):
    run_id = started(team_id)
    held = taken()
    operations.cancel_run(team_id=team_id, run_id=run_id, by="ada")
    tasks.carry_out(held)
    run = queries.get_run(team_id=team_id, run_id=run_id)
    assert (run.summary.state, run.summary.ended_by, run.done) == ("cancelled", "ada", 0)
    with pytest.raises(Refused):
        operations.cancel_run(team_id=team_id, run_id=run_id, by="ada")
    assert tasks.work() == {"batches": 0}


def test_it_keeps_what_was_told_when_its_time_is_up(team_id: int):
    run_id = started(team_id)
    for _ in range(3):
        tasks.carry_out(taken())
    SimulationRun.objects.filter(pk=run_id).update(started_at=clock.now() - timedelta(hours=1))
    tasks.work()
    run = queries.get_run(team_id=team_id, run_id=run_id)
    assert run.summary.state == "done"
    assert "simulation_seconds" in run.note
    assert run.result is not None
    assert run.result["compare"]["variants"][0]["replications"] == 2


def test_it_fails_where_its_time_was_up_before_anything_could_be_told(team_id: int):
    run_id = started(team_id)
    taken()
    SimulationRun.objects.filter(pk=run_id).update(started_at=clock.now() - timedelta(hours=1))
    Batch.objects.filter(state="held").update(lease_until=clock.now() - LEASE)
    tasks.work()
    run = queries.get_run(team_id=team_id, run_id=run_id)
    assert (run.summary.state, run.problems[0].code) == ("failed", "simulation.too_long")


def test_it_says_before_it_burns_time_that_a_load_is_too_high(team_id: int):
    with pytest.raises(DocumentInvalid) as told:
        started(team_id, OVERLOADED)
    assert [(each.path, each.code) for each in told.value.problems] == [("services.payment", "load.above_capacity")]
    assert not SimulationRun.objects.exists()


def test_it_fails_with_paths_where_a_promise_cannot_be_kept(team_id: int):
    run_id = started(team_id, IMPOSSIBLE)
    tasks.work()
    run = queries.get_run(team_id=team_id, run_id=run_id)
    assert run.summary.state == "failed"
    assert [(each.path, each.code) for each in run.problems] == [("slos[0].p95", "slo.impossible")]


@pytest.mark.parametrize(
    ("old", "new", "limit"),
    [
        ("horizon: 20s", "horizon: 300d", "simulation_executions"),
        ("replications: 3", "replications: 900", "simulation_replications"),
    ],
)
def test_it_refuses_what_is_too_large_and_names_the_limit(team_id: int, old: str, new: str, limit: str):
    with pytest.raises(LimitExceeded) as told:
        started(team_id, QUICK.replace(old, new))
    assert told.value.details["limit"] == limit


def test_it_reads_no_file_of_the_server(team_id: int):
    text = QUICK.replace("{kind: poisson, per_second: 5}", "{kind: trace, file: ../secrets.csv}")
    with pytest.raises(DocumentInvalid) as told:
        started(team_id, text)
    assert told.value.problems[0].path == "workloads[0].arrivals.file"


def test_it_begins_with_no_file_of_the_server(team_id: int):
    with pytest.raises(DocumentInvalid) as told:
        started(team_id, QUICK.replace("horizon: 20s", "horizon: 20s\ntransient: true\nstanding: {file: /etc/hosts}"))
    assert told.value.problems[0].path == "standing"


def test_it_runs_only_so_many_of_a_team_at_once(team_id: int):
    first, _ = started(team_id), started(team_id)
    with pytest.raises(Overloaded) as told:
        started(team_id)
    assert told.value.details["limit"] == "simulation_runs_per_team"
    other = teams.create_team(slug="others").id
    started(other)
    operations.cancel_run(team_id=team_id, run_id=first, by="ada")
    started(team_id)


def test_it_serves_teams_in_turn(team_id: int):
    other = teams.create_team(slug="others").id
    ours, theirs = started(team_id), started(other)
    first, second = taken("one:1"), taken("two:1")
    assert [first.run_id, second.run_id] == [ours, theirs]


def test_it_forgets_the_oldest_ended_runs(team_id: int, settings: Any):
    from dataclasses import replace

    settings.PODIUM = replace(settings.PODIUM, simulation_runs_kept=1)
    ids = []
    for _ in range(3):
        ids.append(started(team_id))
        operations.cancel_run(team_id=team_id, run_id=ids[-1], by="ada")
    kept = {each.id for each in queries.list_runs(team_id=team_id)}
    assert kept == set(ids[1:]), "one that had ended before, and the one that was started"


def test_it_shows_nothing_to_another_team(team_id: int):
    run_id, other = started(team_id), teams.create_team(slug="others").id
    with pytest.raises(NotFound):
        queries.get_run(team_id=other, run_id=run_id)
    with pytest.raises(NotFound):
        operations.cancel_run(team_id=other, run_id=run_id, by="eve")
    assert queries.list_runs(team_id=other) == ()


def test_it_hangs_on_the_pulse(team_id: int):
    assert duty.TASK not in duties.due()
    run_id = started(team_id)
    assert duty.TASK in duties.due()
    assert queue.queued(queue.HOUSEKEEPING) == 1, "the start calls for a worker at once"
    operations.cancel_run(team_id=team_id, run_id=run_id, by="ada")
    assert duty.TASK not in duties.due()


def test_it_draws_no_curve_of_a_change(team_id: int):
    run_id = started(team_id, QUICK.replace("horizon: 20s", "horizon: 20s\ntransient: true"))
    assert tasks.work() == {"batches": 3}
    run = queries.get_run(team_id=team_id, run_id=run_id)
    assert run.summary.state == "done"
    assert run.result is not None
    assert run.result["load"] is None
    assert orjson.dumps(run.result["compare"]["over_time"]["as-written"])

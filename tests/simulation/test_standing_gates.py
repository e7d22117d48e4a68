"""Worlds that begin now begin with gates as they stand: what was spent is spent, and what is open is open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestration.domain.calling.answers import Answer
from orchestration.domain.calling.circuit import CLOSED, OPEN, Verdict
from orchestration.domain.calling.gate import Call, Gate, Go, admit, answered
from orchestration.domain.calling.policy import SECOND, parse_policy
from orchestration.domain.calling.postponed import Postponed
from simulation.fit.attempts import Attempt
from simulation.fit.gates import MEMORY, recent_calls
from simulation.scenarios.standing import standing_from
from simulation.service_models.distributions import Fixed
from simulation.world.gates import GateStand, RecentCall, bring_to
from simulation.world.shell import EPOCH
from simulation.world.standing import Standing
from simulation.world.world import World
from tests.simulation.worlds import world

NOW = EPOCH + 100 * SECOND
BUDGET = {"retry_budget": {"ratio": 0.1, "minimum_per_second": 0, "cap": 10}}


def gate_of(stand, **policy):
    gate = Gate(parse_policy(policy))
    bring_to(gate, stand, NOW)
    return gate


def calls(count, *, number=1, failed=False, before=10 * SECOND):
    """Return calls that ended one after another, the last of them just now."""
    each = before // count
    ends = [NOW - before + each * (place + 1) for place in range(count)]
    return tuple(RecentCall(end - 1000, end, number, failed) for end in ends)


def retries_left(gate):
    left = 0
    while isinstance(admit(gate, Call(2), NOW), Go):
        left += 1
    return left


def test_it_has_a_budget_full_where_nothing_was_called():
    assert retries_left(gate_of(GateStand(), **BUDGET)) == 10


def test_it_has_spent_what_retries_cost_and_earned_what_successes_pay():
    spent = calls(8, number=2, failed=True)
    assert retries_left(gate_of(GateStand(calls=spent), **BUDGET)) == 2
    earned = tuple(replace(each, began=each.began - 1, ended=each.ended - 1) for each in calls(20, before=SECOND // 2))
    assert retries_left(gate_of(GateStand(calls=spent + earned), **BUDGET)) == 4


def test_it_knows_of_failures_that_have_not_opened_the_circuit_yet():
    breaker = {"breaker": {"failures": 0.5, "minimum_calls": 20, "window": "30s"}}
    stand = GateStand(calls=calls(19, failed=True))
    gate, fresh = gate_of(stand, **breaker), gate_of(GateStand(), **breaker)
    for each in (gate, fresh):
        go = admit(each, Call(), NOW)
        answered(each, go, Answer(failed=True), NOW)
    assert gate.circuit.verdict.state == OPEN
    assert fresh.circuit.verdict.state == CLOSED


def test_it_forgets_what_was_before_the_circuit_closed():
    stand = GateStand(
        Verdict(4, CLOSED, recovered_at=NOW - 60 * SECOND), calls=calls(19, failed=True, before=10 * SECOND)
    )
    late = GateStand(Verdict(4, CLOSED, recovered_at=NOW), calls=stand.calls)
    assert gate_of(stand).circuit.window.calls == 19
    assert gate_of(late).circuit.window.calls == 0


def test_it_keeps_an_open_circuit_and_how_often_it_opened():
    gate = gate_of(GateStand(Verdict(7, OPEN, until=NOW + 40 * SECOND, openings=3)))
    assert isinstance(admit(gate, Call(), NOW), Postponed)
    assert gate.circuit.verdict.openings == 3
    assert isinstance(admit(gate, Call(), NOW + 40 * SECOND), Go)


def test_it_has_a_service_that_just_recovered_come_back_little_by_little():
    gate = gate_of(GateStand(Verdict(8, CLOSED, recovered_at=NOW - SECOND)), ramp={"over": "20s"})
    old = gate_of(GateStand(Verdict(8, CLOSED, recovered_at=NOW - 50 * SECOND)), ramp={"over": "20s"})
    assert gate.ramp.active
    assert not old.ramp.active


def test_it_leaves_alone_who_asked_for_it():
    gate = gate_of(GateStand(held_until=NOW + 5 * SECOND))
    assert admit(gate, Call(), NOW).reason == "rate_limit"


@pytest.mark.parametrize(("missing", "left"), [(0, 10), (4, 6), (50, 0)])
def test_it_has_the_bucket_of_a_rate_as_full_as_it_is(missing, left):
    gate = gate_of(GateStand(due_at=NOW + missing * SECOND), rate={"per_second": 1, "burst": 10})
    taken = 0
    while isinstance(admit(gate, Call(), NOW), Go):
        taken += 1
    assert taken == left


def attempt(service, *, ended, outcome="completed", number=1, status=None):
    return Attempt("e", "w", "s", service, "m", number, ended - 5, ended, outcome, status=status)


def test_it_takes_the_calls_of_late_from_what_was_recorded():
    found = recent_calls(
        [
            attempt("one", ended=NOW),
            attempt("one", ended=NOW - 10, outcome="busy", status=503, number=2),
            attempt("one", ended=NOW - 20, outcome="refused", status=422),
            attempt("one", ended=NOW - 30, outcome="cancelled"),
            attempt("one", ended=NOW - 40, outcome="timeout"),
            attempt("other", ended=NOW - MEMORY),
        ],
        at=NOW,
    )
    assert found == {
        "one": [
            [NOW - 45, NOW - 40, 1, True],
            [NOW - 35, NOW - 30, 1, None],
            [NOW - 25, NOW - 20, 1, False],
            [NOW - 15, NOW - 10, 2, True],
            [NOW - 5, NOW, 1, False],
        ]
    }


def test_it_begins_a_world_with_gates_as_they_stand():
    model = world(per_second=1.0, seconds=10.0, times=Fixed(0.1), policy=parse_policy(BUDGET))
    verdict = {"number": 0, "state": "closed", "until": 0, "openings": 0, "trial_until": 0, "recovered_at": 0}
    spent = [[each.began, each.ended, each.number, each.failed] for each in calls(10, number=2, failed=True)]
    gates = {
        "backend": {"verdict": verdict, "held_until": 0, "due_at": 0, "calls": spent},
        "gone": {"verdict": verdict, "held_until": 0, "due_at": 0, "calls": []},
    }
    standing = standing_from({"at": NOW, "definitions": {}, "executions": [], "gates": gates})
    assert isinstance(standing, Standing)
    again = World(replace(model, standing=standing, workloads=()), seed=1, replication=0)
    again.resumed.begin()
    assert retries_left(again.services["backend"].gate) == 0

"""The one question before every call: all limits agree, or none of them is spent."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.calling.answers import NOT_HEARD, SUCCESS, Answer, answer_of
from orchestration.domain.calling.circuit import CLOSED, OPEN, Verdict
from orchestration.domain.calling.gate import FIRST_ATTEMPT, Call, Gate, Go, admit, answered, withdrawn
from orchestration.domain.calling.policy import (
    SECOND,
    Breaker,
    Concurrency,
    Ramp,
    Rate,
    RetryBudget,
    ServicePolicy,
)
from orchestration.domain.calling.postponed import Postponed
from orchestration.domain.calling.ramp import BURST
from orchestration.domain.errors import StepError
from orchestration.domain.postponement import (
    CIRCUIT_OPEN,
    CONCURRENCY_LIMIT,
    NO_HEALTHY_INSTANCE,
    RATE_LIMIT,
    RECOVERING,
    RETRY_BUDGET,
)

NOW = 1_900_000_000 * SECOND
FAILURE = Answer(failed=True)
POLICY = ServicePolicy(breaker=Breaker(minimum_calls=4), retry_budget=RetryBudget(cap=2, minimum_per_second=1))


def gate_of(**changes: object) -> Gate:
    return Gate(replace(POLICY, **changes))


def passes(gate: Gate, now: int = NOW, attempt: int = 1) -> Go:
    decision = admit(gate, Call(attempt), now)
    assert isinstance(decision, Go), decision
    return decision


def first_handful(gate: Gate, now: int = NOW) -> None:
    """Let through what a ramp lets through at once."""
    for _ in range(round(BURST)):
        passes(gate, now)


def refusal(gate: Gate, now: int = NOW, attempt: int = 1) -> Postponed:
    decision = admit(gate, Call(attempt), now)
    assert isinstance(decision, Postponed)
    assert decision.after
    assert decision.after > 0
    return decision


def open_circuit(gate: Gate, now: int = NOW) -> None:
    for _ in range(4):
        answered(gate, passes(gate, now), FAILURE, now)
    assert gate.circuit.verdict.state == OPEN


def test_it_lets_a_call_pass_that_nothing_speaks_against():
    gate = gate_of()
    answered(gate, passes(gate), SUCCESS, NOW + 5)
    assert gate.places.taken == 0


def test_it_postpones_while_the_circuit_is_open_and_lets_one_trial_through_after():
    gate = gate_of()
    open_circuit(gate)
    refused = refusal(gate, NOW + SECOND)
    assert (refused.reason, refused.after) == (CIRCUIT_OPEN, 4 * SECOND)
    trial = passes(gate, NOW + 5 * SECOND)
    assert trial.trial
    assert refusal(gate, NOW + 5 * SECOND).reason == CIRCUIT_OPEN
    assert answered(gate, trial, SUCCESS, NOW + 6 * SECOND)
    assert not passes(gate, NOW + 6 * SECOND).trial


def test_it_lets_another_be_the_trial_when_the_first_was_not_made():
    gate = gate_of()
    open_circuit(gate)
    answered(gate, passes(gate, NOW + 5 * SECOND), NOT_HEARD, NOW + 5 * SECOND)
    assert passes(gate, NOW + 5 * SECOND).trial


def test_it_gives_a_trial_back_that_another_process_makes():
    gate = gate_of()
    open_circuit(gate)
    later = NOW + 5 * SECOND
    theirs = replace(gate.circuit.verdict, number=gate.circuit.verdict.number + 1, trial_until=later + SECOND)
    refused = withdrawn(gate, passes(gate, later), theirs)
    assert (refused.reason, gate.places.taken, gate.circuit.verdict) == (CIRCUIT_OPEN, 0, theirs)


def test_it_brings_calls_back_by_a_ramp_after_a_recovery():
    gate = gate_of(breaker=Breaker(minimum_calls=4, window=SECOND), ramp=Ramp(over=10 * SECOND))
    for _ in range(400):
        answered(gate, passes(gate), SUCCESS, NOW)
    for _ in range(400):
        if gate.circuit.verdict.state == CLOSED:
            answered(gate, passes(gate), FAILURE, NOW)
    later = NOW + 5 * SECOND
    answered(gate, passes(gate, later), SUCCESS, later)
    first_handful(gate, later)
    assert refusal(gate, later).reason == RECOVERING
    assert isinstance(admit(gate, FIRST_ATTEMPT, later + SECOND), Go)


def test_it_brings_calls_back_by_a_ramp_when_there_are_instances_again():
    gate = gate_of()
    gate.somebody(NOW)
    passes(gate)
    passes(gate)
    assert gate.nobody("none of 3", NOW).reason == NO_HEALTHY_INSTANCE
    gate.somebody(NOW + SECOND)
    first_handful(gate, NOW + SECOND)
    assert refusal(gate, NOW + SECOND).reason == RECOVERING


def test_it_asks_the_budget_for_retries_only():
    gate = gate_of()
    for _ in range(2):
        passes(gate, attempt=2)
    assert refusal(gate, attempt=2).reason == RETRY_BUDGET
    passes(gate, attempt=1)


def test_it_holds_calls_back_for_as_long_as_a_throttling_service_asks():
    gate = gate_of()
    answered(gate, passes(gate), Answer(failed=False, throttled=True, hold=7 * SECOND), NOW)
    refused = refusal(gate, NOW + SECOND)
    assert (refused.reason, refused.after) == (RATE_LIMIT, 6 * SECOND)
    passes(gate, NOW + 7 * SECOND)


def test_it_keeps_the_rate():
    gate = gate_of(rate=Rate(per_second=10, burst=2))
    passes(gate)
    passes(gate)
    assert refusal(gate).reason == RATE_LIMIT
    passes(gate, NOW + SECOND // 10)


def test_it_keeps_the_concurrency_limit():
    gate = gate_of(concurrency=Concurrency(2))
    first = passes(gate)
    passes(gate)
    assert refusal(gate).reason == CONCURRENCY_LIMIT
    answered(gate, first, FAILURE, NOW + 1)
    passes(gate)


def test_it_spends_nothing_on_a_call_that_is_refused():
    gate = gate_of(concurrency=Concurrency(1), rate=Rate(per_second=1, burst=3), retry_budget=RetryBudget(cap=3))
    going = passes(gate, attempt=2)
    for _ in range(10):
        assert refusal(gate, attempt=2).reason == CONCURRENCY_LIMIT
    for _ in range(2):
        answered(gate, going, FAILURE, NOW)
        going = passes(gate, attempt=2)


def test_it_sends_nobody_back_at_the_same_instant():
    gate = gate_of()
    open_circuit(gate)
    waits = [refusal(gate).after or 0 for _ in range(1000)]
    assert len(set(waits)) == 1000
    assert waits == sorted(waits)


def test_it_sends_them_back_no_faster_than_the_places_become_free():
    gate = gate_of(concurrency=Concurrency(2))
    answered(gate, passes(gate), SUCCESS, NOW + SECOND)
    passes(gate, NOW + SECOND)
    passes(gate, NOW + SECOND)
    waits = [refusal(gate, NOW + SECOND).after for _ in range(3)]
    assert waits == [SECOND, 3 * SECOND // 2, 2 * SECOND]


def test_it_takes_over_that_another_process_found_the_service_sick_and_well():
    gate = gate_of()
    assert gate.adopt(Verdict(1, OPEN, until=NOW + SECOND), NOW)
    assert refusal(gate).reason == CIRCUIT_OPEN
    assert gate.adopt(Verdict(2, CLOSED, recovered_at=NOW), NOW)
    assert not gate.adopt(Verdict(2, CLOSED), NOW)
    first_handful(gate)
    assert refusal(gate).reason == RECOVERING


def test_it_has_no_places_but_those_that_are_handed_out_when_they_are_shared():
    gate = Gate(ServicePolicy(concurrency=Concurrency(9), rate=Rate(per_second=9)), shared=True)
    assert refusal(gate).reason == RATE_LIMIT
    gate.tokens.grant(5, until=NOW + SECOND)  # type: ignore[union-attr]
    assert refusal(gate).reason == CONCURRENCY_LIMIT
    gate.places.allowed = 1
    passes(gate)
    assert refusal(gate).reason == CONCURRENCY_LIMIT


def test_it_knows_what_an_error_says_of_the_service():
    def answer(code: str, retryable: bool | None = None, hold: int | None = None, **details: object) -> Answer:
        return answer_of(StepError(code, "", retryable, details), hold)

    assert answer("timeout").failed
    assert answer("connection", reason="tls").failed
    assert answer("http_500", status=500).failed
    assert not answer("out_of_stock", retryable=False, status=500).failed
    assert not answer("http_404", status=404).failed
    assert not answer("denied").heard
    assert answer("invalid_output") == SUCCESS
    assert answer("http_429", status=429, hold=5) == Answer(failed=False, throttled=True, hold=5)
    assert answer("http_503", status=503, hold=5) == Answer(failed=True, hold=5)


steps = st.lists(
    st.tuples(st.sampled_from(["call", "retry", "good", "bad", "gone"]), st.integers(0, SECOND)), max_size=150
)


@given(steps, st.integers(1, 5))
def test_it_counts_every_call_exactly_once(steps: list[tuple[str, int]], limit: int):
    gate, now, going = gate_of(concurrency=Concurrency(limit), rate=Rate(per_second=20, burst=10)), NOW, []
    for step, passed in steps:
        now += passed
        if step in ("call", "retry"):
            decision = admit(gate, Call(1 if step == "call" else 2), now)
            if isinstance(decision, Go):
                going.append(decision)
        elif going:
            answer = {"good": SUCCESS, "bad": FAILURE, "gone": NOT_HEARD}[step]
            answered(gate, going.pop(0), answer, now)
        assert gate.places.taken == len(going) <= limit
        assert sum(each.trial for each in going) <= 1

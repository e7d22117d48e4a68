"""When a service is left alone, and who finds out whether it is well again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.calling.circuit import CLOSED, HALF_OPEN, OPEN, TRIAL_TIME, Circuit, Verdict
from orchestration.domain.calling.policy import SECOND, Breaker
from orchestration.domain.calling.window import Window

NOW = 1_900_000_000 * SECOND
RULES = Breaker(failures=0.5, minimum_calls=4, window=10 * SECOND, open_for=5 * SECOND, open_at_most=15 * SECOND)


def fail(circuit: Circuit, times: int, now: int = NOW) -> None:
    for _ in range(times):
        circuit.answered(failed=True, trial=False, now=now)


def opened(now: int = NOW) -> Circuit:
    circuit = Circuit(RULES)
    fail(circuit, 4, now)
    return circuit


def test_it_stays_closed_below_the_minimum_and_below_the_share():
    circuit = Circuit(RULES)
    fail(circuit, 3)
    assert (circuit.verdict.state, circuit.wait(NOW)) == (CLOSED, 0)
    for _ in range(5):
        circuit.answered(failed=False, trial=False, now=NOW)
    fail(circuit, 1)
    assert circuit.verdict.state == CLOSED


def test_it_opens_at_the_share_and_says_for_how_long():
    circuit = opened()
    assert circuit.verdict.state == OPEN
    assert circuit.wait(NOW + SECOND) == 4 * SECOND


def test_it_forgets_failures_that_are_older_than_the_window():
    circuit = Circuit(RULES)
    fail(circuit, 3)
    fail(circuit, 3, NOW + 11 * SECOND)
    assert circuit.verdict.state == CLOSED


def test_it_lets_one_trial_through_and_closes_when_it_is_good():
    circuit = opened()
    later = NOW + 5 * SECOND
    assert circuit.wait(later) == 0
    assert circuit.begin(later)
    assert circuit.verdict.state == HALF_OPEN
    assert circuit.wait(later) > 0
    assert circuit.answered(failed=False, trial=True, now=later + SECOND)
    assert (circuit.verdict.state, circuit.verdict.recovered_at) == (CLOSED, later + SECOND)
    fail(circuit, 3, later + SECOND)
    assert circuit.verdict.state == CLOSED, "what was before it opened does not count any more"


def test_it_opens_for_twice_as_long_after_each_bad_trial_up_to_a_most():
    circuit, now, waits = opened(), NOW, []
    for _ in range(4):
        waits.append(circuit.wait(now))
        now += waits[-1]
        assert circuit.begin(now)
        circuit.answered(failed=True, trial=True, now=now)
    assert waits == [5 * SECOND, 10 * SECOND, 15 * SECOND, 15 * SECOND]


def test_it_lets_another_trial_through_when_nobody_answers_for_the_first():
    circuit = opened()
    later = NOW + 5 * SECOND
    circuit.begin(later)
    assert circuit.wait(later + TRIAL_TIME - 1) > 0
    assert circuit.wait(later + TRIAL_TIME) == 0


def test_it_lets_another_trial_through_at_once_when_the_first_was_abandoned():
    circuit = opened()
    circuit.begin(NOW + 5 * SECOND)
    circuit.abandon_trial()
    assert circuit.wait(NOW + 5 * SECOND) == 0


def test_it_hears_nothing_of_calls_that_began_before_it_opened():
    circuit = opened()
    before = circuit.verdict
    assert not circuit.answered(failed=False, trial=False, now=NOW + SECOND)
    assert circuit.verdict == before


def test_it_takes_over_what_another_process_found_but_nothing_older():
    circuit = Circuit(RULES)
    assert circuit.adopt(Verdict(3, OPEN, until=NOW + SECOND), NOW)
    assert circuit.wait(NOW) == SECOND
    assert not circuit.adopt(Verdict(2, CLOSED), NOW)
    assert circuit.wait(NOW) == SECOND


def test_it_does_not_believe_a_clock_that_is_an_hour_ahead():
    circuit = Circuit(RULES)
    circuit.adopt(Verdict(1, OPEN, until=NOW + 3600 * SECOND), NOW)
    assert circuit.wait(NOW) == RULES.open_at_most
    circuit.adopt(Verdict(2, HALF_OPEN, trial_until=NOW + 3600 * SECOND), NOW)
    assert circuit.wait(NOW + TRIAL_TIME) == 0


def test_it_never_opens_when_it_is_switched_off():
    circuit = Circuit(Breaker(enabled=False, minimum_calls=1))
    fail(circuit, 100)
    assert circuit.wait(NOW) == 0
    assert not circuit.begin(NOW)


moves = st.lists(st.tuples(st.sampled_from("+-?"), st.integers(0, 4 * SECOND)), max_size=80)


@given(moves)
def test_it_never_has_two_trials_under_way(steps: list[tuple[str, int]]):
    circuit, now, trial_since = Circuit(RULES), NOW, None
    for step, passed in steps:
        now += passed
        if trial_since is not None and now - trial_since < TRIAL_TIME:
            assert circuit.wait(now) > 0
        if trial_since is not None and step != "?":
            circuit.answered(failed=step == "-", trial=True, now=now)
            trial_since = None
        elif circuit.wait(now) == 0:
            if circuit.begin(now):
                trial_since = now
            else:
                circuit.answered(failed=step == "-", trial=False, now=now)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3 * SECOND)), max_size=100))
def test_its_window_counts_what_a_list_would(answers: list[tuple[bool, int]]):
    window, now, heard = Window(10 * SECOND), NOW, []
    for failed, passed in answers:
        now += passed
        window.add(failed=failed, now=now)
        heard.append((now // SECOND, failed))
        recent = [each for second, each in heard if second > now // SECOND - 10]
        assert (window.calls, window.failures) == (len(recent), sum(recent))

"""An attempt that was not made waits, with the reason, and is made under the same number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.domain import events as e
from orchestration.domain.commands import Decision, StartAttempt
from orchestration.domain.definition import parse_definition
from orchestration.domain.errors import IllegalTransition, StepError
from orchestration.domain.events import Event
from orchestration.domain.facts import Accepted, Answered, Cancel, Failed, Pause, Postponed, Resume, Retry, ServiceBack
from orchestration.domain.graph import Graph
from orchestration.domain.ids import fraction
from orchestration.domain.invariants import check_journal, check_state
from orchestration.domain.limits import DEFAULTS
from orchestration.domain.postponement import BUSY, REASONS, SPREAD, sentence, wait_before_asking
from orchestration.domain.run import Run

START = 1_700_000_000_000_000
SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
AWAY = "no_healthy_instance"


def call(step: str, *after: str, **more: Any) -> dict[str, Any]:
    return {
        "id": step,
        "type": "service",
        "service_name": "payment",
        "method": step,
        "dependencies": list(after),
        **more,
    }


class Story:
    """One run, told instant by instant."""

    def __init__(self, *steps: dict[str, Any], **config: Any) -> None:
        self.definition = {"id": "order", "config": {"timeout": "7d", **config}, "steps": list(steps)}
        self.graph = Graph.compile(parse_definition(self.definition))
        self.run = Run(self.graph, execution_id="run-1")
        self.now = START
        self.journal: list[Event] = []
        self.calls: list[StartAttempt] = []
        self.run.start(self.now)
        self.decide()

    def decide(self) -> Decision:
        decision = self.run.decide(self.now)
        assert not check_state(self.run)
        self.journal += decision.events
        self.calls += [command for command in decision.commands if isinstance(command, StartAttempt)]
        return decision

    def hear(self, fact: Any) -> bool:
        heard = self.run.hear(fact, self.now)
        self.decide()
        return heard

    def turn_away(self, reason: str = AWAY, *, after: int | None = None, call: int = -1) -> int:
        """Say that a call was not made; return how long it waits."""
        attempt = self.calls[call].attempt
        assert self.hear(Postponed(attempt, reason, "so it is", after))
        due = self.run.find(self.calls[call].step).due
        return 0 if due is None else due - self.now

    def wake(self) -> None:
        """Go on to the next timer."""
        assert self.run.wake_at is not None
        self.now = max(self.now, self.run.wake_at)
        self.decide()

    def answer(self, output: dict[str, Any] | None = None, *, call: int = -1) -> None:
        self.hear(Answered(self.calls[call].attempt, output))

    def step(self, path: str = "pay") -> Any:
        return self.run.find(path)

    def told(self) -> list[str]:
        return [f"{event.type} {event.step}".strip() for event in self.journal]

    def replayed(self) -> Run:
        run = Run(self.graph, execution_id="run-1")
        for event in self.journal:
            run.apply(event)
        return run


def test_a_postponed_attempt_waits_and_is_made_under_the_same_number():
    story = Story(call("pay"))
    wait = story.turn_away()
    step = story.step()
    assert SECOND <= wait <= SECOND * (1 + SPREAD)
    assert (step.status, step.attempts, step.next_attempt_at) == ("waiting", 1, story.now + wait)
    assert step.tries == []
    story.wake()
    first, again = story.calls
    assert (step.status, step.attempts) == ("running", 1)
    assert (again.number, again.idempotency_key, again.input) == (1, first.idempotency_key, first.input)
    assert again.attempt != first.attempt
    story.answer({"paid": True})
    assert (story.run.status, step.attempts) == ("completed", 1)
    assert [(number, start) for number, start, _, _ in step.tries] == [(1, story.now)]
    assert story.told() == [
        "workflow.started",
        "step.started pay",
        "step.postponed pay",
        "step.started pay",
        "step.completed pay",
        "workflow.completed",
    ]
    assert not check_journal(story.journal)


def test_a_postponement_between_two_attempts_burns_neither():
    story = Story(call("pay", retry={"max_attempts": 2, "delay": "1s"}))
    story.hear(Failed(story.calls[-1].attempt, StepError("http_503")))
    story.wake()
    for _ in range(5):
        story.turn_away("circuit_open")
        story.wake()
    assert story.step().attempts == 2
    assert [each.number for each in story.calls] == [1, *[2] * 6]
    story.hear(Failed(story.calls[-1].attempt, StepError("http_503")))
    assert (story.run.status, story.step().attempts) == ("failed", 2)


def test_a_wait_doubles_up_to_its_bound_and_begins_anew_after_a_call_that_was_made():
    story = Story(call("pay"))
    waits = []
    for _ in range(12):
        waits.append(story.turn_away())
        story.wake()
    bases = [min(2**place, 300) * SECOND for place in range(12)]
    assert all(base <= wait <= base * (1 + SPREAD) for base, wait in zip(bases, waits, strict=True))
    story.hear(Failed(story.calls[-1].attempt, StepError("http_503")))
    story.wake()
    assert story.turn_away() <= SECOND * (1 + SPREAD)


def test_a_service_that_is_back_and_busy_is_asked_for_soon_however_long_it_was_away():
    story = Story(call("pay"))
    for _ in range(9):
        story.turn_away(AWAY)
        story.wake()
    assert story.turn_away("recovering") <= SECOND * (1 + SPREAD)
    story.wake()
    assert story.turn_away("circuit_open") >= 300 * SECOND
    story.wake()
    assert 2 * SECOND <= story.turn_away("rate_limit") <= 2.5 * SECOND


@pytest.mark.parametrize(("reason", "entries"), [*((each, 10_300) for each in sorted(BUSY)), (AWAY, 540)])
def test_a_day_of_asking_in_vain_leaves_a_bounded_journal(reason, entries):
    story = Story(call("pay"))
    while story.now < START + DAY:
        story.turn_away(reason, after=1)
        story.wake()
    assert len(story.journal) <= entries


def test_what_the_caller_says_counts_where_it_is_longer():
    story = Story(call("pay"))
    assert 30 * SECOND <= story.turn_away("circuit_open", after=30 * SECOND) <= 37.5 * SECOND
    story.wake()
    assert 2 * SECOND <= story.turn_away("circuit_open", after=1) <= 2.5 * SECOND
    story.wake()
    assert 300 * SECOND <= story.turn_away("rate_limit", after=DAY) <= 375 * SECOND


@settings(deadline=None)
@given(
    reason=st.sampled_from(sorted(REASONS)),
    times=st.integers(1, 10**6),
    after=st.none() | st.integers(0, 10**15),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_a_wait_is_never_shorter_than_the_first_nor_longer_than_the_longest(reason, times, after, draw):
    wait = wait_before_asking(DEFAULTS, reason=reason, times=times, after=after, draw=draw)
    assert DEFAULTS.postponed_first <= wait <= DEFAULTS.postponed_most * (1 + SPREAD)
    longer = wait_before_asking(DEFAULTS, reason=reason, times=times + 1, after=after, draw=draw)
    assert longer >= wait


def test_a_thousand_that_were_turned_away_together_do_not_come_back_together():
    waits = [
        wait_before_asking(DEFAULTS, reason="circuit_open", times=1, after=30 * SECOND, draw=fraction(f"run-{each}"))
        for each in range(1000)
    ]
    busiest = max(sum(at <= wait < at + SECOND for wait in waits) for at in range(0, 60 * SECOND, SECOND))
    assert busiest < 200


# Why ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_it_says_why_it_waits_and_until_when(reason):
    story = Story(call("pay"))
    wait = story.turn_away(reason)
    [waiting] = story.run.waiting_for(story.now)
    assert (waiting.kind, waiting.step, waiting.reason) == ("postponed", "pay", reason)
    assert waiting.until == story.now + wait
    assert waiting.detail == f"{sentence(reason, 'payment')}: so it is"
    assert "payment" in waiting.detail
    [same] = story.replayed().waiting_for(story.now)
    assert same == waiting


def test_a_reason_that_nobody_knows_speaks_for_itself():
    assert sentence("lunar_eclipse", "payment") == "payment: lunar eclipse"


# What bounds the wait -------------------------------------------------------------------------------------------------


def test_the_executions_timeout_ends_it():
    story = Story(call("pay"), timeout="10s")
    while not story.run.ended:
        if story.step().status == "running":
            story.turn_away()
        story.wake()
    assert story.now == START + 10 * SECOND
    assert (story.run.error["code"], story.step().status, story.step().attempts) == ("timeout", "cancelled", 1)


def test_the_steps_own_timeout_is_that_of_the_call_that_is_made():
    story = Story(call("pay", timeout="5s", retry={"max_attempts": 1}))
    for _ in range(5):
        story.turn_away()
        story.wake()
    assert story.now > START + 30 * SECOND
    began = story.now
    story.wake()
    assert story.now == began + 5 * SECOND
    assert story.step().error["code"] == "timeout"


def test_a_containers_timeout_ends_it():
    story = Story({"id": "box", "type": "parallel", "timeout": "3s", "steps": [call("pay")]})
    story.turn_away()
    story.wake()
    story.turn_away()
    story.wake()
    assert story.now == START + 3 * SECOND
    assert (story.step("box").error["code"], story.step("box.pay").status) == ("timeout", "cancelled")


def test_the_policys_deadline_ends_it():
    story = Story(call("pay", retry={"deadline": "10s"}))
    while not story.run.ended:
        story.turn_away()
        story.wake()
    assert (len(story.calls), story.now) == (4, START + 10 * SECOND)
    assert (story.step().error["code"], story.step().error["message"]) == (AWAY, "so it is")
    assert (story.step().status, story.step().attempts) == ("failed", 1)


def test_a_deadline_that_passes_while_it_waits_for_a_slot_ends_it_with_its_reason():
    story = Story(call("pay", retry={"deadline": "2s"}), call("other"), parallel_limit=1)
    story.turn_away("rate_limit")
    assert [each.step for each in story.calls] == ["pay", "other"]
    story.wake()
    story.now += 5 * SECOND
    story.answer()
    assert (story.step().status, story.step().error["code"]) == ("failed", "rate_limit")


def test_a_policy_that_never_retries_the_reason_fails_at_once_and_takes_the_other_way():
    story = Story(
        call("pay", retry={"never": [AWAY]}, on_failure=["cash"]),
        {**call("cash"), "service_name": "till"},
    )
    story.turn_away()
    assert (story.step().status, story.step().error["code"]) == ("failed", AWAY)
    assert story.calls[-1].service == "till"


# Slots and limits -----------------------------------------------------------------------------------------------------


def test_it_holds_no_slot_so_that_others_are_called():
    story = Story(call("pay"), {**call("ship"), "service_name": "carrier"}, parallel_limit=1)
    assert [each.service for each in story.calls] == ["payment"]
    story.turn_away()
    assert [each.service for each in story.calls] == ["payment", "carrier"]
    story.wake()
    assert len(story.calls) == 2, "it waits for its turn like everything else"
    [waiting] = [each for each in story.run.waiting_for(story.now) if each.step == "pay"]
    assert waiting.kind == "slot"
    story.answer()
    assert [each.service for each in story.calls] == ["payment", "carrier", "payment"]


def test_it_keeps_its_place_in_a_loop_with_a_limit():
    loop = {"id": "all", "type": "loop", "items": list(range(5)), "parallel_limit": 2, "steps": [call("pay")]}
    story = Story(loop)
    story.turn_away(call=0)
    story.turn_away(call=1)
    assert [each.step for each in story.calls] == ["all[0].pay", "all[1].pay"]


# What people do -------------------------------------------------------------------------------------------------------


def test_it_is_not_asked_for_during_a_pause():
    story = Story(call("pay"))
    story.turn_away()
    story.hear(Pause())
    story.now += HOUR
    story.decide()
    assert len(story.calls) == 1
    story.hear(Resume())
    assert len(story.calls) == 2


def test_a_cancel_ends_it_and_a_retry_asks_for_it_anew():
    story = Story(call("pay"))
    for _ in range(4):
        story.turn_away()
        story.wake()
    story.turn_away()
    story.hear(Cancel())
    assert (story.run.status, story.step().status) == ("cancelled", "cancelled")
    assert story.run.wake_at is None
    story.hear(Retry())
    assert (story.step().status, story.step().attempts) == ("running", 1)
    assert story.turn_away() <= SECOND * (1 + SPREAD)


def test_an_answer_to_a_call_that_was_not_made_is_passed_over():
    story = Story(call("pay"))
    attempt = story.calls[-1].attempt
    story.turn_away()
    for fact in (
        Answered(attempt, {}),
        Failed(attempt, StepError("late")),
        Accepted(attempt),
        Postponed(attempt, AWAY),
    ):
        assert story.hear(fact) is False
    assert story.step().status == "waiting"


def test_a_call_that_was_taken_on_cannot_be_postponed():
    story = Story(call("pay", completion="callback"))
    attempt = story.calls[-1].attempt
    story.hear(Accepted(attempt))
    assert story.hear(Postponed(attempt, AWAY)) is False
    story.answer({"paid": True})
    assert story.run.status == "completed"


def test_an_at_most_once_call_that_was_not_made_may_be_made():
    story = Story(call("pay", delivery="at-most-once"))
    story.turn_away()
    story.wake()
    story.answer({"paid": True})
    assert (story.run.status, story.step().attempts) == ("completed", 1)


# Notifications and compensations --------------------------------------------------------------------------------------


def test_a_notification_waits_for_its_service():
    story = Story({"id": "tell", "type": "notification", "channel": "email", "body": "done"})
    story.turn_away()
    [waiting] = story.run.waiting_for(story.now)
    assert waiting.detail == "waits for a healthy instance of notify: so it is"
    assert story.run.awaited_services == {"notify"}
    story.wake()
    story.answer()
    assert (story.run.status, story.step("tell").attempts) == ("completed", 1)


def _undoing() -> Story:
    undo = {"service_name": "payment", "method": "refund", "retry": {"max_attempts": 2, "delay": "1s"}}
    story = Story(call("pay", compensate=undo), call("ship", "pay"), failure_policy="compensate")
    story.answer()
    story.hear(Failed(story.calls[-1].attempt, StepError("http_400")))
    assert story.calls[-1].purpose == "compensation"
    return story


def test_a_compensation_waits_for_its_service_and_burns_no_attempt():
    story = _undoing()
    for _ in range(4):
        story.turn_away()
        [waiting] = story.run.waiting_for(story.now)
        assert (waiting.kind, waiting.reason, waiting.until) == ("compensation", AWAY, story.step().due)
        assert waiting.detail == "payment.refund undoes it; waits for a healthy instance of payment: so it is"
        story.wake()
    calls = [each for each in story.calls if each.purpose == "compensation"]
    assert {each.number for each in calls} == {1}
    assert len({each.idempotency_key for each in calls}) == 1
    assert len({each.attempt for each in calls}) == 5
    story.hear(Failed(calls[-1].attempt, StepError("http_503")))
    story.wake()
    assert story.calls[-1].number == 2
    story.turn_away()
    story.wake()
    assert story.calls[-1].number == 2
    story.answer()
    assert (story.run.status, story.step().status) == ("failed", "compensated")
    assert not check_journal(story.journal)


def test_a_compensation_is_given_up_after_a_day():
    story = _undoing()
    while not story.run.ended:
        story.turn_away()
        if not story.run.ended:
            story.wake()
    assert story.now == START + DAY
    assert (story.run.status, story.step().undo_error["code"]) == ("compensation_failed", AWAY)


def test_a_compensation_that_never_retries_the_reason_fails_at_once():
    undo = {"service_name": "payment", "method": "refund", "retry": {"never": ["circuit_open"]}}
    story = Story(call("pay", compensate=undo), call("ship", "pay"), failure_policy="compensate")
    story.answer()
    story.hear(Failed(story.calls[-1].attempt, StepError("http_400")))
    story.turn_away("circuit_open")
    assert (story.run.status, story.step().status) == ("compensation_failed", "compensation_failed")


# Its service is back --------------------------------------------------------------------------------------------------


def test_what_waits_for_an_instance_is_asked_for_when_there_is_one():
    story = Story(call("pay"))
    for _ in range(9):
        story.turn_away()
        story.wake()
    assert story.turn_away() > 200 * SECOND
    assert story.run.awaited_services == {"payment"}
    assert story.hear(ServiceBack("carrier")) is False
    assert story.hear(ServiceBack("payment")) is True
    assert story.step().status == "running"
    assert not story.run.awaited_services
    assert story.told()[-2:] == ["step.postponed pay", "step.started pay"]
    story.answer()
    assert (story.run.status, story.step().attempts) == ("completed", 1)


@pytest.mark.parametrize("reason", sorted(REASONS - {AWAY}))
def test_what_waits_for_something_else_does_not_care(reason):
    story = Story(call("pay"))
    story.turn_away(reason)
    assert not story.run.awaited_services
    assert story.hear(ServiceBack("payment")) is False
    assert story.step().status == "waiting"


def test_a_service_that_is_only_said_to_be_back_is_asked_for_less_and_less():
    story = Story(call("pay"))
    for _ in range(9):
        story.turn_away()
        story.wake()
    waits = []
    for _ in range(6):
        story.turn_away()
        story.hear(ServiceBack("payment"))
        waits.append(0 if story.step().status == "running" else story.step().due - story.now)
        if story.step().status != "running":
            story.wake()
    assert waits[0] == 0
    bases = [2**place * SECOND for place in range(5)]
    assert all(base <= wait <= base * (1 + SPREAD) for base, wait in zip(bases, waits[1:], strict=True))


def test_a_pause_is_not_ended_by_a_service_that_is_back():
    story = Story(call("pay"))
    story.turn_away()
    story.hear(Pause())
    story.hear(ServiceBack("payment"))
    assert len(story.calls) == 1
    assert story.replayed().wake_at == story.run.wake_at
    story.hear(Resume())
    assert len(story.calls) == 2


# The fold -------------------------------------------------------------------------------------------------------------


def test_a_worker_that_takes_it_up_makes_nothing_of_it_before_its_time():
    story = Story(call("pay"), call("other"))
    story.turn_away(call=0)
    heir = story.replayed()
    heir.take_up(story.now, lost=True)
    decision = heir.decide(story.now)
    assert [event.step for event in decision.events] == ["other"]
    assert (heir.find("pay").status, heir.find("pay").attempts) == ("waiting", 1)
    later = heir.decide(heir.find("pay").due)
    assert [command.number for command in later.commands if command.step == "pay"] == [1]


@pytest.mark.parametrize("kind", [e.STEP_POSTPONED, e.STEP_STARTED])
def test_a_wait_for_something_else_is_no_postponed_call(kind):
    story = Story({"id": "rest", "type": "delay", "duration": "1h"})
    data = {"reason": AWAY, "until": START + SECOND, "attempt": 1}
    with pytest.raises(IllegalTransition):
        story.run.apply(Event(story.run.seq + 1, kind, START, "rest", data))
    assert not check_state(story.run)


def test_an_attempt_that_begins_twice_without_being_postponed_is_found_out():
    story = Story(call("pay"))
    story.turn_away()
    story.wake()
    without = [event for event in story.journal if event.type != e.STEP_POSTPONED]
    renumbered = [replace(event, seq=place) for place, event in enumerate(without, start=1)]
    assert check_journal(renumbered) == ["attempt 1 of pay begins at 3, where 2 should"]

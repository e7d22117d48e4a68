"""What is true of every execution, whatever its workflow says and in whatever order things happen."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestration.domain import events as e
from orchestration.domain.commands import Finish
from orchestration.domain.definition import parse_definition
from orchestration.domain.errors import IllegalTransition, Refused, StepError
from orchestration.domain.events import EVENT_TYPES, Event
from orchestration.domain.facts import (
    Accepted,
    Answered,
    Cancel,
    ChildEnded,
    ChildStarted,
    Failed,
    Pause,
    Postponed,
    Rerun,
    Resume,
    Retry,
    ServiceBack,
    Signal,
)
from orchestration.domain.invariants import check_journal, check_state
from orchestration.domain.run import Run
from tests.unit.domain.player import Player, new_run, same_entries, snapshot
from tests.unit.domain.strategies import scenarios

seeds = st.integers(min_value=0, max_value=2**32)
every = settings(
    max_examples=40,
    deadline=None,
    # A workflow that fails is shown as it was drawn: making it smaller takes minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


def stored(event: Event) -> Event:
    """Return the entry as a journal gives it back: through JSON, with nothing shared."""
    return Event(event.seq, event.type, event.at, event.step, orjson.loads(orjson.dumps(event.data)))


@every
@given(scenarios())
def test_it_is_a_valid_definition(scenario):
    parse_definition(scenario["definition"])
    for child in scenario["children"]:
        parse_definition(child)


@every
@given(scenarios(), seeds)
def test_it_folds_its_journal_to_the_same_state_at_every_decision(scenario, seed):
    player = Player.begin(scenario, seed)
    folded = new_run(scenario, player.run.graph)
    count = 0

    def catch_up() -> None:
        nonlocal count
        for event in player.journal[count:]:
            folded.apply(stored(event))
        count = len(player.journal)
        if folded.status != "compensating":
            # What was due but had to wait is in no entry: it falls due again, and again nothing follows from it.
            idle = folded.decide(player.now)
            assert not idle.events
            assert not [command for command in idle.commands if not isinstance(command, Finish)]
        assert not check_state(folded)
        assert snapshot(folded) == snapshot(player.run)

    catch_up()
    while player.turn():
        catch_up()
    assert not check_journal(player.journal)


@every
@given(scenarios(), seeds, st.integers(min_value=0, max_value=40))
def test_it_goes_on_after_a_replay_as_if_nothing_had_happened(scenario, seed, turns):
    player = Player.begin(scenario, seed)
    for _ in range(turns):
        if not player.turn():
            break
    if player.run.status == "compensating":
        return
    twin = new_run(scenario, player.run.graph)
    for event in player.journal:
        twin.apply(stored(event))
    idle = twin.decide(player.now)
    assert not idle.events
    assert not idle.commands
    for _ in range(200):
        before, told = len(player.journal), len(player.told)
        decided = len(player.decisions)
        if not player.turn() or player.run.status == "compensating":
            return
        for fact in player.told[told:]:
            twin.hear(fact, player.now)
        theirs = twin.decide(player.now)
        ours = player.journal[before:]
        assert same_entries(theirs.events, ours)
        assert theirs.commands == player.decisions[-1].commands
        assert len(player.decisions) == decided + 1
        assert snapshot(twin) == snapshot(player.run)


@every
@given(scenarios(), seeds)
def test_it_folds_an_entry_that_is_heard_twice_once(scenario, seed):
    player = Player.begin(scenario, seed)
    player.play()
    folded = new_run(scenario, player.run.graph)
    luck = random.Random(seed)
    for place, event in enumerate(player.journal):
        folded.apply(event)
        if luck.random() < 0.3:
            before = snapshot(folded)
            folded.apply(event)
            folded.apply(player.journal[luck.randrange(place + 1)])
            assert snapshot(folded) == before
    assert snapshot(folded) == snapshot(player.run)


@every
@given(scenarios(), seeds)
def test_it_raises_for_an_entry_out_of_place_and_changes_nothing(scenario, seed):
    player = Player.begin(scenario, seed)
    player.play()
    folded = new_run(scenario, player.run.graph)
    luck = random.Random(seed)
    for place, event in enumerate(player.journal):
        if luck.random() < 0.3:
            _check_refusals(folded, player.journal, place, luck)
        folded.apply(event)
    assert snapshot(folded) == snapshot(player.run)


def _check_refusals(folded: Any, journal: list[Event], place: int, luck: random.Random) -> None:
    before = snapshot(folded)
    for later in journal[place + 1 : place + 3]:
        with pytest.raises(IllegalTransition):
            folded.apply(later)
        assert snapshot(folded) == before
    nowhere = Event(folded.seq + 1, e.STEP_COMPLETED, folded.seq, "no-such-step", {"output": {}})
    with pytest.raises(IllegalTransition):
        folded.apply(nowhere)
    with pytest.raises(IllegalTransition):
        folded.apply(Event(folded.seq + 1, "step.exploded", 0, "a0", {}))
    assert snapshot(folded) == before
    trial = new_run_at(folded, journal[:place])
    for _ in range(3):
        if not _try_anything(trial, luck):
            trial = new_run_at(folded, journal[:place])


def new_run_at(run: Any, journal: list[Event]) -> Any:
    """Return another run of the same workflow, as the journal leaves it."""
    twin = Run(run.graph, execution_id=run.execution_id, input=run.input, defaults=run.defaults)
    for event in journal:
        twin.apply(event)
    return twin


def _try_anything(trial: Any, luck: random.Random) -> bool:
    """Apply a random entry: it is folded, or raises and leaves the run as it was. Return whether it raised."""
    steps = [step.path for step in trial.step_runs()] or [""]
    event_type = luck.choice(sorted(EVENT_TYPES))
    step = luck.choice(steps) if event_type.startswith("step.") else ""
    data = luck.choice(
        [
            {},
            {"output": {}},
            {"reason": "circuit_open", "until": 5, "attempt": 1},
            {"attempt": 1},
            {"error": StepError("x").as_json(), "attempt": 1},
        ]
    )
    before = snapshot(trial)
    try:
        trial.apply(Event(trial.seq + 1, event_type, 1, step, dict(data)))
    except IllegalTransition:
        assert snapshot(trial) == before
        return True
    assert trial.seq == before["seq"] + 1
    return False


@every
@given(scenarios(), seeds)
def test_it_ends_or_waits_for_something_that_it_names(scenario, seed):
    player = Player.begin(scenario, seed)
    for _ in range(3_000):
        run = player.run
        if run.ended:
            assert run.ended_at is not None
            assert not run.waiting_for(player.now)
            assert run.in_flight == 0
        else:
            assert run.waiting_for(player.now), "an execution that has not ended says what it waits for"
            assert run.wake_at is not None, "something wakes an execution that has not ended"
        if not player.turn():
            break
    assert player.run.ended
    assert player.finishes >= 1


@every
@given(scenarios(), seeds)
def test_it_decides_nothing_without_news(scenario, seed):
    player = Player.begin(scenario, seed)
    for _ in range(60):
        again = player.run.decide(player.now)
        assert not again.events
        assert not again.commands
        if not player.turn():
            break


@every
@given(scenarios(), seeds)
def test_it_passes_over_what_is_out_of_date(scenario, seed):
    player = Player.begin(scenario, seed)
    luck = random.Random(seed)
    answered: set[str] = set()
    while player.turn():
        pending = {getattr(each.fact, "attempt", None) for each in player.due}
        answered |= {
            fact.attempt
            for fact in player.told
            if isinstance(fact, Answered | Failed | Postponed | ChildEnded | ChildStarted)
            and fact.attempt not in pending
        }
        if answered and luck.random() < 0.5:
            _tell_again(player, luck.choice(sorted(answered)))
    for attempt in player.started:
        _tell_again(player, attempt)


def _tell_again(player: Player, attempt: str) -> None:
    before = snapshot(player.run)
    for fact in (
        Answered(attempt, {"late": True}),
        Failed(attempt, StepError("late")),
        Accepted(attempt),
        Postponed(attempt, "rate_limit"),
        ServiceBack("nobody"),
        ChildEnded(attempt, "x", "completed", {"late": True}),
        Answered("nobody!0.1", {}),
    ):
        assert player.run.hear(fact, player.now) is False
        decision = player.run.decide(player.now)
        assert not decision.events
        assert not decision.commands
    assert snapshot(player.run) == before


@every
@given(scenarios(), seeds, st.integers(min_value=0, max_value=40), st.booleans())
def test_it_ends_after_a_crash_anywhere(scenario, seed, turns, lost):
    player = Player.begin(scenario, seed)
    for _ in range(turns):
        if not player.turn():
            break
    heir = Player(scenario, new_run(scenario, player.run.graph), random.Random(seed), now=player.now + 1)
    for event in player.journal:
        heir.run.apply(stored(event))
    heir.actions, heir.used = list(player.actions), dict(player.used)
    # What services that took an attempt on will post comes to whoever holds the execution then.
    heir.due = [each for each in player.due if _was_accepted(player, each.fact)]
    heir.journal = list(player.journal)
    heir.run.take_up(heir.now, lost=lost)
    heir.decide()
    heir.play()
    assert heir.run.ended
    assert not check_journal(heir.journal)
    folded = new_run(scenario, player.run.graph)
    for event in heir.journal:
        folded.apply(stored(event))
    assert snapshot(folded) == snapshot(heir.run)


def _was_accepted(player: Player, fact: Any) -> bool:
    return any(isinstance(told, Accepted) and told.attempt == getattr(fact, "attempt", None) for told in player.told)


@every
@given(scenarios(), seeds)
def test_it_keeps_to_its_limits_and_orders(scenario, seed):
    player = Player.begin(scenario, seed)
    config = player.run.graph.definition.config
    while True:
        assert player.run.in_flight <= config.parallel_limit
        if not player.turn():
            break
    assert len(set(player.started)) == len(player.started), "an attempt is started once"
    assert all(earlier.at <= later.at for earlier, later in zip(player.journal, player.journal[1:], strict=False))


@every
@given(scenarios(), seeds)
def test_it_refuses_actions_without_changing_anything(scenario, seed):
    player = Player.begin(scenario, seed)
    while player.turn():
        for action, states in ACTIONS:
            if player.run.status in states:
                continue
            before = snapshot(player.run)
            with pytest.raises(Refused):
                player.run.hear(action, player.now)
            assert snapshot(player.run) == before


UNSUCCESSFUL = frozenset({"failed", "cancelled", "compensation_failed"})
ACTIONS = (
    (Pause(), {"running"}),
    (Resume(), {"paused"}),
    (Cancel(), {"running", "paused"}),
    (Retry(), UNSUCCESSFUL),
    (Rerun("a0"), UNSUCCESSFUL),
    (Rerun("nobody"), frozenset()),
    (Signal("go"), {"running", "paused", "compensating"}),
)

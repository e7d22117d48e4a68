"""When a cluster is taken for half dead, as a timeline: what is seen at which second, and what follows."""

from __future__ import annotations

from orchestration.engine.liveness import (
    LATE_SECONDS,
    MISSING_SECONDS,
    PATIENCE_SECONDS,
    START_SECONDS,
    STOPPED_SECONDS,
    Liveness,
    Orders,
    Seen,
)

ROOT, SENTINEL, WORKER, SPARE, MONITOR, PUSHER = range(1, 7)
EVERY = 5.0
ALL = dict.fromkeys((ROOT, SENTINEL, WORKER, SPARE, MONITOR, PUSHER), "S")


class Timeline:
    """A cluster of two workers that is looked at every second, and sends what canaries it should."""

    def __init__(self, **more: float) -> None:
        self.now = 0.0
        self.sent: list[float] = []
        self.liveness = Liveness(0.0, workers=2, canary_seconds=EVERY, **more)

    def look(self, *, answered: bool = False, full: bool = False, states: dict[int, str] | None = None) -> Orders:
        """Let a second pass and look."""
        self.now += 1
        seen = Seen(answered, full, ROOT, SENTINEL, ALL if states is None else states)
        orders = self.liveness.look(self.now, seen)
        if orders.canary and not orders.replace:
            self.liveness.sent(self.now)
            self.sent.append(self.now)
        return orders

    def until_replaced(self, most: int = 100, **seen: object) -> float:
        """Look until it must be replaced; return after how many seconds."""
        began = self.now
        for _ in range(most):
            if self.look(**seen).replace:  # type: ignore[arg-type]
                return self.now - began
        raise AssertionError("it is never replaced")


def started(**more: float) -> Timeline:
    """Return one that has answered."""
    timeline = Timeline(**more)
    timeline.look()
    timeline.look(answered=True)
    return timeline


def test_a_canary_goes_out_every_five_seconds_and_another_while_it_is_away():
    timeline = started()
    timeline.sent.clear()
    for second in range(1, 21):
        timeline.look(answered=second % 6 == 0)
    assert timeline.sent == [7, 13, 19]
    timeline.sent.clear()
    timeline.until_replaced()
    assert len(timeline.sent) == 2


def test_one_that_answers_no_more_is_replaced_within_fifteen_seconds():
    assert started().until_replaced() <= 12


def test_one_that_is_only_starting_is_given_time():
    assert START_SECONDS <= Timeline().until_replaced() <= START_SECONDS + 3


def test_one_with_all_workers_in_shifts_is_left_alone():
    timeline = started()
    for _ in range(100):
        assert not timeline.look(full=True).replace
    assert timeline.until_replaced() <= 12


def test_one_whose_tasks_take_long_is_given_longer():
    assert 20 + PATIENCE_SECONDS <= started(slowest=20.0).until_replaced() <= 35


def test_a_stopped_worker_is_killed_and_a_stopped_parent_is_the_end():
    for pid in (WORKER, MONITOR, PUSHER):
        timeline = started()
        orders = [timeline.look(states={**ALL, pid: "T"}) for _ in range(3)]
        assert [each.kill for each in orders] == [[], [], [pid]]
    for pid in (ROOT, SENTINEL):
        assert started().until_replaced(states={**ALL, pid: "T"}) == STOPPED_SECONDS + 1
    timeline = started()
    for _ in range(50):
        assert not timeline.look(answered=True, states={**ALL, WORKER: "T"} if timeline.now % 2 else ALL).kill


def test_a_dead_one_that_is_not_replaced_is_found_however_well_the_others_do():
    for state in ("Z", ""):
        timeline = started()
        assert timeline.until_replaced(answered=True, states={**ALL, SPARE: state}) == MISSING_SECONDS + 1


def test_a_death_is_reason_enough_for_a_canary_at_once():
    timeline = started()
    timeline.look()
    timeline.sent.clear()
    timeline.look(states={**ALL, 7: "S", WORKER: "Z"})
    assert timeline.sent == [timeline.now]
    assert timeline.until_replaced(states={**ALL, 7: "S", WORKER: ""}) <= PATIENCE_SECONDS + 1


def test_a_death_while_a_canary_is_away_has_another_sent_and_begins_its_time_anew():
    timeline = started()
    while not timeline.look().canary:
        pass
    timeline.look()
    less = {pid: state for pid, state in ALL.items() if pid != WORKER}
    assert timeline.look(states=less).canary
    assert timeline.liveness.doubtful
    assert timeline.until_replaced(states=ALL) == PATIENCE_SECONDS + 1


def test_only_an_answer_clears_the_doubt_that_a_death_leaves_and_each_death_raises_it_anew():
    timeline = started()
    timeline.look()
    less = {pid: state for pid, state in ALL.items() if pid != WORKER}
    timeline.look(states=less)
    timeline.look()
    assert timeline.liveness.doubtful
    timeline.look(answered=True)
    assert not timeline.liveness.doubtful
    # What answers in the same moment in which another dies says nothing of what that left.
    timeline.look(answered=True, states=less)
    assert timeline.liveness.doubtful
    assert timeline.liveness.deaths == 2


def test_a_pulse_that_was_held_up_itself_blames_nobody():
    timeline = started()
    while not timeline.sent or timeline.sent[-1] <= 2:
        timeline.look()
    timeline.now += 60
    assert not timeline.look().replace
    assert LATE_SECONDS < timeline.until_replaced() <= 12


def test_without_a_process_table_the_canary_watches_alone():
    liveness = Liveness(0.0, workers=2, canary_seconds=EVERY)
    liveness.look(1.0, Seen(answered=True))
    assert liveness.look(2.0, Seen(answered=False)) == Orders()
    assert liveness.look(4.9, Seen(answered=False)) == Orders()
    assert liveness.look(6.0, Seen(answered=False)) == Orders(canary=True)

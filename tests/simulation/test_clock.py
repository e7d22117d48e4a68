"""The simulator's clock: the same order as SimPy's, with processes beside what merely happens later."""

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simpy import Environment
from simpy.core import EmptySchedule

from simulation.world.clock import Clock, Later

delays = st.lists(st.tuples(st.integers(min_value=0, max_value=5), st.booleans()), max_size=30)


def happened(env: Clock, plan: list[tuple[int, bool]], run: Any) -> list[tuple[int, int]]:
    """Return (instant, number) in the order of happening; what is marked is a process of SimPy's."""
    seen: list[tuple[int, int]] = []

    def process(delay: int, number: int) -> Generator[Any, Any, None]:
        yield env.timeout(delay)
        seen.append((env.now, number))

    def note(happening: Later) -> None:
        seen.append((env.now, happening.value))

    for number, (delay, is_process) in enumerate(plan):
        if is_process:
            env.process(process(delay, number))
        else:
            env.later(delay, note, number)
    run(env)
    return seen


@given(delays)
def test_what_happens_later_it_orders_by_instant_then_by_scheduling(plan: list[tuple[int, bool]]):
    only_later = [(delay, False) for delay, _ in plan]
    expected = sorted((delay, number) for number, (delay, _) in enumerate(only_later))
    assert happened(Clock(), only_later, lambda env: env.pass_until(100)) == expected


@given(delays)
def test_its_own_loop_it_runs_as_simpys_does(plan: list[tuple[int, bool]]):
    by_simpy = happened(Clock(), plan, lambda env: Environment.run(env, until=4))
    assert happened(Clock(), plan, lambda env: env.pass_until(4)) == by_simpy
    assert all(instant < 4 for instant, _ in by_simpy)


def test_at_the_instant_it_passes_to_nothing_happens_yet():
    clock = Clock(initial_time=10)
    seen: list[int] = []
    clock.later(5, lambda happening: seen.append(clock.now))
    clock.pass_until(15)
    assert (seen, clock.now) == ([], 15)
    clock.pass_until(16)
    assert (seen, clock.now) == ([15], 16)


def test_without_anything_to_happen_it_says_so():
    with pytest.raises(EmptySchedule):
        Clock().step()

"""Simulated time: SimPy's environment, with its loop written out for what happens most.

A simulation has two or three happenings a step, nearly all of them "call this after so long". SimPy makes an event of
each, with a list of callbacks and a dictionary of attributes, and takes it from the heap in a method called for each.
Here such a happening is two values in the same heap, under SimPy's own order (instant, urgency, order of scheduling),
so that processes and events of SimPy's may stand beside it: what happens, and when, is the same to the last tie.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from simpy import Environment
from simpy.events import NORMAL


class Later:
    """Something that happens after a while: `happen` is called with this, and finds in its value what it concerns.

    The value is called `_value`, as SimPy's own events have it: a handler serves both.
    """

    __slots__ = ("_value", "happen")

    def __init__(self, happen: Callable[[Any], None], value: Any) -> None:
        self.happen = happen
        self._value = value

    @property
    def value(self) -> Any:
        """Return what it concerns."""
        return self._value


class Clock(Environment):
    """SimPy's environment, in which `Later` may happen too. Instants are whole numbers."""

    def later(self, delay: int, happen: Callable[[Any], None], value: Any = None) -> Later:
        """Have something happen in `delay`."""
        made = Later(happen, value)
        heappush(self._queue, (self._now + delay, NORMAL, next(self._eid), made))  # type: ignore[misc]
        return made

    def step(self) -> None:
        """Let the next thing happen. Raises EmptySchedule if there is none."""
        queue: list[Any] = self._queue
        if queue and type(queue[0][3]) is Later:
            self._now, _, _, what = heappop(queue)
            what.happen(what)
        else:
            super().step()

    def pass_until(self, instant: int) -> None:
        """Let everything happen that is due before `instant`, which is then now."""
        queue: list[Any] = self._queue
        while queue and queue[0][0] < instant:
            what = queue[0][3]
            if type(what) is Later:
                self._now = heappop(queue)[0]
                what.happen(what)
            else:
                super().step()
        self._now = instant

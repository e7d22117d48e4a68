"""The way from a process to the database and back, and what becomes of statements on it.

A statement arrives, is carried out and answered; or it is lost before it arrives; or its answer is lost; or the
connection breaks while it is still being carried out, so that its effect comes after the news that it failed; or it is
slow. Before a line that broke is used again, whatever is still being carried out on it is ended, done or undone. A
statement that was sent is carried out even if its process stands still or is gone by then. While the database
is down nothing arrives, and what was under way breaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

import psycopg

from .counting import Faults
from .process import Process
from .swarm import Swarm
from .timetable import MICROSECONDS, Timetable

T = TypeVar("T")
LONGEST_SLOW, LONGEST_LATE, LONGEST_LOST = 8.0, 3.0, 5.0
PUT_OFF = 0.3


class Line:
    """One connection of a process, which is opened anew when it breaks."""

    def __init__(self) -> None:
        self.broken: list[Late] = []

    def finish(self) -> None:
        """End what is still being carried out for a connection that broke."""
        for late in self.broken:
            late.over = True
        self.broken.clear()


class Late:
    """A statement whose connection broke under way."""

    over = False


class Network:
    """Everybody's connections to the one database."""

    def __init__(self, timetable: Timetable, luck: Random, swarm: Swarm, faults: Faults) -> None:
        self.swarm = swarm
        self.at_effect: Callable[[Process], None] = lambda process: None
        self.down_until = 0
        self._breaks = 0
        self._timetable = timetable
        self._luck = luck
        self._faults = faults

    @property
    def down(self) -> bool:
        """Tell whether the database takes no connections just now."""
        return self._timetable.now < self.down_until

    def go_down(self, seconds: float) -> None:
        """Break every connection, and take no new one for so long."""
        self.down_until = self._timetable.now + round(seconds * MICROSECONDS)
        self._breaks += 1

    def hop(self) -> float:
        """Return how long one way takes (seconds)."""
        return self.swarm.latency * (0.1 + self._luck.random())

    def put_off(self, process: Process, act: Callable[[], object]) -> None:
        """Carry a statement out later, unless its process is gone by then: what no database may do."""
        self._timetable.after(PUT_OFF, lambda: None if process.gone else _ignore(_carry_out(act)))

    async def ask(self, process: Process, line: Line, act: Callable[[], T]) -> T:
        """Have a statement carried out and return its answer. Raises OperationalError, and what that raises."""
        if process.dissolving:
            raise asyncio.CancelledError
        future: asyncio.Future[T] = process.loop.create_future()
        self._send(process, line, act, future)
        return await future

    def _send(self, process: Process, line: Line, act: Callable[[], Any], future: asyncio.Future[Any]) -> None:
        luck, swarm = self._luck, self.swarm
        broken = self._breaks
        go, back = self.hop(), self.hop()
        draw = luck.random()

        def fail(seconds: float, why: str) -> None:
            self._timetable.after(seconds, lambda: _settle(process, future, None, psycopg.OperationalError(why)))

        def arrive(answered: bool, late: Late | None = None) -> None:
            if late is not None and late.over:
                return
            if self.down or broken != self._breaks:
                if answered:
                    fail(self.hop(), "the connection broke")
                return
            if late is None:
                line.finish()
            result, error = _carry_out(act)
            self.at_effect(process)
            if answered:
                self._timetable.after(back, lambda: answer(result, error))

        def answer(result: Any, error: Exception | None) -> None:
            if broken != self._breaks:
                error = psycopg.OperationalError("the connection broke")
            _settle(process, future, result, error)

        if self.down:
            fail(go, "the database takes no connections")
        elif draw < (edge := swarm.statement_lost):
            self._faults.note("statement_lost")
            fail(go + luck.choice([0.0, luck.uniform(0, LONGEST_LOST)]), "the statement was lost")
        elif draw < (edge := edge + swarm.answer_lost):
            self._faults.note("answer_lost")
            self._timetable.after(go, lambda: arrive(False))
            fail(go + luck.choice([back, luck.uniform(0, LONGEST_LOST)]), "the answer was lost")
        elif draw < (edge := edge + swarm.effect_late):
            self._faults.note("effect_late")
            late = Late()
            line.broken.append(late)
            seconds = go + luck.uniform(0, luck.choice([0.05, LONGEST_LATE]))
            self._timetable.after(seconds, lambda: arrive(False, late))
            fail(go, "the connection broke under way")
        else:
            if draw < edge + swarm.statement_slow:
                self._faults.note("statement_slow")
                slow = luck.uniform(0, luck.choice([0.5, LONGEST_SLOW]))
                go, back = luck.choice([(go + slow, back), (go, back + slow)])
            self._timetable.after(go, lambda: arrive(True))


def _ignore(outcome: object) -> None:
    """Let nobody know what came of it."""


def _carry_out(act: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return act(), None
    except Exception as error:
        return None, error


def _settle(process: Process, future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    def settle() -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    process.loop.call_soon_threadsafe(settle)

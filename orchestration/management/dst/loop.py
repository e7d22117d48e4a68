"""An event loop of one process, in virtual time: no selector, no threads, nothing outside of the timetable.

It keeps asyncio's promises as far as the engine leans on them: callbacks run in the order of `call_soon`, timers never
early. A dead loop forgets everything and takes nothing in: what ran on it is not even told.
"""

from __future__ import annotations

import asyncio
import math
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

from .timetable import MICROSECONDS, Timetable

Ts = TypeVarTuple("Ts")
T = TypeVar("T")

ROUNDS = 20


class VirtualLoop(asyncio.AbstractEventLoop):
    """The loop of one process. `broken` is told of a callback that raised."""

    def __init__(self, timetable: Timetable, broken: Callable[[str], None]) -> None:
        self.ready: deque[asyncio.Handle] = deque()
        self.blocked_until = 0
        self.dead = False
        self._timetable = timetable
        self._broken = broken
        self._tasks: list[asyncio.Task[Any]] = []
        self._readers: dict[int, tuple[Callable[..., object], tuple[Any, ...]]] = {}
        timetable.loops.append(self)

    # What asyncio calls -------------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return seconds since the world began."""
        return self._timetable.now / MICROSECONDS

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback after those that are ready."""
        handle = asyncio.Handle(callback, args, self, context)
        if not self.dead:
            self.ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback that comes from outside: an answer, a ring, a heartbeat's last word."""
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback in so many seconds."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback at an instant of this loop's time."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if not self.dead:
            instant = math.ceil(round(when * MICROSECONDS, 3))
            self._timetable.at(instant, lambda: self._due(handle))
        return handle

    def _due(self, handle: asyncio.TimerHandle) -> None:
        if not self.dead and not handle.cancelled():
            self.ready.append(handle)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing to do: a cancelled timer is passed over when its time has come."""

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **named: Any) -> asyncio.Task[Any]:
        """Run a coroutine as a task."""
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, **named)
        self._tasks.append(task)
        if len(self._tasks) > 512:
            self._tasks = [each for each in self._tasks if not each.done()]
        return task

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Run a function that would have a thread: here it takes no time, but its answer comes later."""
        future = self.create_future()

        def run() -> None:
            if not future.done():
                future.set_result(func(*args))

        self.call_soon(run)
        return future

    def add_reader(self, fd: Any, callback: Callable[[*Ts], Any], *args: *Ts) -> None:
        """Run a callback when `readable` says that a descriptor is."""
        self._readers[fd] = (callback, args)

    def remove_reader(self, fd: Any) -> bool:
        """Forget a descriptor."""
        return self._readers.pop(fd, None) is not None

    def get_debug(self) -> bool:
        """Say no: asyncio's debug mode reads real clocks."""
        return False

    def is_running(self) -> bool:
        """Tell whether it may still run something."""
        return not self.dead

    def is_closed(self) -> bool:
        """Tell whether it will never run anything again."""
        return self.dead

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Note a callback that raised. (What nobody waited for any more may have failed.)"""
        if "handle" in context:
            self._broken(f"a callback raised {context.get('exception')!r}")

    # What the world calls -----------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Run the first of what is ready."""
        handle = self.ready.popleft()
        if handle.cancelled():
            return
        events._set_running_loop(self)
        try:
            handle._run()
        finally:
            events._set_running_loop(None)

    def readable(self, fd: int) -> None:
        """Have the reader of a descriptor called."""
        reader = self._readers.get(fd)
        if reader is not None:
            self.call_soon(reader[0], *reader[1])

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin a process's work."""
        return self.create_task(work)

    def die(self) -> None:
        """Stop for good, in the middle of whatever it is: nothing runs any more, not even what cleans up."""
        self.dead = True
        self.ready.clear()

    def dissolve(self) -> None:
        """Undo what was left hanging when it died, once nobody looks any more (Python would, at a bad moment)."""
        self.dead, self.blocked_until = False, 0
        for _ in range(ROUNDS):
            left = [task for task in self._tasks if not task.done()]
            if not left:
                break
            for task in left:
                task.cancel()
            while self.ready:
                self.turn()
        self.die()

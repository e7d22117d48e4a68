"""A process of the simulated world: a loop, a clock that may be wrong, and what a machine can do to both."""

from __future__ import annotations

from collections.abc import Callable

from .loop import VirtualLoop
from .timetable import EPOCH, MICROSECONDS, Timetable


class Process:
    """One process. It is the clock of what runs in it; `skew` is how far its machine's clock is off (microseconds)."""

    def __init__(self, name: str, timetable: Timetable, broken: Callable[[str], None], *, skew: int = 0) -> None:
        self.name = name
        self.skew = skew
        # What the engine asks of no loop raises NotImplementedError.
        self.loop = VirtualLoop(timetable, lambda what: broken(f"{name}: {what}"))  # type: ignore[abstract]
        self.paused_until = 0
        self.gone = False
        self.dissolving = False
        self.shift_id: int | None = None
        self._timetable = timetable

    def now_us(self) -> int:
        """Return the instant now by the machine's clock (microseconds)."""
        return EPOCH + self._timetable.now + self.skew

    def monotonic(self) -> float:
        """Return seconds of a clock that nobody sets."""
        return self._timetable.now / MICROSECONDS

    def pause(self, seconds: float, wakes: float) -> None:
        """Stop the whole process for so long, as SIGSTOP does; its loop goes on `wakes` seconds after its threads."""
        self.paused_until = max(self.paused_until, self._timetable.now + round(seconds * MICROSECONDS))
        self._block(seconds + wakes)

    def stall(self, seconds: float) -> None:
        """Stop its loop alone for so long, as a long computation does; its threads go on."""
        self._block(seconds)

    def _block(self, seconds: float) -> None:
        until = self._timetable.now + round(seconds * MICROSECONDS)
        if until > self.loop.blocked_until:
            self.loop.blocked_until = until
            self._timetable.at(until, lambda: None)

    def kill(self) -> None:
        """End the process at this instant, with nothing run after it."""
        self.gone = True
        self.loop.die()

    def dissolve(self) -> None:
        """Let go of what it still holds of Python's: for the end of a simulation."""
        self.dissolving = True
        self.loop.dissolve()

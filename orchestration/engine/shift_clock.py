"""The clock that a shift tells its runs: the database's instant, carried on by a clock that nobody sets."""

from __future__ import annotations

from collections.abc import Callable

from orchestration import clock as machine_clock
from orchestration.engine.ports import Clock

MOST_SKEW = 1_000_000


def clock_from(instant: int, clock: Clock = machine_clock) -> Callable[[], int]:
    """Return the shift's clock: it starts at this machine's instant, and goes on by a clock that nobody sets.

    Where this machine is more than a second off the database's `instant`, it starts there: timers of one database are
    due at the same moment for all workers, however wrong the clock of one of them is.
    """
    began, here = clock.monotonic(), clock.now_us()
    base = here if abs(here - instant) < MOST_SKEW else instant

    def now() -> int:
        return base + int((clock.monotonic() - began) * 1_000_000)

    return now

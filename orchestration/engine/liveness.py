"""Whether a cluster lives, judged by what is seen of it once a pulse: pure, with the time as an argument.

A cluster lives while it gets things done. So a canary goes through the whole path every `canary_seconds` (queue,
pusher, worker, database), through a queue of the cluster's own, and must leave its trace in the database. What the
kernel knows comes on top and is sooner: a process that was stopped, one that died and was not replaced, one that is
no more (then a canary goes out at once: a worker that is killed while it waits for work takes the queue's lock along,
and everybody after it waits for ever).

A canary that cannot be answered says nothing: while all workers are in shifts, and after a time in which the pulse
itself was held up (the database did not answer, the whole machine slept), the clock of the canary begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestration.engine.process_table import ENDED, STOPPED

# An unanswered canary is sent once more after half of this, and shows after all of it that nothing moves.
PATIENCE_SECONDS = 6.0
# How long a cluster may take to start on a busy machine.
START_SECONDS = 30.0
# What a person stops for a moment is left alone.
STOPPED_SECONDS = 2.0
# The sentinel replaces what died within half a second, if it can.
MISSING_SECONDS = 3.0
# A pulse this late was held up itself.
LATE_SECONDS = 3.0
# The monitor and the pusher, besides the workers.
OTHERS = 2


@dataclass(frozen=True, slots=True)
class Seen:
    """What a pulse sees of a cluster.

    `answered`: something of it reached the database since the last pulse (while it is `doubtful`: a canary that was
    sent after the doubt arose, since what was under way already says nothing); `full`: all its workers are in shifts.
    `states` is the state of each of its processes, the parent's and the sentinel's first; None: nobody can tell.
    """

    answered: bool
    full: bool = False
    root: int = 0
    sentinel: int = 0
    states: dict[int, str] | None = None


@dataclass(slots=True)
class Orders:
    """What follows: the cluster must be replaced, and why; processes that must be killed; a canary is due."""

    replace: str = ""
    kill: list[int] = field(default_factory=list)
    canary: bool = False


class Liveness:
    """What is known of one cluster since it was started. `workers` is how many it should have."""

    def __init__(self, now: float, *, workers: int, canary_seconds: float, slowest: float = 0.0) -> None:
        self._staff = workers + OTHERS
        self._every = canary_seconds
        # Its tasks may take so long while all workers have one.
        self._patience = PATIENCE_SECONDS + slowest
        self._started = self._looked = self._progress = now
        self._went = False
        # When the first and the latest of the unanswered canaries went out.
        self._asked: float | None = None
        self._asked_again = 0.0
        self._doubt = False
        # How often one of its processes was seen to have died.
        self.deaths = 0
        self._known: set[int] = set()
        self._stopped: dict[int, float] = {}
        self._missing: float | None = None

    @property
    def doubtful(self) -> bool:
        """Tell whether a process of it died since it was last known to be whole: only a canary's answer clears that."""
        return self._doubt

    def sent(self, now: float) -> None:
        """Note that a canary is on its way."""
        self._asked_again = now
        if self._asked is None:
            self._asked = now

    def look(self, now: float, seen: Seen) -> Orders:
        """Judge what is seen now."""
        if now - self._looked > LATE_SECONDS:
            self._begin_anew(now)
        self._looked = now
        if seen.answered or seen.full:
            self._went = self._went or seen.answered
            self._progress, self._asked, self._doubt = now, None, False
        orders = Orders()
        if seen.states is not None and self._went:
            self._look_at_processes(now, seen, orders)
        self._look_at_canary(now, orders)
        return orders

    def _begin_anew(self, now: float) -> None:
        self._progress, self._asked = now, None
        self._stopped.clear()
        self._missing = None

    def _look_at_canary(self, now: float, orders: Orders) -> None:
        if self._asked is None:
            orders.canary = self._doubt or now - self._progress >= self._every or not self._went
            return
        patience = self._patience if self._went else max(self._patience, START_SECONDS)
        if now - self._asked > patience:
            orders.replace = orders.replace or f"no canary came back for {now - self._asked:.0f} s"
        orders.canary = now - self._asked_again > PATIENCE_SECONDS / 2

    def _look_at_processes(self, now: float, seen: Seen, orders: Orders) -> None:
        states = seen.states or {}
        alive = {pid for pid, state in states.items() if state not in ENDED}
        if self._known - alive:
            self._doubt, self._asked = True, None
            self.deaths += 1
        self._known = alive
        self._stopped = {
            pid: self._stopped.get(pid, now) for pid, state in states.items() if state == STOPPED and pid in alive
        }
        for pid, since in self._stopped.items():
            if now - since >= STOPPED_SECONDS:
                self._on_stopped(pid, seen, orders)
        staff = len(alive - {seen.root, seen.sentinel})
        if staff >= self._staff:
            self._missing = None
        elif self._missing is None:
            self._missing = now
        elif now - self._missing >= MISSING_SECONDS:
            orders.replace = orders.replace or f"{self._staff - staff} of its processes died and were not replaced"

    def _on_stopped(self, pid: int, seen: Seen, orders: Orders) -> None:
        if pid in (seen.root, seen.sentinel):
            orders.replace = orders.replace or f"its process {pid} was stopped"
        else:
            # The sentinel starts another; a shift of it is freed at once instead of when its lease runs out.
            orders.kill.append(pid)

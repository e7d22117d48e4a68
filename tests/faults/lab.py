"""One run of one fault: what it was tried on, how often, what came of it; and the catalogue of all faults.

A fault is a function of a `Lab`. It makes a site, does something dreadful to it as many times as the lab says, and
leaves the judging to `Lab.examine`, which ends with the heal phase: new work must succeed on every worker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestration import clock
from tests.faults import workflows
from tests.faults.checker import examine
from tests.faults.servers import OwnPostgres, OwnRedis
from tests.faults.site import Site, Sites
from tests.waiting import NeverHappened, wait_for

HEAL_SECONDS = 10.0
# On a machine that does other things besides, starting processes takes what it takes; recovery itself is bounded.
SETTLE_SECONDS = 90.0


class Skipped(Exception):
    """The fault cannot be tried here; the reason is for the person who reads the table."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the list: how often it is tried, and how soon all must be well again (seconds; 0: not measured)."""

    number: str
    title: str
    act: Callable[[Lab], None]
    quick: int
    full: int
    p50: float
    p99: float
    on: frozenset[str]


FAULTS: dict[str, Fault] = {}


def fault(
    number: str,
    title: str,
    *,
    quick: int = 0,
    full: int = 1,
    p50: float = 0,
    p99: float = 0,
    on: tuple[str, ...] = ("sqlite", "postgres"),
) -> Callable[[Callable[[Lab], None]], Callable[[Lab], None]]:
    """Enter a function into the catalogue; `quick` (0: none) and `full` are how often it is tried."""

    def enter(act: Callable[[Lab], None]) -> Callable[[Lab], None]:
        if number in FAULTS:
            raise ValueError(f"{number} is in the catalogue already")
        FAULTS[number] = Fault(number, title, act, quick, full, p50, p99, frozenset(on))
        return act

    return enter


@dataclass
class Outcome:
    """What came of a fault: counts, the times of recovery, and a sentence for everything that is wrong."""

    number: str
    title: str
    trials: int = 0
    lost: int = 0
    twice: int = 0
    repeated: int = 0
    zombies: int = 0
    recoveries: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    skipped: str = ""
    seconds: float = 0.0
    said: str = ""

    @property
    def good(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.wrong

    def percentile(self, part: float) -> float | None:
        """Return the time of recovery that `part` of the trials did not exceed."""
        if not self.recoveries:
            return None
        ordered = sorted(self.recoveries)
        return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


class Lab:
    """Where one fault is tried."""

    def __init__(self, fault: Fault, *, kind: str, quick: bool, folder: Path, sites: Sites, trials: int = 0) -> None:
        self.fault = fault
        self.kind = kind
        self.quick = quick
        self.folder = folder
        self.trials = trials or (fault.quick if quick else fault.full) or 1
        self.outcome = Outcome(fault.number, fault.title)
        self._sites = sites

    # Making -------------------------------------------------------------------------------------------------------

    @contextmanager
    def site(self, **more: Any) -> Iterator[Site]:
        """Make a site for a while; keep its processes' last words if something went wrong."""
        with self._sites.make(**more) as site:
            try:
                yield site
            except BaseException:
                self.outcome.said += site.said()
                raise
            if self.outcome.wrong:
                self.outcome.said += site.said()

    @contextmanager
    def gentle(self) -> Iterator[Site]:
        """Give a site with a worker to a fault that leaves both as they were; the quick set has one for all."""
        if self.quick:
            site = self._sites.standing()
            site.aim()
            yield site
            if self.outcome.wrong:
                self.outcome.said += site.said()
            return
        with self.site() as site:
            site.worker()
            yield site

    @contextmanager
    def postgres(self, *settings: str) -> Iterator[OwnPostgres]:
        """Start a PostgreSQL server for this fault alone."""
        server = OwnPostgres(self.folder / "own", *settings)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")

    @contextmanager
    def redis(self) -> Iterator[OwnRedis]:
        """Start a Redis server for this fault alone."""
        server = OwnRedis(self.folder / "own-redis")
        server.start()
        try:
            yield server
        finally:
            server.kill()

    # Noting -------------------------------------------------------------------------------------------------------

    def tried(self, times: int = 1) -> None:
        """Note that the fault was tried."""
        self.outcome.trials += times

    def recovered(self, seconds: float) -> None:
        """Note how long it took until there was progress again."""
        self.outcome.recoveries.append(seconds)

    def note(self, sentence: str) -> None:
        """Note something for the table."""
        self.outcome.notes.append(sentence)

    def require(self, good: object, sentence: str) -> None:
        """Note that something is wrong unless it is good."""
        if not good:
            self.outcome.wrong.append(sentence)

    @contextmanager
    def within(self, seconds: float, what: str) -> Iterator[None]:
        """Require that the block takes at most so long; in the quick set, beside other tests, four times that."""
        began = clock.monotonic()
        yield
        took = clock.monotonic() - began
        self.require(took <= seconds * (4 if self.quick else 1), f"{what} took {took:.2f} s, more than {seconds} s")

    # Judging ------------------------------------------------------------------------------------------------------

    def examine(self, site: Site, *, heal: bool = True, settle: float = SETTLE_SECONDS) -> None:
        """Wait for the end of all, let new work succeed on every worker, and check everything."""
        try:
            site.all_ended(timeout=settle)
        except NeverHappened as error:
            self.outcome.wrong.append(str(error))
        if heal:
            self._heal(site)
        found = examine(site)
        outcome = self.outcome
        outcome.lost += len(found.lost)
        outcome.twice += len(found.twice)
        outcome.repeated += len(found.repeated)
        outcome.wrong += found.all()[:50]

    def _heal(self, site: Site) -> None:
        """J9: each worker by itself completes new work within 10 s (in the quick set: whichever takes it)."""
        site.save(workflows.chain("healed", 2))
        if self.quick:
            site.tend()
            self._heal_one(site)
            return
        running = [each for each in site.workers if each.starts]
        site.tend()
        for each in running:
            others = [other for other in running if other is not each]
            for other in others:
                other.freeze()
            try:
                self._heal_one(site)
            except NeverHappened as error:
                self.outcome.wrong.append(f"J9 after the fault new work does not succeed: {error}")
            finally:
                for other in others:
                    other.thaw()

    def _heal_one(self, site: Site) -> None:
        from orchestration.engine.models import Execution, Shift

        # A worker that has only just been started again is given its start.
        before = Shift.objects.order_by("-id").values_list("id", flat=True).first() or 0
        warm = site.start("healed")
        site.until(lambda: _ended(Execution, warm), "a first execution after the fault", timeout=SETTLE_SECONDS)
        with self.within(HEAL_SECONDS, "J9 new work after the fault"):
            each = site.start("healed")
            site.until(lambda: _ended(Execution, each), f"new work (the newest shift was {before})", timeout=40)


def _ended(rows: Any, execution: str) -> bool:
    return rows.objects.filter(id=execution, ended_at__isnull=False).exists()


def judge(fault: Fault, outcome: Outcome, *, quick: bool) -> None:
    """Add what the demanded outcome says of times; in the quick set, beside other tests, four times as much."""
    slack = 4 if quick else 1
    for part, bound in ((0.5, fault.p50), (0.99, fault.p99)):
        took = outcome.percentile(part)
        if bound and took is not None and took > bound * slack:
            outcome.wrong.append(f"recovery p{part * 100:.0f} is {took:.2f} s; {bound * slack} s are demanded")
    if outcome.zombies:
        outcome.wrong.append(f"{outcome.zombies} zombie writes")
    if not outcome.trials and not outcome.skipped:
        outcome.wrong.append("it was never tried")


__all__ = ["FAULTS", "Fault", "Lab", "Outcome", "Skipped", "fault", "judge", "wait_for"]

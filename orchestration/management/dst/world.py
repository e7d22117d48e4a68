"""One seed's world: everything in it put together, run through its faults, healed, run to its end, and judged."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from random import Random
from typing import Any

import orjson
import structlog
from django.conf import settings

from orchestration.domain.definition import parse_definition
from orchestration.domain.graph import Graph
from orchestration.engine.driver import ShiftReport, run_shift
from orchestration.engine.graphs import graph_of
from orchestration.engine.journal import UNANSWERED
from orchestration.engine.ports import Ports
from orchestration.engine.shift_clock import MOST_SKEW
from orchestration.engine.store import Backlog

from . import definitions
from .counting import Faults, Trace
from .database import Database
from .ending import check_ending
from .memory_store import MemoryStore
from .nemesis import Nemesis
from .network import Network
from .outside import Caller, Outside
from .people import People
from .process import Process
from .rows import Breakage, Workflow
from .supervisor import supervise
from .swarm import Swarm, draw, healed
from .timetable import MICROSECONDS, StandsStill, Timetable
from .wakeups import Beat, Bells, Heart, Queue
from .witness import Witness

HEAL_SECONDS = 2400
CLEAR_UP_SECONDS = 5
SETTLE_SECONDS = 12
BROKEN_LOGS = frozenset(
    {
        "shift broken",
        "an effect broke",
        "an execution cannot be begun",
        "an execution is put aside",
        "an execution's entries are refused",
    }
)
# Compiled graphs are kept per process, by revision: no two worlds may share one.
_revisions = count(1_000_000_000)


@dataclass(slots=True)
class Outcome:
    """What came of a seed. `seconds` are virtual."""

    seed: int
    broken: list[str]
    digest: str
    seconds: float
    turns: int
    faults: Counter[str]
    lines: list[str] = field(default_factory=list)


class World:
    """Everything that a seed stands for."""

    STOP_FD = 3

    def __init__(self, seed: int, swarm: Swarm, broken: frozenset[Breakage]) -> None:
        def luck(name: str) -> Random:
            return Random(f"{seed}/{name}")

        self.seed = seed
        self.swarm = swarm
        self.podium = swarm.podium(settings.PODIUM)
        self.timetable = Timetable(luck("timetable"))
        self.faults = Faults()
        self.trace = Trace(self.timetable)
        self.processes: list[Process] = []
        self._luck = luck("world")
        self._graphs: dict[int, Graph] = {}
        self._boots = 0
        timetable, faults = self.timetable, self.faults
        self.database = Database(timetable, swarm.lease_seconds, self.podium.max_concurrent, postgres=swarm.postgres)
        self.database.broken = broken
        tolerance = min(swarm.skew, MOST_SKEW)
        self.witness = Witness(self.database, self._graphs.__getitem__, self.podium, tolerance)
        self.database.witness = self.witness
        self.network = Network(timetable, luck("network"), swarm, faults)
        self.bells = Bells(timetable, luck("bells"), swarm, faults)
        self.queue = Queue(timetable, luck("queue"), swarm, faults, self._start_shift)
        self.people = People(timetable, luck("people"), self.database, self.network, faults, self.trace, self._wake)
        self.outside = Outside(
            timetable, luck("outside"), swarm, faults, self.trace, self.witness, self.people.call_back
        )
        self._write_workflows(definitions.Writer(luck("definitions")))
        self._supervisor: Process | None = None
        self._cluster = ""
        self._start_supervisor()
        self._plan(luck("plan"))
        self.nemesis = Nemesis(self, luck("nemesis"))
        self.network.at_effect = self.nemesis.at_effect
        self.outside.at_effect = self.nemesis.at_effect

    # Workflows and what is done with them -------------------------------------------------------------------------

    def _write_workflows(self, writer: definitions.Writer) -> None:
        documents = [writer.definition(f"workflow-{number}", child=True) for number in range(self.swarm.workflows)]
        documents += [writer.definition(definitions.CHILD, child=False), definitions.probe()]
        for number, document in enumerate(documents, start=1):
            definition = parse_definition(document)
            text = orjson.dumps(definition.document).decode()
            revision = next(_revisions)
            config = definition.config
            self.database.workflows[number] = Workflow(
                number, definition.id, revision, text, config.max_concurrent, config.priority
            )
            # Some workers have compiled it before, some fetch it first.
            known = self._luck.random() < 0.8
            self._graphs[revision] = graph_of(revision, text) if known else Graph.compile(definition)

    def _plan(self, luck: Random) -> None:
        for _ in range(self.swarm.executions):
            slug = f"workflow-{luck.randrange(self.swarm.workflows)}"
            self.timetable.after(luck.uniform(0, self.swarm.seconds / 2), partial(self.people.start, slug))
        for _ in range(self.swarm.actions):
            self.timetable.after(luck.uniform(0, self.swarm.seconds), self.people.act)

    # Processes ----------------------------------------------------------------------------------------------------

    def _new_process(self, kind: str) -> Process:
        self._boots += 1
        skew = round(self._luck.uniform(-1, 1) * self.swarm.skew)
        process = Process(f"{kind} {self._boots}", self.timetable, self.witness.note, skew=skew)
        self.processes.append(process)
        return process

    def _store(self, process: Process) -> MemoryStore:
        return MemoryStore(self.database, self.network, process, self.trace, self.podium)

    def _start_shift(self) -> Process:
        process = self._new_process("worker")
        ports = Ports(
            podium=self.podium,
            defaults=lambda: self.podium.defaults,
            store=self._store(process),
            clock=process,
            open_client=lambda: Caller(process, self.outside),
            open_bell=lambda rung: self.bells.listen(process, rung),
            open_heart=lambda shift_id, lost, ticks: self._heart(process, shift_id, lost),
            call_for_help=self._call_for_help,
        )
        task = process.loop.start(
            run_shift(boot=self._cluster, most=self.swarm.workers, stop_fd=self.STOP_FD, ports=ports)
        )
        task.add_done_callback(lambda task: self._shift_over(process, task))
        return process

    async def _call_for_help(self) -> None:
        if not self.queue.waiting:
            self.queue.enqueue()

    def _heart(self, process: Process, shift_id: int, lost: Callable[[], None]) -> Heart:
        beat = Beat(self.database, self.network, self._luck, shift_id)
        return Heart(self.timetable, process, beat, self.podium, lost)

    def _shift_over(self, process: Process, task: asyncio.Task[ShiftReport]) -> None:
        if process.gone or process.dissolving:
            return
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or (error is not None and not isinstance(error, UNANSWERED)):
            self.witness.note(f"{process.name} ended with {error!r}")
        elif error is None:
            report = task.result()
            self.trace.note(f"{process.name} ends: {report.reason}, {report.taken} taken, {report.due} due")
            if report.due and report.reason != "stopped":
                self.queue.enqueue()
        self._remove(process)

    def _remove(self, process: Process) -> None:
        process.kill()
        if process.loop in self.timetable.loops:
            self.timetable.loops.remove(process.loop)
        if process.shift_id is not None:
            self.database.shifts[process.shift_id].locked = False
        self.bells.open = [bell for bell in self.bells.open if bell.process is not process]
        self.queue.over(process)

    def kill(self, process: Process) -> None:
        """End a process at this instant."""
        self.trace.note(f"{process.name} is killed")
        self._remove(process)

    def _start_supervisor(self) -> None:
        process = self._supervisor = self._new_process("supervisor")
        self._cluster = process.name
        store = self._store(process)
        process.loop.start(supervise(process, store, process.name, self.swarm, self.queue, self._gone))

    def kill_supervisor(self, seconds: float) -> None:
        """End the supervisor, and with it every worker; start it anew in so many seconds."""
        if self._supervisor is None:
            return
        for process in [self._supervisor, *self.queue.running]:
            self.kill(process)
        self._supervisor = None
        self.timetable.after(seconds, self._start_supervisor)

    def _gone(self, backlog: Backlog) -> list[int]:
        """Return the shifts whose process is known to have ended: the supervisor sees those of its own host."""
        if not self.swarm.same_host:
            return []
        living = {process.shift_id for process in self.queue.running}
        return [shift_id for shift_id in backlog.awake if shift_id not in living]

    def outage(self, seconds: float) -> None:
        """Take the database down; locks end with their connections."""
        self.network.go_down(seconds)
        for shift in self.database.shifts.values():
            shift.locked = False

    def take_away(self, seconds: float) -> None:
        """Have nobody there to be called, and tell those who wait when somebody is there again."""
        self.outside.away_until = self.timetable.now + round(seconds * MICROSECONDS)
        self.timetable.after(seconds, self._back)

    def _back(self) -> None:
        if self.timetable.now >= self.outside.away_until:
            self.people.tell_back(definitions.SERVICE)

    def _wake(self) -> None:
        self.bells.ring()
        now = self.database.now
        if not any(shift.state == "awake" and shift.expires_at > now for shift in self.database.shifts.values()):
            self.queue.enqueue()

    # The course of things -----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Let the faults have their time, heal, let everything end, and judge; stop early where something is wrong."""
        self._run_for(self.swarm.seconds)
        if self.witness.broken:
            return
        self._heal()
        probe = self._probe()
        until = self.timetable.now + HEAL_SECONDS * MICROSECONDS
        while self.timetable.now < until and not self._at_rest() and not self.witness.broken:
            self.people.clear_up()
            self._run_for(CLEAR_UP_SECONDS)
        self._run_for(SETTLE_SECONDS)
        if self.witness.broken:
            return
        for sentence in check_ending(self.database, self.witness, self.outside, self.people):
            self.witness.note(sentence)
        self._judge_probe(probe)

    def _run_for(self, seconds: float) -> None:
        self.timetable.run(self.timetable.now + round(seconds * MICROSECONDS))

    def _heal(self) -> None:
        self.trace.note("the faults are over")
        self.nemesis.rest()
        self.swarm = calm = healed(self.swarm)
        self.network.swarm = self.outside.swarm = self.bells.swarm = self.queue.swarm = calm
        self.outside.away_until = 0
        self.network.down_until = min(self.network.down_until, self.timetable.now)
        self._run_for(SETTLE_SECONDS)

    def _probe(self) -> str:
        probe = self.people.start(definitions.PROBE)
        assert probe is not None
        return probe

    def _judge_probe(self, probe: str) -> None:
        """New work has to be done soon after the faults, unless every place is taken by calls that take long."""
        execution = self.database.executions[probe]
        seconds = 15 if self.swarm.concurrency >= 100 else 90
        skew = self.swarm.web_skew
        if execution.ended_at is None or execution.ended_at > execution.created_at - skew + seconds * MICROSECONDS:
            self.witness.note(f"new work took longer than {seconds} s after the faults were over")

    def _at_rest(self) -> bool:
        return all(each.ended_at is not None for each in self.database.executions.values()) and not any(
            item.outcome is None for item in self.database.inbox.values()
        )


def simulate(seed: int, swarm: Swarm | None = None, broken: frozenset[Breakage] = frozenset()) -> Outcome:
    """Run a seed's world and return what came of it; `swarm` and `broken` are for tests."""
    world = World(seed, swarm or draw(Random(f"{seed}/swarm")), broken)
    with _listening(world):
        try:
            world.run()
        except StandsStill as error:
            world.witness.note(str(error))
    digest, lines = world.trace.digest(), world.trace.lines
    with _listening(None):
        for process in world.processes:
            process.dissolve()
    return Outcome(
        seed, world.witness.broken, digest, world.timetable.now / MICROSECONDS, world.timetable.turns,
        world.faults.counts, lines,
    )  # fmt: skip


@contextmanager
def _listening(world: World | None) -> Iterator[None]:
    """Keep the engine's log from being written, and note what in it must not be."""

    def hear(logger: Any, method: str, event: Any) -> Any:
        if world is not None and event.get("event") in BROKEN_LOGS:
            world.witness.note(f"the engine says: {event['event']} ({event.get('exc_info') or event.get('error')!r})")
        raise structlog.DropEvent

    processors = structlog.get_config()["processors"]
    before = list(processors)
    # In place, as every logger that was made keeps the list.
    processors[:] = [hear]
    try:
        yield
    finally:
        processors[:] = before

"""One execution in the hands of a shift: facts in, entries out, commands carried out once they are committed.

True at all times: only the loop's thread touches it; after every fact the run decides at once and what it decided is
one unit of the journal; a command is carried out only after its unit's commit; once it is `leaving` (it ended, was put
down, or broke) it hears nothing more, and its last unit puts the row down.

Whatever goes wrong in here (an entry that does not fit, a value that cannot be written) puts this one execution aside,
`quarantined`, and nothing else; a person resumes it. A crash leaves the entries that were committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

import orjson
import structlog

from orchestration.domain.commands import CancelAttempt, CancelChild, Command, Decision, StartAttempt, StartChild
from orchestration.domain.errors import Refused, StepError
from orchestration.domain.events import Event
from orchestration.domain.facts import Cancel, ChildEnded, Fact, Failed
from orchestration.domain.lifecycle import ENDED_EXECUTION, PAUSED, PENDING
from orchestration.domain.run import Run
from orchestration.engine import inbox
from orchestration.engine.crash import crash_point
from orchestration.engine.effects import Effect, Origin
from orchestration.engine.journal import Unit
from orchestration.engine.listening import topics_of
from orchestration.engine.recording import ended_step, entry_row, keyed, row_change
from orchestration.engine.store import Claimed, InboxRow, Message

if TYPE_CHECKING:
    from orchestration.engine.driver import Drive

log = structlog.get_logger(__name__)

SOONEST = 0.0005


class Call:
    """An attempt under way; `once`: it must not be made a second time."""

    __slots__ = ("once", "task")

    def __init__(self, task: asyncio.Task[None], once: bool) -> None:
        self.task = task
        self.once = once


class Held:
    """An execution that this shift drives."""

    __slots__ = (
        "_heard",
        "_rings_at",
        "_since",
        "_timer",
        "_topics",
        "calls",
        "committed_seq",
        "drive",
        "idle_since",
        "leaving",
        "origin",
        "repoke",
        "row",
        "run",
        "status",
        "writing",
    )

    def __init__(self, drive: Drive, row: Claimed, run: Run) -> None:
        self.drive = drive
        self.row = row
        self.run = run
        self.status = row.status
        self.origin = Origin(row.id, row.team_id, row.root_id, row.priority, row.correlation_id, row.epoch, row.slug)
        self.calls: dict[str, Call] = {}
        self.writing = 0
        self.committed_seq = len(row.entries)
        self._since = row.entries[-1].at if row.entries else 0
        self.leaving = False
        self.repoke = False
        self.idle_since: float | None = None
        self._heard: set[int] = set()
        self._topics: frozenset[str] = frozenset()
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at: int | None = None

    # In -----------------------------------------------------------------------------------------------------------

    def fold(self) -> None:
        """Fold the journal. Raises what an entry that does not fit raises."""
        for entry in self.row.entries:
            self.run.apply(Event(entry.seq, entry.type, entry.at, entry.step, orjson.loads(entry.data)))

    def begin(self) -> None:
        """Take up what was in flight, hear the inbox, start if it may, and decide."""
        row, run = self.row, self.run
        try:
            now = self._now()
            unit = Unit(row.id, row.team_id, self._committed)
            if row.entries:
                self._topics = topics_of(run)
                run.take_up(now, lost=not row.handed_over)
                self._absorb(run.decide(now), unit)
            self._hear_rows(row.inbox, unit, now)
            if run.status == PENDING and row.admitted:
                run.start(now)
                self._absorb(run.decide(now), unit)
            self._put(unit)
        except Exception as error:
            self.spoil(error)

    def told(self, admitted: bool, rows: list[InboxRow]) -> None:
        """Hear what came into the inbox."""
        if self.leaving:
            # Read and not heard: whoever takes it next reads it again.
            self.repoke = True
            return
        try:
            now = self._now()
            unit = Unit(self.row.id, self.row.team_id, self._committed)
            self._hear_rows(rows, unit, now)
            if admitted and self.run.status == PENDING:
                self.run.start(now)
                self._absorb(self.run.decide(now), unit)
            self._put(unit)
        except Exception as error:
            self.spoil(error)

    def tell(self, fact: Fact) -> None:
        """Hear the answer to a command."""
        if self.leaving:
            return
        try:
            now = self._now()
            if self.run.hear(fact, now):
                self.decide(now)
            else:
                self._rest()
        except Exception as error:
            self.spoil(error)

    def _ring(self) -> None:
        self._timer = self._rings_at = None
        if self.leaving:
            return
        try:
            now, wake_at = self._now(), self.run.wake_at
            if wake_at is not None and wake_at <= now:
                self.decide(now)
            else:
                self._rest()
        except Exception as error:
            self.spoil(error)

    def _hear_rows(self, rows: Iterable[InboxRow], unit: Unit, now: int) -> None:
        for row in rows:
            if row.id in self._heard:
                continue
            self._heard.add(row.id)
            try:
                self.run.hear(inbox.load_fact(row.kind, row.payload), now)
                self._absorb(self.run.decide(now), unit)
                outcome = inbox.done(self.run.status)
            except Refused as error:
                outcome = inbox.refused(error)
            if row.answered:
                unit.answers = [*unit.answers, (row.id, outcome)]
            else:
                unit.heard = [*unit.heard, row.id]

    def _now(self) -> int:
        """Return the shift's instant, or that of the last entry: whoever wrote it may have been a little ahead."""
        return max(self.drive.now(), self._since)

    # Out ----------------------------------------------------------------------------------------------------------

    def decide(self, now: int) -> None:
        """Ask the run what follows, and have it written and then done."""
        decision = self.run.decide(now)
        if decision.events or decision.commands:
            unit = Unit(self.row.id, self.row.team_id, self._committed)
            self._absorb(decision, unit)
            self._put(unit)
        else:
            self._rest()

    def _absorb(self, decision: Decision, unit: Unit) -> None:
        """Add a decision's entries to the unit, as texts: what they say must not change any more."""
        execution_id = self.row.id
        for event in decision.events:
            unit.entries.append(entry_row(execution_id, event))
            step = ended_step(execution_id, self.run, event)
            if step is not None:
                unit.steps.append(step)
        for command in decision.commands:
            if isinstance(command, CancelChild):
                # With the entries that it follows from: an execution that ended is never taken up again to say it.
                unit.messages = [*unit.messages, Message(command.child_id, *keyed(Cancel(command.compensate), None))]
            else:
                unit.commands.append(command)

    def _put(self, unit: Unit) -> None:
        """Finish a unit (row, parent, topics), have it written, and rest or leave."""
        run, row = self.run, self.row
        ended = run.ended
        leave = ended or run.status == PENDING
        if run.status != self.status or leave:
            unit.row = row_change(run, row, release=leave)
            self.status = run.status
        if run.event_waits or run.service_waits or self._topics:
            topics = frozenset() if ended else topics_of(run)
            unit.topics = [(topic, topic in topics) for topic in topics ^ self._topics]
            self._topics = topics
        if unit.entries:
            unit.touched = (row.id, (run.seq, row.team_id, row.slug))
            if ended and row.parent_id and row.parent_attempt:
                fact = ChildEnded(row.parent_attempt, row.id, run.status, run.output, run.error)
                unit.messages = [*unit.messages, Message(row.parent_id, *keyed(fact, f"{row.id}:{run.seq}"))]
        self._write(unit)
        if leave:
            self._leave()
        else:
            self._rest()

    def _write(self, unit: Unit) -> None:
        self.writing += 1
        self.drive.write(unit)

    def _committed(self, unit: Unit) -> None:
        self.writing -= 1
        if unit.entries:
            self.committed_seq = unit.entries[-1].seq
        if unit.commands:
            self._carry_out(unit.commands)
        if unit.row is not None and unit.row.release:
            self.drive.forget(self)

    # Commands -----------------------------------------------------------------------------------------------------

    def _carry_out(self, commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, StartAttempt | StartChild):
                # What is not started now is taken up by the next holder, as the same attempt.
                if not self.leaving and not self.drive.stopping:
                    effect = self.drive.effects.of(command)
                    once = isinstance(command, StartAttempt) and command.delivery == "at-most-once"
                    self.calls[command.attempt] = Call(asyncio.create_task(self._attempt(command, effect)), once)
            elif isinstance(command, CancelAttempt):
                call = self.calls.pop(command.attempt, None)
                if call is not None:
                    call.task.cancel()

    async def _attempt(self, command: StartAttempt | StartChild, effect: Effect) -> None:
        crash_point("before_call")
        try:
            fact = await effect(command, self.origin, self.drive.effects.tools)
        except Exception as error:
            log.exception("an effect broke", execution=self.row.id, step=command.step)
            fact = Failed(command.attempt, StepError("internal", f"{type(error).__name__}: {error}"[:500]))
        crash_point("after_call")
        self.calls.pop(command.attempt, None)
        if fact is not None:
            self.tell(fact)
        else:
            self._rest()

    # Resting and leaving ------------------------------------------------------------------------------------------

    def _rest(self) -> None:
        """See to it that the timer rings in time, and note since when there is nothing to do but wait.

        A timer that rings early costs a look; setting it anew for every attempt would cost more.
        """
        wake_at = self.run.wake_at
        if wake_at is not None and (self._rings_at is None or wake_at < self._rings_at):
            if self._timer is not None:
                self._timer.cancel()
            self._rings_at = wake_at
            seconds = max((wake_at - self.drive.now()) / 1_000_000, SOONEST)
            self._timer = self.drive.loop.call_later(seconds, self._ring)
        if self.calls or self.run.in_flight:
            self.idle_since = None
        elif self.idle_since is None:
            self.idle_since = self.drive.loop.time()
            self.drive.idle[self.row.id] = self

    def may_park(self, soonest: int) -> bool:
        """Tell whether it only waits, and for an instant later than `soonest`, if for one at all."""
        if self.leaving or self.writing or self.calls or self.run.in_flight:
            return False
        wake_at = self.run.wake_at
        return wake_at is None or wake_at > soonest

    def put_down(self, *, wake_at: int | None) -> None:
        """Give the row back: whoever comes next goes on from the journal."""
        if self.leaving:
            return
        unit = Unit(self.row.id, self.row.team_id, self._committed)
        unit.row = row_change(self.run, self.row, release=True, wake_at=wake_at, handed_over=True)
        self._write(unit)
        self._leave()

    def spoil(self, error: Exception) -> None:
        """Put the execution aside: something is wrong with it that only a person can mend."""
        log.error("an execution is put aside", execution=self.row.id, exc_info=error)
        if self.leaving:
            return
        unit = Unit(self.row.id, self.row.team_id, self._committed)
        unit.row = row_change(self.run, self.row, release=True, quarantined=True)
        ended = self.status in ENDED_EXECUTION
        unit.row.status, unit.row.seq = self.status if ended else PAUSED, self.committed_seq
        unit.row.ended_at = (self.run.ended_at or self.drive.now()) if ended else None
        message = f"{type(error).__name__}: {error}"[:1000]
        unit.row.error = orjson.dumps(StepError("quarantined", message).as_json()).decode()
        unit.touched = (self.row.id, (self.committed_seq, self.row.team_id, self.row.slug))
        self._write(unit)
        self._leave()

    def _leave(self) -> None:
        self.leaving = True
        self.idle_since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.drive.leave(self)

    def abandon(self) -> None:
        """Stop at once, without a word: the row is somebody else's."""
        self.leaving = True
        if self._timer is not None:
            self._timer.cancel()
        self.abort_calls()

    def abort_calls(self) -> None:
        """Abort every call under way; what they still answer is lost."""
        for call in self.calls.values():
            call.task.cancel()
        self.calls.clear()

    def give_up_once(self) -> None:
        """Abort the calls under way that must not be made again: nobody will know what came of them."""
        for attempt in [attempt for attempt, call in self.calls.items() if call.once]:
            self.calls.pop(attempt).task.cancel()
            message = "the worker that made the call was stopped before the answer came"
            self.tell(Failed(attempt, StepError("outcome_unknown", message)))

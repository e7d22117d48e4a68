"""The witness: sees every change of the database and every call as it happens, and notes what may not happen.

It keeps an account of its own and believes nobody: a run per execution, folded from what was committed; who was told
what and whether it was heard; how often a claim came to nothing. What it notes are sentences; one is enough to fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import orjson

from orchestration.domain import events as e
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.events import Event
from orchestration.domain.graph import Graph
from orchestration.domain.ids import attempt_reference
from orchestration.domain.lifecycle import RETRYING
from orchestration.domain.run import Run
from orchestration.engine.store import NO_PROGRESS, Batch
from orchestration.registry.calls import ServiceCall

from .database import Database
from .rows import Execution, InboxItem

MOST_BROKEN = 20
LOST_FOR_GOOD = frozenset({"worker_lost", "outcome_unknown", "timeout", "connection"})


@dataclass(slots=True)
class Told:
    """Something that was put into an inbox, and what became of it."""

    item: InboxItem
    heard: set[tuple[int, int]] = field(default_factory=set)
    outcome: str | None = None


@dataclass(slots=True)
class Account:
    """What the witness knows of one execution. `fruitless` counts holders that died before they wrote anything."""

    run: Run
    events: list[Event] = field(default_factory=list)
    epoch: int = 0
    wrote: bool = False
    fruitless: int = 0
    begun: dict[int, str] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)


class Witness:
    """Looks on. `tolerance` is how far the clocks of shifts may be off by their own rule (microseconds)."""

    def __init__(self, database: Database, graph: Callable[[int], Graph], podium: Any, tolerance: int) -> None:
        self.broken: list[str] = []
        self.accounts: dict[str, Account] = {}
        self.told_items: dict[int, Told] = {}
        self._database = database
        self._graph = graph
        self._podium = podium
        self._tolerance = tolerance

    def note(self, sentence: str) -> None:
        """Note something that may not be."""
        if len(self.broken) < MOST_BROKEN:
            self.broken.append(f"at {(self._database.seconds):.6f} s: {sentence}")

    def new_run(self, execution: Execution) -> Run:
        """Return a run of an execution with nothing folded yet."""
        return Run(
            self._graph(execution.revision_id),
            execution_id=execution.id,
            input=orjson.loads(execution.input),
            depth=execution.depth,
            limits=self._podium.limits,
            defaults=self._podium.defaults,
        )

    # Executions and who holds them --------------------------------------------------------------------------------

    def inserted(self, execution: Execution) -> None:
        """See an execution come into being."""
        self.accounts[execution.id] = Account(self.new_run(execution))

    def claiming(self, execution: Execution, shift_id: int) -> None:
        """See an execution being claimed: nobody may hold it."""
        if execution.shift_id is not None:
            self.note(f"{execution.id} is claimed by shift {shift_id} while shift {execution.shift_id} holds it")
        if execution.quarantined:
            self.note(f"{execution.id} is claimed by shift {shift_id} though it was put aside")
        self.accounts[execution.id].wrote = False

    def freed(self, execution: Execution, why: str) -> None:
        """See an execution being taken from its holder, because that is dead, ended, or does not know of it."""
        account = self.accounts[execution.id]
        if why == "dead" and not account.wrote:
            account.fruitless += 1
        elif why == "released":
            account.fruitless = 0

    def quarantined(self, execution: Execution) -> None:
        """See an execution being put aside: only what took down enough workers may be."""
        if execution.error != NO_PROGRESS:
            self.note(f"{execution.id} is put aside: {execution.error}")
            return
        fruitless = self.accounts[execution.id].fruitless
        if fruitless < self._podium.claims_without_progress:
            self.note(f"{execution.id} is put aside though only {fruitless} holders died without progress")

    def admitted(self, workflow_id: int, count: int) -> None:
        """See executions being let in: not more than may be in at once."""
        most = self._database.workflows[workflow_id].max_concurrent or self._podium.max_concurrent
        inside = sum(
            each.workflow_id == workflow_id and each.admitted and each.ended_at is None and not each.quarantined
            for each in self._database.executions.values()
        )
        if count and inside > most:
            self.note(f"{inside} executions of workflow {workflow_id} are in, where {most} may be")

    def ended(self) -> None:
        """See shifts end: nothing may be held by one that is not awake."""
        for execution in self._database.executions.values():
            if execution.shift_id is not None and not self._database.awake(execution.shift_id):
                self.note(f"{execution.id} is held by shift {execution.shift_id}, which is not awake")

    # Inboxes ------------------------------------------------------------------------------------------------------

    def told(self, item: InboxItem) -> None:
        """See something being put into an inbox."""
        self.told_items[item.id] = Told(item)

    def heard(self, batch: Batch, item_id: int, outcome: str | None) -> None:
        """See something of an inbox being done with: once. (A batch that says nothing else may come again.)"""
        told = self.told_items[item_id]
        told.heard.add((batch.shift_id, batch.number))
        told.outcome = outcome
        if len(told.heard) > 1:
            self.note(f"{told.item.kind} {item_id} for {told.item.execution_id} is heard {len(told.heard)} times")

    # Commits ------------------------------------------------------------------------------------------------------

    def committing(self, batch: Batch) -> None:
        """See a batch before it is written: it may be, and its entries follow what stands."""
        database, shift_id = self._database, batch.shift_id
        if not database.awake(shift_id):
            self.note(f"zombie write: batch {batch.number} of shift {shift_id}, which is not awake, is written")
        lengths: dict[str, int] = {}
        for entry in batch.entries:
            execution = database.executions[entry.execution_id]
            length = lengths.setdefault(execution.id, len(database.journal[execution.id])) + 1
            if entry.seq != length:
                self.note(f"entry {entry.seq} of {execution.id} stands where {length} belongs")
            lengths[execution.id] = length
            if execution.shift_id != shift_id:
                self.note(f"zombie write: {entry.type} {entry.seq} of {execution.id}, held by {execution.shift_id}")
            account = self.accounts[execution.id]
            if execution.epoch < account.epoch:
                self.note(f"the epoch of {execution.id} falls from {account.epoch} to {execution.epoch}")
            account.epoch = execution.epoch
        for item_id in (*batch.heard, *(each for each, _ in batch.answers)):
            item = database.inbox.get(item_id)
            if item is not None and database.executions[item.execution_id].shift_id != shift_id:
                self.note(f"{item.kind} {item_id} is heard by shift {shift_id}, which does not hold its execution")

    def committed(self, batch: Batch) -> None:
        """See a batch when it is written: what was committed folds, and agrees with the rows."""
        concerned = dict.fromkeys([entry.execution_id for entry in batch.entries])
        for execution_id in concerned:
            account = self.accounts[execution_id]
            account.wrote, account.fruitless = True, 0
            for entry in self._database.journal[execution_id][len(account.events) :]:
                self._fold(account, Event(entry.seq, entry.type, entry.at, entry.step, orjson.loads(entry.data)))
        for row in batch.rows.values():
            if row.release:
                self.accounts[row.execution_id].fruitless = 0
        for execution_id in {**concerned, **dict.fromkeys(batch.rows)}:
            execution, run = self._database.executions[execution_id], self.accounts[execution_id].run
            if not execution.quarantined and execution.status != run.status:
                self.note(f"{execution_id} is {execution.status} by its row and {run.status} by its journal")

    def _fold(self, account: Account, event: Event) -> None:
        run = account.run
        self._look_at_time(run, event)
        self._look_at_repeats(run, event)
        account.events.append(event)
        if event.type == e.STEP_STARTED:
            account.begun[crc32(attempt_reference(event.step, event.seq).encode())] = event.step
        elif event.type == e.STEP_COMPENSATING:
            account.undone.add(event.step)
        try:
            run.apply(event)
        except OrchestrationError as error:
            self.note(f"the journal of {run.execution_id} does not fold: {error.message}")

    def _look_at_time(self, run: Run, event: Event) -> None:
        if event.at > self._database.now + self._tolerance:
            self.note(
                f"{event.type} {event.seq} of {run.execution_id} is dated {event.at - self._database.now} us ahead"
            )
        step = run.by_path.get(event.step)
        if step is None:
            return
        due = None
        if (event.type == e.STEP_COMPLETED and step.type == "delay") or (
            event.type == e.STEP_STARTED and (step.status == RETRYING or step.postponed is not None)
        ):
            due = step.due
        elif event.type == e.STEP_COMPLETED and step.type == "wait" and event.data["output"].get("timed_out"):
            due = step.deadline
        if due is not None and due > min(event.at, self._database.now + self._tolerance):
            self.note(f"{event.type} of {event.step} in {run.execution_id} comes {due - event.at} us early")

    def _look_at_repeats(self, run: Run, event: Event) -> None:
        step = run.by_path.get(event.step)
        if step is None or event.type != e.STEP_RETRYING or event.data.get("compensation"):
            return
        if step.type == "service" and step.node.step.delivery == "at-most-once":
            code = event.data["error"]["code"]
            if code in LOST_FOR_GOOD:
                self.note(f"{event.step} of {run.execution_id} is at-most-once and tried again after {code}")

    # Calls --------------------------------------------------------------------------------------------------------

    def calling(self, shift_id: int | None, call: ServiceCall) -> None:
        """See a call go out: that it would be made was committed before."""
        execution_id, _, path = call.idempotency_key.partition("/")
        account = self.accounts.get(execution_id)
        if account is None:
            self.note(f"shift {shift_id} calls {call.method} for {execution_id}, which does not stand")
        elif path.endswith("/compensate"):
            if path.removesuffix("/compensate").partition("~")[0] not in account.undone:
                self.note(f"{path} of {execution_id} is called, and no entry says that it would be")
        elif int((call.traceparent or "").split("-")[2], 16) >> 32 not in account.begun:
            self.note(f"{path} of {execution_id} is called, and no entry says that it would be")

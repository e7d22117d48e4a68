"""The fold: what each journal entry makes of an execution's state. Nothing is decided or evaluated here.

True at all times:
* the state is a function of graph, input and the entries folded so far; a live run folds each entry as it decides it,
  so that a replay in another process ends in the same state;
* an entry is checked before anything is changed: one that was heard before is passed over, one that does not fit
  raises IllegalTransition and leaves the state as it was;
* folding an entry costs what it changes: the run of its step, the arrows that leave it, one place in a heap.

What follows from an entry is only noted (see `standing`); `decide` works the notes off.

Only the holder of an execution folds new entries; a crash leaves the entries that were committed, and nothing else
counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import events as e
from ..errors import IllegalTransition
from ..events import Event
from ..ids import attempt_reference
from ..lifecycle import (
    CANCELLED,
    COMPENSATING,
    EXECUTION,
    FAILED,
    IN_PROGRESS,
    PAUSED,
    PENDING,
    RUNNING,
    SKIPPED,
    STEP_RUN,
    WAITING,
)
from .joins import WAIT
from .standing import Standing
from .state import Body, Postponement, Scope, StepRun, Vars
from .timers import DUE

_ALIVE = frozenset({RUNNING, PAUSED, COMPENSATING})

READY_MARK, ITERATION_MARK, NEXT_MARK = "ready", "iteration", "next"


class Fold(Standing):
    """An execution's state, as the entries of its journal make it."""

    def apply(self, event: Event) -> None:
        """Fold one journal entry; one that was folded before changes nothing.

        Raises IllegalTransition, changing nothing, for an entry that does not follow the last one or does not fit.
        """
        if event.seq <= self.seq:
            return
        if event.seq != self.seq + 1:
            raise IllegalTransition(
                f"execution {self.execution_id} has folded entry {self.seq}: entry {event.seq} does not follow",
                thing=self.execution_id,
                state=self.seq,
                asked=event.seq,
            )
        handler = HANDLERS.get(event.type)
        if handler is None:
            raise IllegalTransition(f"{event.type!r} is no type of journal entry", asked=event.type)
        try:
            handler(self, event)
        except (KeyError, TypeError) as error:
            raise IllegalTransition(
                f"entry {event.seq} ({event.type} {event.step}) lacks what its type needs: {error}", asked=event.type
            ) from error
        self.seq = event.seq
        for mark in event.data.get("then", ()):
            self.fold_mark(mark)

    def fold_mark(self, mark: list[Any]) -> None:
        """Fold a decision that has no entry of its own (see `orchestration.domain.events`)."""
        kind, path, *rest = mark
        run = self.find(path)
        if kind == READY_MARK:
            self.make_ready(run)
        elif kind == ITERATION_MARK:
            index, result = rest
            self._fold_iteration_end(run, self.body_of(run), index, result)
        else:
            self.begin_iteration(run, self.body_of(run))

    def body_of(self, run: StepRun) -> Body:
        """Return what a container has begun; raise IllegalTransition if nothing."""
        if run.body is None:
            raise IllegalTransition(f"step run {run.path} has nothing nested", thing=run.path, state=run.status)
        return run.body

    def _step(self, event: Event) -> tuple[StepRun, str]:
        if self.status not in _ALIVE:
            raise IllegalTransition(
                f"execution {self.execution_id} is {self.status}: {event.type} does not fit",
                thing=self.execution_id,
                state=self.status,
                asked=event.type,
            )
        run = self.by_path.get(event.step) or self.find(event.step)
        return run, STEP_RUN.next_state(run.path, run.status, event.type)

    def _next_status(self, event: Event) -> str:
        return EXECUTION.next_state(self.execution_id, self.status, event.type)

    # The execution ------------------------------------------------------------------------------------------------

    def _workflow_started(self, event: Event) -> None:
        self.status = self._next_status(event)
        self.started_at = event.at
        self.keep_defaults(event.data)
        self.count_down(event.at)
        variables = {**self.graph.definition.variables, **self.input}
        self.root = Scope(self.graph.steps, Vars(variables))
        self.admit(self.root)

    def _workflow_paused(self, event: Event) -> None:
        self.status = self._next_status(event)

    def _workflow_resumed(self, event: Event) -> None:
        self.status = self._next_status(event)
        self.timers.release()

    def _workflow_retried(self, event: Event) -> None:
        status, attempt, policy = self._next_status(event), event.data["attempt"], event.data["by"] == "policy"
        self.status = status
        self.attempt = attempt
        self.rounds = self.rounds + 1 if policy else 0
        self.output = self.error = self.ended_at = None
        self.ending = {}
        self.undo = []
        self.undoing = None
        self.keep_defaults(event.data)
        if not policy:
            self.count_down(event.at)
        if self.root is None:
            self.root = Scope(self.graph.steps, Vars({**self.graph.definition.variables, **self.input}))
            self.admit(self.root)
        if not self.root.open:
            self.note_finished(self.root)

    def _workflow_compensating(self, event: Event) -> None:
        status, ending = self._next_status(event), {"as": event.data["as"], "error": event.data.get("error")}
        self.status = status
        self.ending = ending
        self.error = ending["error"]
        self.undo = sorted(self.to_undo(), key=lambda run: run.number)
        self.undo_failures = 0

    def _workflow_ended(self, event: Event) -> None:
        self.status = self._next_status(event)
        self.error = event.data.get("error")
        self.output = event.data.get("output")
        self.ended_at = event.at
        self.deadline = None
        if self.started_at is None:
            self.started_at = event.at

    # Step runs: beginning -----------------------------------------------------------------------------------------

    def _step_started(self, event: Event) -> None:
        run, status = self._step(event)
        data = event.data
        attempt = data["attempt"]
        node = run.node
        if node.type == "loop" and run.body is None:
            _ = data["more"] if node.items is None else data["items"]
        container = run.scope.container
        if container is not None and container.status != RUNNING:
            raise IllegalTransition(f"step run {run.path} cannot start: its container is {container.status}")
        if run.status == WAITING and run.postponed is None:
            raise IllegalTransition(f"step run {run.path} cannot start: it waits for something else")
        first = run.status == PENDING
        run.status = status
        run.attempts = attempt
        run.ready = False
        run.due = None
        if run.postponed is not None:
            self.no_longer_postponed(run)
        run.reference = attempt_reference(run.path, event.seq)
        run.tries.append([attempt, event.at, None, None])
        if first:
            run.started_at = run.first_started_at = event.at
            run.input = data.get("input")
            run.sealed = data.get("sealed")
            run.scope.active += 1
        run.asked = data
        if node.takes_slot:
            self.slots_used += 1
            run.holds_slot = True
        self.set_deadline(run, event.at)
        if node.body is not None:
            self.open_body(run, data)

    # Step runs: on the way ----------------------------------------------------------------------------------------

    def _step_waiting(self, event: Event) -> None:
        run, status = self._step(event)
        until = event.data["until"]
        run.status = status
        if run.type == "delay":
            run.due = until
            self.timers.set(until, DUE, run)
        elif run.type == "wait":
            self.waits_of(run).setdefault(run.path, run)
        else:
            run.accepted = True
            self.callbacks += 1

    def _step_postponed(self, event: Event) -> None:
        run, status = self._step(event)
        data = event.data
        until, why = data["until"], Postponement(data["reason"], data.get("message", ""))
        calling = run.status == RUNNING and run.node.takes_slot
        if not calling and run.postponed is None and run.status != COMPENSATING:
            raise IllegalTransition(f"step run {run.path} is {run.status}: there is no call to be postponed")
        if calling:
            # It was not made, and is no try.
            run.tries.pop()
        self.attempt_over(run)
        run.status = status
        run.ready = False
        self.postpone(run, why, until, back=data.get("back", False))

    def _step_signalled(self, event: Event) -> None:
        data = event.data
        if not event.step:
            name, value = data["name"], data["value"]
            if self.ended:
                raise IllegalTransition(f"execution {self.execution_id} is {self.status}: a signal does not fit")
            self.kept_signals.setdefault(name, []).append((value, data.get("by")))
            return
        run, status = self._step(event)
        run.status = status
        if data.get("kept"):
            kept = self.kept_signals[data["name"]]
            kept.pop(0)
            if not kept:
                del self.kept_signals[data["name"]]

    def _step_retrying(self, event: Event) -> None:
        run, status = self._step(event)
        data = event.data
        until, error, attempt = data["until"], data["error"], data["attempt"]
        if run.status == COMPENSATING:
            run.undo_attempts = attempt
            run.undo_error = error
        else:
            run.last_error = error
            run.tries[-1][2:] = [event.at, error]
        self.attempt_over(run)
        run.postponements = run.busy = run.recoveries = 0
        run.status = status
        run.due = until
        self.timers.set(until, DUE, run)

    # Step runs: ends ----------------------------------------------------------------------------------------------

    def _step_completed(self, event: Event) -> None:
        run, status = self._step(event)
        output = event.data["output"]
        run.output = output
        scope = run.scope
        scope.vars.merge(run, event.data.get("merge", output))
        container = scope.container
        self._end(run, status, event)
        if container is None or container.body is None:
            return
        if container.node.mode == "race" and container.body.winner is None:
            container.body.winner = run
            self.judgements.append(run)

    def _step_failed(self, event: Event) -> None:
        run, status = self._step(event)
        error = event.data["error"]
        run.error = run.last_error = error
        self._end(run, status, event)
        if run.unhandled:
            run.scope.failures.append(run)
            self.judgements.append(run)

    def _step_skipped(self, event: Event) -> None:
        run, status = self._step(event)
        run.output = event.data.get("output")
        self._end(run, status, event)

    def _step_cancelled(self, event: Event) -> None:
        run, status = self._step(event)
        self._end(run, status, event)

    def _end(self, run: StepRun, status: str, event: Event) -> None:
        scope = run.scope
        if run.status in IN_PROGRESS:
            last = run.tries[-1] if run.tries else None
            if last is not None and last[2] is None:
                last[2], last[3] = event.at, run.error
            scope.active -= 1
            if scope.blocked:
                self.unblock(scope)
        self.attempt_over(run)
        run.postponements = run.busy = run.recoveries = 0
        run.status = status
        run.ready = False
        run.ended_at = event.at
        self.ends += 1
        run.number = self.ends
        scope.open -= 1
        if status != CANCELLED:
            runs = scope.runs
            for target, kind in run.node.arrows_out:
                following = runs[target]
                following.resolve(run, kind)
                if following.status == PENDING and not following.queued and following.join_says() is not WAIT:
                    following.queued = True
                    self.eligible.append((following, following.resets))
        if not scope.open:
            self.note_finished(scope)

    # Step runs: again ---------------------------------------------------------------------------------------------

    def _step_reset(self, event: Event) -> None:
        run, _ = self._step(event)
        scope = run.scope
        if run.status != PENDING:
            if not scope.open:
                scope.reopened += 1
                scope.queued = False
            scope.open += 1
        if run.status not in (PENDING, FAILED, CANCELLED, SKIPPED):
            run.generation += 1
        scope.vars.forget(run)
        scope.failures = [failure for failure in scope.failures if failure is not run]
        run.clear()
        run.resets += 1
        run.queued = False
        for source, kind in run.node.arrows_in:
            if scope.runs[source].ended:
                run.resolve(scope.runs[source], kind)
        if event.data.get("whole"):
            self.drop_body(run)
        elif run.body is not None:
            run.body.winner = None
        self.reopen_iteration(scope)
        if run.join_says() is not WAIT:
            self.note_eligible(run)

    # Compensation -------------------------------------------------------------------------------------------------

    def _step_compensating(self, event: Event) -> None:
        run, status = self._step(event)
        if self.status != COMPENSATING:
            raise IllegalTransition(f"execution {self.execution_id} is {self.status}: nothing is compensated")
        run.status = status
        run.undo_input = event.data.get("input")
        run.undo_sealed = event.data.get("sealed")
        run.undo_timeout = event.data.get("timeout")
        run.undo_started_at = event.at
        run.undo_seq = event.seq
        self.undoing = run
        if self.undo and self.undo[-1] is run:
            self.undo.pop()

    def _step_undone(self, event: Event) -> None:
        run, status = self._step(event)
        self.attempt_over(run)
        run.status = status
        run.undo_error = event.data.get("error")
        if event.type == e.STEP_COMPENSATION_FAILED:
            self.undo_failures += 1

    def _log(self, event: Event) -> None:
        """Fold an entry that is only for people."""


HANDLERS: dict[str, Callable[[Fold, Event], None]] = {
    e.WORKFLOW_STARTED: Fold._workflow_started,
    e.WORKFLOW_PAUSED: Fold._workflow_paused,
    e.WORKFLOW_RESUMED: Fold._workflow_resumed,
    e.WORKFLOW_RETRIED: Fold._workflow_retried,
    e.WORKFLOW_COMPENSATING: Fold._workflow_compensating,
    e.WORKFLOW_COMPLETED: Fold._workflow_ended,
    e.WORKFLOW_FAILED: Fold._workflow_ended,
    e.WORKFLOW_CANCELLED: Fold._workflow_ended,
    e.WORKFLOW_COMPENSATION_FAILED: Fold._workflow_ended,
    e.STEP_STARTED: Fold._step_started,
    e.STEP_WAITING: Fold._step_waiting,
    e.STEP_POSTPONED: Fold._step_postponed,
    e.STEP_SIGNALLED: Fold._step_signalled,
    e.STEP_RETRYING: Fold._step_retrying,
    e.STEP_COMPLETED: Fold._step_completed,
    e.STEP_FAILED: Fold._step_failed,
    e.STEP_SKIPPED: Fold._step_skipped,
    e.STEP_CANCELLED: Fold._step_cancelled,
    e.STEP_RESET: Fold._step_reset,
    e.STEP_COMPENSATING: Fold._step_compensating,
    e.STEP_COMPENSATED: Fold._step_undone,
    e.STEP_COMPENSATION_FAILED: Fold._step_undone,
    e.LOG: Fold._log,
}

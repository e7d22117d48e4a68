"""A run: one execution of one revision, as a shell drives it.

    run.start(now) or run.hear(fact, now)     something happened
    decision = run.decide(now)                fire what is due, decide what follows
    commit decision.events                    the journal's next entries
    carry out decision.commands               only once they are committed
    come back at decision.wake_at             unless something is heard before

True at all times: whatever `start`, `hear` and `decide` change stands in the entries that the next `decide` hands out,
so folding those entries (`apply`) in a fresh run ends in the same state; nothing is decided twice, and deciding again
without news decides nothing. A crash before the commit leaves what was committed before; after it, `take_up` says what
becomes of the attempts that were in flight. One shell at a time may drive a run (the engine's lease sees to that).

Not handled here: who may act, where entries are kept, how calls are made, admission of `pending` executions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from .. import events as e
from ..commands import CancelAttempt, Decision, Finish
from ..errors import ExpressionError, StepError
from ..facts import (
    Accepted,
    Answered,
    BusEvent,
    Cancel,
    ChildEnded,
    ChildStarted,
    Fact,
    Failed,
    Pause,
    Postponed,
    Rerun,
    Resume,
    Retry,
    ServiceBack,
    Signal,
)
from ..ids import path_of_attempt
from ..lifecycle import COMPENSATING, COMPLETED, ENDED_EXECUTION, PAUSED, RETRYING, RUNNING, WAITING
from . import operator
from .attempts import answered, attempt_failed, attempt_timed_out, expression_failure
from .closing import close, container_failed, fail_execution, go_on, judge
from .compensating import compensate, undo_answered, undo_failed
from .ledger import Ledger
from .postponing import postpone, postpone_undo, service_back
from .starting import call_command, child_command, consider, delay_over, real_input, start_next
from .state import Scope, StepRun
from .timers import DEADLINE, EXECUTION_DEADLINE, Timer
from .waiting import Waiting, waiting_for

Answer = Answered | Failed | Accepted | Postponed | ChildStarted | ChildEnded
"""What answers a command."""

_ANSWERS = frozenset(get_args(Answer))

_ACTIONS = {
    Pause: operator.pause,
    Resume: operator.resume,
    Cancel: operator.cancel,
    Retry: operator.retry,
    Rerun: operator.rerun,
    Signal: operator.signal,
}


class Run(Ledger):
    """One execution: what happened is told by `start` and `hear`, what follows is asked of `decide`."""

    def start(self, now: int) -> None:
        """Begin a pending execution; raise IllegalTransition for any other."""
        self.now = now
        self.write(e.WORKFLOW_STARTED, "", {"defaults": self.defaults.as_json()})

    def hear(self, fact: Fact, now: int) -> bool:
        """Take a fact in; return False if it says nothing new (an attempt that is over), having changed nothing.

        Raises Refused, changing nothing, for an action that does not fit the execution's state.
        """
        self.now = now
        if type(fact) in _ANSWERS:
            return self._hear_answer(fact)  # type: ignore[arg-type]
        if isinstance(fact, BusEvent):
            return operator.bus_event(self, fact)
        if isinstance(fact, ServiceBack):
            return service_back(self, fact.service)
        _ACTIONS[type(fact)](self, fact)  # type: ignore[operator]
        return True

    def decide(self, now: int) -> Decision:
        """Fire what is due and decide what follows from everything that happened."""
        self.now = now
        if self.written or not self.ended:
            if self.resuming:
                self._catch_up()
            self._go_on()
            timer = self.next_timer()
            while timer is not None and timer[0] <= now:
                self._fire(timer)
                self._go_on()
                timer = self.next_timer()
            if self.status in ENDED_EXECUTION:
                self.order(Finish(self.status, self.output, self.error))
            return self.hand_out(None if timer is None else timer[0])
        return self.hand_out(self.wake_at)

    def take_up(self, now: int, *, lost: bool) -> None:
        """Say, after a replay, what becomes of the attempts that were in flight when the last holder stopped.

        `lost`: the holder died, so their answers are lost, and they failed with `worker_lost` (`outcome_unknown` for
        an at-most-once step). Otherwise it handed over, having made sure that they were not made: they are started
        again as the same attempts. Children are started again either way, which starts them once.
        """
        self.now = now
        for run in list(self.by_path.values()):
            if run.status == RUNNING and not run.node.is_container:
                self._take_up_attempt(run, lost)
            elif run.status == COMPENSATING and run.due is None and lost:
                error = StepError("worker_lost", "the worker that made the call is gone")
                undo_failed(self, run, error)

    def _take_up_attempt(self, run: StepRun, lost: bool) -> None:
        try:
            values = real_input(self, run)
        except ExpressionError as error:
            attempt_failed(self, run, expression_failure("input", error))
            return
        if run.type == "subflow":
            self.order(child_command(self, run, values))
        elif run.node.takes_slot and not lost:
            self.order(call_command(self, run, values))
        elif run.node.takes_slot:
            once = run.type == "service" and run.node.step.delivery == "at-most-once"
            code = "outcome_unknown" if once else "worker_lost"
            attempt_failed(self, run, StepError(code, "the worker that made the call is gone"))

    # Hearing ------------------------------------------------------------------------------------------------------

    def _hear_answer(self, fact: Answer) -> bool:
        run = self.by_path.get(path_of_attempt(fact.attempt))
        if run is None or run.reference != fact.attempt or self.ended:
            return False
        if run.status == COMPENSATING:
            return self._hear_of_undo(run, fact)
        if isinstance(fact, Answered):
            answered(self, run, fact.output)
        elif isinstance(fact, Failed):
            attempt_failed(self, run, fact.error, fact.retry_after)
        elif isinstance(fact, Accepted):
            if run.accepted:
                return False
            self.write(e.STEP_WAITING, run.path, {"callback": True, "until": run.deadline})
        elif isinstance(fact, Postponed):
            if run.accepted or not run.node.takes_slot:
                return False
            postpone(self, run, fact)
        elif isinstance(fact, ChildStarted):
            answered(self, run, {"execution_id": fact.execution_id})
        else:
            self._hear_of_child(run, fact)
        return True

    def _hear_of_undo(self, run: StepRun, fact: Answer) -> bool:
        if isinstance(fact, Answered):
            undo_answered(self, run)
        elif isinstance(fact, Failed):
            undo_failed(self, run, fact.error, fact.retry_after)
        elif isinstance(fact, Postponed):
            postpone_undo(self, run, fact)
        else:
            return False
        return True

    def _hear_of_child(self, run: StepRun, fact: ChildEnded) -> None:
        if fact.status == COMPLETED:
            answered(self, run, fact.output)
            return
        cause = fact.error or StepError(fact.status, f"the child is {fact.status}").as_json()
        details = {"step": run.path, "cause": dict(cause), "execution_id": fact.execution_id}
        attempt_failed(self, run, StepError("child_failed", f"the child is {fact.status}", details=details))

    # Time ---------------------------------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Fire what fell due in a pause, before anything else is decided (rule 50 of the language)."""
        self.resuming = False
        while (timer := self.next_timer()) is not None and timer[0] <= self.now:
            self._fire(timer)

    def _fire(self, timer: Timer) -> None:
        """Fire the earliest timer, which is due: a cause of its own, whose effects come before the next."""
        _, _, kind, run = timer
        self.timers.pop()
        if kind is EXECUTION_DEADLINE:
            self._execution_timed_out()
        elif kind is DEADLINE and run is not None:
            run.deadline = None
            self._timed_out(run)
        elif run is not None:
            if run.status == RETRYING or (run.status == WAITING and run.postponed is not None):
                self.make_ready(run)
            elif run.status == WAITING:
                delay_over(self, run)
            else:
                run.due = None

    def _execution_timed_out(self) -> None:
        self.deadline = None
        if self.status in (RUNNING, PAUSED):
            error = StepError("timeout", "the execution's timeout is reached", retryable=True)
            fail_execution(self, error.as_json())

    def _timed_out(self, run: StepRun) -> None:
        if run.status == COMPENSATING:
            self._abort_call(run)
            undo_failed(self, run, StepError("timeout", "no answer within the compensation's timeout"))
        elif run.type == "wait" and run.node.step.on_timeout == "continue":
            answered(self, run, {"timed_out": True, "value": None, "by": None})
        elif run.node.is_container or run.type == "subflow":
            container_failed(self, run, StepError("timeout", f"not done within the timeout of {run.path}"))
        else:
            self._abort_call(run)
            attempt_timed_out(self, run)

    def _abort_call(self, run: StepRun) -> None:
        if run.reference is not None and (run.node.takes_slot or run.status == COMPENSATING):
            self.order(CancelAttempt(run.reference))

    # Deciding -----------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        if self.status == RUNNING:
            self._progress()
        if self.status == COMPENSATING:
            compensate(self)

    def _progress(self) -> None:
        judgements, eligible, finished, opened = self.judgements, self.eligible, self.finished, self.opened
        while self.status == RUNNING:
            if judgements:
                judge(self, judgements.popleft())
            elif eligible:
                consider(self, *eligible.popleft())
            elif finished:
                close(self, *finished.popleft())
            elif opened:
                go_on(self, opened.popleft())
            elif not (self.ready or self.without_slot) or not start_next(self):
                break
        if self.conditions_met:
            for run in self.conditions_met:
                if run.ready and self.status == RUNNING:
                    self.mark_ready(run)
            self.conditions_met.clear()

    # Asking -------------------------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Return how many attempts a shell has under way whose answers are awaited in its own process."""
        return self.slots_used - self.callbacks + (1 if self._undo_in_flight() else 0)

    def _undo_in_flight(self) -> bool:
        run = self.undoing
        return run is not None and run.status == COMPENSATING and run.reference is not None

    @property
    def event_topics(self) -> frozenset[str]:
        """Return the topics of bus events that some wait listens to."""
        return frozenset(topic for topic, waits in self.event_waits.items() if waits)

    @property
    def awaited_services(self) -> frozenset[str]:
        """Return the services without an instance to call that some attempt waits for (see `ServiceBack`)."""
        return frozenset(service for service, runs in self.service_waits.items() if runs)

    def waits_for_event(self, topic: str) -> bool:
        """Tell whether some wait listens to the topic."""
        return bool(self.event_waits.get(topic))

    def waiting_for(self, now: int) -> list[Waiting]:
        """Return what the execution waits for at `now`: the answer to "why is this waiting?"."""
        return waiting_for(self)

    def step_runs(self) -> Iterator[StepRun]:
        """Yield all step runs that exist, in definition order, nested ones after their container."""
        if self.root is not None:
            yield from _in_order(self.root)


def _in_order(scope: Scope) -> Iterator[StepRun]:
    todo: list[Iterator[StepRun]] = [iter(scope.runs)]
    while todo:
        run = next(todo[-1], None)
        if run is None:
            todo.pop()
            continue
        yield run
        if run.body is not None:
            todo.append(nested for inner in run.body.scopes for nested in inner.runs)

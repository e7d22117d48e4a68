"""What every decision is made with: the state, the instant, the entries decided so far and the commands they entail."""

from __future__ import annotations

from typing import Any

from .. import events as e
from ..commands import Command, Decision
from ..events import Event
from ..ids import fraction
from ..instants import format_instant
from ..lifecycle import PAUSED
from .fold import HANDLERS, ITERATION_MARK, NEXT_MARK, READY_MARK, Fold
from .state import Scope, StepRun, StepsView, Vars
from .timers import Timer


class Ledger(Fold):
    """A state that entries can be written to: each is folded at once and handed out with the next decision.

    `now` is the instant of the decision that is being made, set by whoever calls in.
    """

    def write(self, event_type: str, step: str, data: dict[str, Any]) -> None:
        """Add an entry to the journal and fold it."""
        seq = self.seq + 1
        event = Event(seq, event_type, self.now, step, data)
        HANDLERS[event_type](self, event)
        self.seq = seq
        self.written.append(event)

    def order(self, command: Command) -> None:
        """Have the shell do something once the entries written so far are committed."""
        self.ordered.append(command)

    def mark_iteration(self, run: StepRun, index: int, result: Any) -> None:
        """Write down that an iteration of a loop ended; of `items` the next one begins."""
        self._mark([ITERATION_MARK, run.path, index, result])

    def mark_next(self, run: StepRun) -> None:
        """Write down that a loop's `while` holds: the next iteration begins."""
        self._mark([NEXT_MARK, run.path])

    def mark_ready(self, run: StepRun) -> None:
        """Write down that a step's condition held, while it has to wait for its turn."""
        self._mark([READY_MARK, run.path])

    def _mark(self, mark: list[Any]) -> None:
        if not self.written:
            self.write(e.LOG, "", {"level": "debug", "message": "decided"})
        self.written[-1].data.setdefault("then", []).append(mark)
        self.fold_mark(mark)

    def hand_out(self, wake_at: int | None) -> Decision:
        """Return what was written and ordered since the last time, and when to decide again."""
        decision = Decision(self.written, self.ordered, wake_at)
        self.written, self.ordered = [], []
        return decision

    @property
    def wake_at(self) -> int | None:
        """Return the instant at which something has to be decided even if nothing is heard, None for never."""
        timer = self.next_timer()
        return None if timer is None else timer[0]

    def next_timer(self) -> Timer | None:
        """Return the earliest timer that still counts, None where there is none."""
        return self.timers.first(self.deadline, paused=self.status == PAUSED)

    def draw(self, run: StepRun, *which: object) -> float:
        """Return the jitter of one wait: a hash, so that a replay waits just as long."""
        return fraction(self.execution_id, run.path, run.resets, *which)

    # Names of expressions -----------------------------------------------------------------------------------------

    def names(self, scope: Scope) -> dict[str, Any]:
        """Return what expressions in a scope can name. The caller may add to a copy, not to what is returned."""
        names = scope.names
        if names is None:
            names = scope.names = self._make_names(scope)
        names["vars"] = scope.vars.current
        names["execution"]["attempt"] = self.attempt
        return names

    def names_of(self, run: StepRun) -> dict[str, Any]:
        """Return what the expressions of one step can name: `error` too where some `on_failure` leads to it."""
        names = self.names(run.scope)
        if run.node.knows_error:
            return {**names, "error": None if run.cause is None else run.cause.error}
        return names

    def _make_names(self, scope: Scope) -> dict[str, Any]:
        container = scope.container
        if container is None:
            started = self.started_at
            names: dict[str, Any] = {
                "input": self.input,
                "execution": {
                    "id": self.execution_id,
                    "workflow": self.graph.definition.id,
                    "revision": self.revision,
                    "started_at": "" if started is None else format_instant(started),
                },
            }
        else:
            names = dict(self.names_of(container))
            if scope.iteration is not None:
                names["index"] = scope.iteration
                if container.node.test is None:
                    names["item"] = scope.item
        names["steps"] = StepsView(scope)
        return names

    def names_of_test(self, run: StepRun, variables: Vars | None, index: int) -> dict[str, Any]:
        """Return what a loop's `while` can name before iteration `index`."""
        names = {**self.names_of(run), "index": index}
        if variables is not None:
            names["vars"] = variables.current
        return names

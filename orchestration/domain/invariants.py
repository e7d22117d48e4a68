"""What may never be untrue of an execution, as functions: for tests after each event, and for `check_invariants`.

Each returns the sentences that do not hold, an empty list when all is well. They count afresh what the fold keeps
count of, so a mistake in the fold shows; they are slow on purpose and never part of deciding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from . import events as e
from .errors import InvariantViolated
from .events import Event
from .lifecycle import COMPENSATING, IN_PROGRESS, RUNNING, WAITING
from .postponement import NO_HEALTHY_INSTANCE
from .run.fold import Fold
from .run.state import Scope, StepRun

_LAST_ENTRIES = frozenset(
    {e.WORKFLOW_COMPLETED, e.WORKFLOW_FAILED, e.WORKFLOW_CANCELLED, e.WORKFLOW_COMPENSATION_FAILED}
)
_STEP_ENDS = frozenset({e.STEP_COMPLETED, e.STEP_FAILED, e.STEP_SKIPPED, e.STEP_CANCELLED})


def require(broken: Iterable[str], thing: str) -> None:
    """Raise InvariantViolated if there is a broken rule among `broken`."""
    rules = list(broken)
    if rules:
        raise InvariantViolated(f"{thing}: {'; '.join(rules)}", thing=thing, broken=rules)


def check_journal(journal: Iterable[Event]) -> list[str]:
    """Check an execution's whole journal by itself: order, ends, and that nothing ends or is undone twice."""
    return list(_journal_rules(journal))


def _journal_rules(journal: Iterable[Event]) -> Iterator[str]:
    ended: dict[str, str] = {}
    attempts: dict[str, tuple[int, bool]] = {}
    undone: list[str] = []
    completed: list[str] = []
    over: str | None = None
    at = 0
    for expected, event in enumerate(journal, start=1):
        if event.seq != expected:
            yield f"entry {event.seq} stands where {expected} belongs"
            return
        if event.at < at:
            yield f"entry {event.seq} is older than the one before it"
        at = event.at
        if over is not None and event.type not in (e.WORKFLOW_RETRIED, e.LOG):
            yield f"{event.type} follows {over} at {event.seq}"
        over = event.type if event.type in _LAST_ENTRIES else None
        yield from _attempt_rules(event, attempts)
        if event.type in _STEP_ENDS:
            if event.step in ended:
                yield f"{event.step} ends again at {event.seq}, after {ended[event.step]}"
            ended[event.step] = event.type
            if event.type == e.STEP_COMPLETED:
                completed.append(event.step)
        elif event.type == e.STEP_RESET:
            ended.pop(event.step, None)
            completed = [step for step in completed if step != event.step]
            undone = [step for step in undone if step != event.step]
        elif event.type == e.STEP_COMPENSATING:
            yield from _undoing_rules(event, completed, undone)


def _attempt_rules(event: Event, attempts: dict[str, tuple[int, bool]]) -> Iterator[str]:
    """Check that attempts are numbered 1, 2, 3 …, and that only one that was not made is begun again."""
    number, postponed = attempts.get(event.step, (0, False))
    if event.type == e.STEP_STARTED:
        expected = number if postponed else number + 1
        if event.data["attempt"] != expected:
            yield f"attempt {event.data['attempt']} of {event.step} begins at {event.seq}, where {expected} should"
        attempts[event.step] = (event.data["attempt"], False)
    elif event.type == e.STEP_POSTPONED:
        attempts[event.step] = (number, True)
    elif event.type in (e.STEP_RESET, e.STEP_COMPENSATING):
        attempts[event.step] = (0, False)


def _undoing_rules(event: Event, completed: list[str], undone: list[str]) -> Iterator[str]:
    if event.step in undone:
        yield f"{event.step} is undone twice at {event.seq}"
    before = [step for step in undone if step in completed]
    if event.step in completed and before and completed.index(event.step) > completed.index(before[-1]):
        yield f"{event.step} is undone after {before[-1]}, which completed before it"
    undone.append(event.step)


def check_state(run: Fold) -> list[str]:
    """Check that what a fold keeps count of is what can be counted."""
    return list(_state_rules(run))


def _state_rules(run: Fold) -> Iterator[str]:
    if run.root is None:
        return
    runs = list(run.by_path.values())
    holders = [step.path for step in runs if step.holds_slot]
    if len(holders) != run.slots_used:
        yield f"{run.slots_used} slots are counted, held by {holders}"
    if run.slots_used > run.config.parallel_limit:
        yield f"{run.slots_used} attempts are in flight, where {run.config.parallel_limit} are allowed"
    if run.callbacks != sum(step.accepted for step in runs):
        yield f"{run.callbacks} callbacks are counted"
    if run.ended:
        yield from (f"{step.path} is {step.status} in an ended execution" for step in runs if not step.ended)
    if sum(step.status == COMPENSATING for step in runs) > 1:
        yield "two compensations run at once"
    yield from _scope_rules(run, run.root)
    waiting = {(name, path) for name, waits in run.service_waits.items() for path in waits}
    awaited = {(step.service, step.path) for step in runs if _awaits_instance(step)}
    if waiting != awaited:
        yield f"{sorted(waiting)} are noted to wait for an instance, {sorted(awaited)} do"
    for step in runs:
        yield from _step_rules(step)
        if step.body is not None:
            for scope in step.body.scopes:
                yield from _scope_rules(run, scope)


def _scope_rules(run: Fold, scope: Scope) -> Iterator[str]:
    where = scope.prefix or "the top level"
    still_open = sum(not step.ended and step.status != COMPENSATING for step in scope.runs)
    if scope.open != still_open and run.status != COMPENSATING:
        yield f"{where}: {scope.open} open step runs are counted, there are {still_open}"
    active = sum(step.status in IN_PROGRESS for step in scope.runs)
    if scope.active != active:
        yield f"{where}: {scope.active} step runs in progress are counted, there are {active}"
    if scope.limit is not None and active > scope.limit:
        yield f"{where}: {active} step runs are in progress, where {scope.limit} are allowed"
    for step in scope.runs:
        if run.by_path.get(step.path) is not step:
            yield f"{step.path} cannot be found by its path"


def _awaits_instance(step: StepRun) -> bool:
    return step.postponed is not None and step.postponed.reason == NO_HEALTHY_INSTANCE


def _step_rules(step: StepRun) -> Iterator[str]:
    if step.ended and (step.reference or step.deadline or step.due):
        yield f"{step.path} is {step.status} and still waits for something"
    if step.holds_slot and step.status not in (RUNNING, WAITING):
        yield f"{step.path} is {step.status} and holds a slot"
    if step.postponed is not None:
        if step.status not in (WAITING, COMPENSATING):
            yield f"{step.path} is {step.status} and postponed"
        if step.due is None or step.reference or step.deadline or step.holds_slot:
            yield f"{step.path} is postponed, and has no timer or something under way"
    body = step.body
    if body is None or step.type != "loop":
        return
    if body.open != sum(not scope.closed for scope in body.scopes):
        yield f"{step.path}: {body.open} iterations in progress are counted"
    going = sum(not scope.closed and not scope.held for scope in body.scopes)
    if step.status == RUNNING and going > (step.node.limit or 1):
        yield f"{step.path}: {going} iterations are in progress, where {step.node.limit} are allowed"

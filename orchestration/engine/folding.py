"""One execution as its journal has it: folded anew, or further from where this process last left it.

What was folded is kept for a while, so that a page that follows a long execution folds only what is new. Everybody who
asks for the same execution takes turns: a run is folded and read by one thread at a time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import orjson
from django.conf import settings

from orchestration import clock
from orchestration.configuration.queries import execution_defaults
from orchestration.domain.errors import OrchestrationError
from orchestration.domain.events import Event
from orchestration.domain.run import Run
from orchestration.domain.run.attempts import max_attempts_of
from orchestration.engine.graphs import find_graph, graph_of
from orchestration.engine.models import Execution, JournalEntry, Revision
from orchestration.engine.views import AttemptView, ExecutionDetail, ExecutionSummary, StepView, WaitView

KEPT = 64
STEPS_KEPT = 5_000


class Folded:
    """A run that follows a journal."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.lock = threading.Lock()

    def catch_up(self) -> None:
        """Fold what was committed since the last time."""
        rows = JournalEntry.objects.filter(execution_id=self.run.execution_id, seq__gt=self.run.seq).order_by("seq")
        for seq, kind, at, step, data in rows.values_list("seq", "type", "at", "step", "data").iterator(2000):
            self.run.apply(Event(seq, kind, at, step, orjson.loads(data)))


_folded: OrderedDict[str, Folded] = OrderedDict()
_changing = threading.Lock()


def _find(execution_id: str) -> Folded:
    with _changing:
        folded = _folded.get(execution_id)
        if folded is not None:
            _folded.move_to_end(execution_id)
            return folded
    folded = Folded(new_run(execution_id))
    with _changing:
        folded = _folded.setdefault(execution_id, folded)
        while len(_folded) > KEPT:
            _folded.popitem(last=False)
    return folded


def forget(execution_id: str) -> None:
    """Forget what is kept of an execution."""
    with _changing:
        _folded.pop(execution_id, None)


def new_run(execution_id: str) -> Run:
    """Return a run of the execution with nothing folded yet."""
    revision_id, text, depth = (
        Execution.objects.filter(id=execution_id).values_list("revision_id", "input", "depth").get()
    )
    graph = find_graph(revision_id)
    if graph is None:
        graph = graph_of(revision_id, Revision.objects.values_list("document", flat=True).get(pk=revision_id))
    return Run(
        graph,
        execution_id=execution_id,
        input=orjson.loads(text),
        depth=depth,
        limits=settings.PODIUM.limits,
        defaults=execution_defaults(),
    )


def detail(
    summary: ExecutionSummary, children: Callable[[], tuple[ExecutionSummary, ...]], steps_limit: int | None
) -> ExecutionDetail:
    """Return the execution whose row is `summary`, as its journal has it, with its children as they are then."""
    folded = _find(summary.id)
    with folded.lock:
        try:
            folded.catch_up()
        except BaseException as error:
            # Half folded is no state, but all that there is to show of one that was put aside for just that.
            forget(summary.id)
            if not (summary.quarantined and isinstance(error, OrchestrationError)):
                raise
        run = folded.run
        found = _detail(run, summary, children(), steps_limit)
    if len(run.by_path) > STEPS_KEPT:
        forget(summary.id)
    return found


def _detail(
    run: Run, summary: ExecutionSummary, children: tuple[ExecutionSummary, ...], steps_limit: int | None
) -> ExecutionDetail:
    steps: list[StepView] = []
    for step in run.step_runs():
        if steps_limit is not None and len(steps) >= steps_limit:
            break
        steps.append(_step(run, step))
    now = clock.now_us()
    waiting = tuple(
        WaitView(each.kind, each.step, _instant(each.until), each.detail, each.reason) for each in run.waiting_for(now)
    )
    if summary.quarantined:
        waiting = (WaitView("quarantined", "", None, (summary.error or {}).get("message", "")),)
    started = run.seq > 0
    return ExecutionDetail(
        summary=ExecutionSummary(
            id=summary.id,
            workflow=summary.workflow,
            workflow_name=summary.workflow_name,
            revision=summary.revision,
            status=run.status if started and not summary.quarantined else summary.status,
            progress=run.progress if started else summary.progress,
            steps_done=run.steps_done,
            steps_total=run.steps_total,
            created_at=summary.created_at,
            started_at=_instant(run.started_at),
            ended_at=_instant(run.ended_at),
            error=summary.error if summary.quarantined else run.error or summary.error,
            by=summary.by,
            seq=run.seq,
            attempt=run.attempt,
            parent_id=summary.parent_id,
            priority=summary.priority,
            quarantined=summary.quarantined,
        ),
        input=run.input,
        output=run.output,
        steps=tuple(steps),
        waiting_for=waiting,
        definition=run.graph.definition,
        children=children,
    )


def _step(run: Run, step: Any) -> StepView:
    return StepView(
        path=step.path,
        id=step.id,
        name=step.name,
        type=step.type,
        status=step.status,
        attempts=step.attempts,
        max_attempts=max_attempts_of(run, step),
        started_at=_instant(step.started_at),
        ended_at=_instant(step.ended_at),
        next_attempt_at=_instant(step.next_attempt_at),
        output=step.output,
        error=step.error,
        depth=step.depth,
        parent=step.parent,
        index=step.index,
        tries=tuple(AttemptView(number, _instant(at), _instant(end), error) for number, at, end, error in step.tries),
    )


def _instant(value: int | None) -> Any:
    return None if value is None else clock.to_datetime(value)

"""Workflows: the list, and the page of one with its graph, its steps, its revisions and a form to start it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.graph.layout import Layout
from dashboard.graph.picture import Picture, paint_definition
from dashboard.presenters.emptiness import Emptiness
from dashboard.presenters.executions import Arrivals, ExecutionRow, execution_row
from dashboard.words.anchors import step_anchor
from dashboard.words.times import duration_words
from dashboard.words.values import JsonText, example_input, pretty, short
from orchestration.domain.definition import Definition
from orchestration.engine.queries import ExecutionSummary, WorkflowDetail, WorkflowSummary

STEPS = 100


@dataclass(frozen=True, slots=True)
class WorkflowRow:
    """One workflow in the list."""

    id: str
    name: str
    description: str
    version: str
    revision: int
    steps: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class WorkflowList:
    """The page of workflows."""

    rows: tuple[WorkflowRow, ...]
    newer: bool
    older: str | None
    empty: Emptiness


@dataclass(frozen=True, slots=True)
class WrittenStep:
    """One step as it is written down."""

    anchor: str
    name: str
    aside: str
    depth: int
    type: str
    does: str
    after: str
    retry: str
    timeout: str


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One revision; `shown` is the one that the page shows."""

    number: int
    created_at: datetime
    by: str
    shown: bool


@dataclass(frozen=True, slots=True)
class StartForm:
    """The form that starts the workflow: the text of its input, and what was wrong with it."""

    text: str
    problems: tuple[tuple[str, str], ...] = ()
    message: str = ""
    schema: JsonText | None = None
    key: str = ""

    @property
    def rows(self) -> int:
        """Return how many lines the text field has."""
        return max(4, min(16, self.text.count("\n") + 2))


@dataclass(frozen=True, slots=True)
class WorkflowPage:
    """Everything that the page of a workflow shows."""

    id: str
    name: str
    description: str
    version: str
    revision: int
    latest: bool
    facts: tuple[tuple[str, str], ...]
    picture: Picture
    steps: tuple[WrittenStep, ...]
    more_steps: int
    revisions: tuple[RevisionRow, ...]
    document: JsonText
    form: StartForm
    executions: tuple[ExecutionRow, ...]
    arrivals: Arrivals
    oldest: int


def workflow_list(summaries: Sequence[WorkflowSummary], *, cursor: str | None, older: str | None) -> WorkflowList:
    """Return a page of the list; `cursor` is where it begins, `older` where the next one does."""
    empty = Emptiness(
        "No workflows yet",
        "A workflow says which services are called, in which order. Save one with POST /api/v1/workflows, and it "
        "stands here.",
    )
    return WorkflowList(tuple(workflow_row(each) for each in summaries), cursor is not None, older, empty)


def workflow_row(summary: WorkflowSummary) -> WorkflowRow:
    """Return a workflow as a row of the list."""
    return WorkflowRow(
        id=summary.id,
        name=summary.name or summary.id,
        description=short(summary.description),
        version=summary.version,
        revision=summary.revision,
        steps=summary.step_count,
        updated_at=summary.updated_at,
    )


def workflow_page(
    detail: WorkflowDetail,
    definition: Definition,
    layout: Layout,
    executions: Sequence[ExecutionSummary],
    form: StartForm,
    *,
    arrivals: Arrivals,
    oldest: int,
    now: int,
) -> WorkflowPage:
    """Return the page, with the form that starts the workflow."""
    written = _written_steps(definition.steps, "", 0)
    newest = max((each.revision for each in detail.revisions), default=detail.revision)
    return WorkflowPage(
        id=detail.id,
        name=definition.name,
        description=definition.description,
        version=definition.version,
        revision=detail.revision,
        latest=detail.revision == newest,
        facts=_facts(definition),
        picture=paint_definition(layout, name=definition.name),
        steps=tuple(written[:STEPS]),
        more_steps=max(0, len(written) - STEPS),
        revisions=tuple(
            RevisionRow(each.revision, each.created_at, each.created_by, each.revision == detail.revision)
            for each in sorted(detail.revisions, key=lambda each: -each.revision)
        ),
        document=pretty(detail.document),
        form=form,
        executions=tuple(execution_row(each, now=now) for each in executions),
        arrivals=arrivals,
        oldest=oldest,
    )


def start_form(
    document: Mapping[str, Any],
    *,
    key: str,
    text: str | None = None,
    message: str = "",
    problems: Sequence[tuple[str, str]] = (),
) -> StartForm:
    """Return the form with an example of the input, or with the text that was typed and what is wrong with it.

    `key` goes with the form, so that sending it twice starts one execution.
    """
    if text is None:
        text = json.dumps(example_input(document), indent=2, ensure_ascii=False)
    schema = document.get("input_schema")
    return StartForm(text, tuple(problems), message, pretty(schema) if schema else None, key)


def _facts(definition: Definition) -> tuple[tuple[str, str], ...]:
    config = definition.config
    timeout = "default" if config.timeout is None else duration_words(config.timeout)
    facts = [("failure policy", config.failure_policy), ("timeout", timeout)]
    if config.max_concurrent is not None:
        facts.append(("at once", str(config.max_concurrent)))
    facts.append(("steps at once", str(config.parallel_limit)))
    if definition.triggers:
        facts.append(("started by", ", ".join(dict.fromkeys(trigger.type for trigger in definition.triggers))))
    return tuple(facts)


def _written_steps(steps: Sequence[Any], prefix: str, depth: int) -> list[WrittenStep]:
    rows: list[WrittenStep] = []
    before = _before(steps)
    for step in steps:
        path = f"{prefix}{step.id}"
        rows.append(_written_step(step, path, depth, before[step.id]))
        if step.type in {"parallel", "loop"}:
            rows.extend(_written_steps(step.steps, f"{path}.", depth + 1))
    return rows


def _before(steps: Sequence[Any]) -> dict[str, list[str]]:
    before: dict[str, list[str]] = {step.id: list(step.dependencies) for step in steps}
    for step in steps:
        for name in step.on_success:
            before[name].append(f"{step.id} succeeded")
        for name in step.on_failure:
            before[name].append(f"{step.id} failed")
    return before


def _written_step(step: Any, path: str, depth: int, before: Sequence[str]) -> WrittenStep:
    retry = step.retry
    calls = step.type in {"service", "notification"}
    most = retry.max_attempts
    return WrittenStep(
        anchor=step_anchor(path),
        name=step.name,
        aside=step.id if step.name != step.id else "",
        depth=depth,
        type=step.type,
        does=_does(step),
        after=short(", ".join(before), 60) or "the start",
        retry=f"up to {most} times, {retry.backoff}"
        if most and most > 1
        else "once"
        if most or not calls
        else "default",
        timeout=duration_words(step.timeout) if step.timeout is not None else "default" if calls else "none",
    )


def _does(step: Any) -> str:
    says = {
        "service": lambda: f"{step.service_name}.{step.method}",
        "notification": lambda: step.channel,
        "subflow": lambda: step.workflow,
        "condition": lambda: short(step.condition, 60),
        "parallel": lambda: f"{len(step.steps)} steps, {step.mode}",
        "loop": lambda: short(f"while {step.while_}" if step.while_ is not None else str(step.items), 60),
        "delay": lambda: duration_words(step.duration) if step.duration is not None else short(str(step.until), 60),
        "wait": lambda: f"signal {step.signal}" if step.signal is not None else f"event {step.event}",
    }
    say = says.get(step.type)
    return say() if say else ""

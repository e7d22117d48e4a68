"""How an execution is shown: its links, its steps that are under way, and as many of its steps as are asked for."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse

from orchestration.domain import lifecycle
from orchestration.engine.queries import ExecutionDetail

from . import shapes

UNDER_WAY = frozenset({lifecycle.RUNNING, lifecycle.RETRYING, lifecycle.WAITING, lifecycle.COMPENSATING})


def execution_links(execution_id: str, workflow: str) -> dict[str, str]:
    """Return where to go on from an execution. They start at the root, never with a host that a request named."""
    return {
        "self": reverse("api:execution", kwargs={"execution_id": execution_id}),
        "events": reverse("api:execution-events", kwargs={"execution_id": execution_id}),
        "workflow": reverse("api:workflow", kwargs={"workflow": workflow}),
    }


def execution_shape(detail: ExecutionDetail, *, steps: int | None = None) -> shapes.Execution:
    """Return an execution with at most `steps` of its steps (default: the site's `api_steps`)."""
    summary = shapes.ExecutionSummary.model_validate(detail.summary)
    most = settings.PODIUM.api_steps if steps is None else steps
    whole: dict[str, Any] = {
        **summary.model_dump(),
        "execution_id": summary.id,
        "input": detail.input,
        "output": detail.output,
        "current_steps": [step.path for step in detail.steps if step.status in UNDER_WAY],
        "steps": detail.steps[:most],
        "steps_left_off": max(0, len(detail.steps) - most),
        "waiting_for": detail.waiting_for,
        "children": detail.children,
        "links": execution_links(summary.id, summary.workflow),
    }
    return shapes.Execution.model_validate(whole)

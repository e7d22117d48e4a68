"""A recording as a definition of the workflow language: one step per task, its dependencies the task's parents."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import orjson

from orchestration.domain.errors import LimitExceeded
from orchestration.domain.limits import LIMITS, MICROSECONDS, Limits
from orchestration.management.wfinstances.recording import Recording

SERVICE, METHOD = "recorded-tasks", "run"
LONGEST_ID = 63
LONGEST_CALL = 20 * MICROSECONDS
NO_LIMIT = LIMITS.parallel_limit
HOUR = 3600


def definition_of(
    recording: Recording, *, workflow: str, scale: float, parallel_limit: int = NO_LIMIT, limits: Limits = LIMITS
) -> dict[str, Any]:
    """Return the definition (plain JSON) of a recording whose run times are multiplied by `scale`.

    Step ids are the tasks' ids as far as the language lets them; where the definition would become too large with
    them, they are `t1`, `t2` … Raises LimitExceeded where it has too many steps or is too large all the same.
    """
    if len(recording.tasks) > limits.steps:
        message = f"the recording has {len(recording.tasks)} tasks, a definition at most {limits.steps} steps"
        raise LimitExceeded(message, limit="steps", allowed=limits.steps, got=len(recording.tasks))
    names = [task.id for task in recording.tasks]
    size = 0
    for ids in (telling_ids(names), short_ids(names)):
        document = _document(recording, ids, workflow=workflow, scale=scale, parallel_limit=parallel_limit)
        size = len(orjson.dumps(document))
        if size <= limits.definition_bytes:
            return document
    message = f"the definition would have {size} bytes, {limits.definition_bytes} are allowed"
    raise LimitExceeded(message, limit="definition_bytes", allowed=limits.definition_bytes, got=size)


def workflow_id(stem: str) -> str:
    """Return the workflow id for a recording's file name: `wf-` and what the language allows of the rest."""
    slug = "wf-" + (re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "recording")
    if len(slug) <= LONGEST_ID:
        return slug
    return f"{slug[: LONGEST_ID - 9]}-{hashlib.blake2b(stem.encode(), digest_size=4).hexdigest()}"


def telling_ids(names: Iterable[str]) -> dict[str, str]:
    """Return a step id for each task id: what is allowed of it, from its end where it is too long, and unique."""
    ids: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        base = re.sub(r"[^A-Za-z0-9_-]+", "_", name)
        if len(base) > LONGEST_ID or not re.match(r"[A-Za-z_]", base):
            base = "t" + base[-(LONGEST_ID - 1) :]
        chosen, number = base, 1
        while chosen in taken:
            number += 1
            chosen = f"{base[: LONGEST_ID - len(str(number)) - 1]}-{number}"
        taken.add(chosen)
        ids[name] = chosen
    return ids


def short_ids(names: Iterable[str]) -> dict[str, str]:
    """Return `t1`, `t2` … for the task ids, in their order."""
    return {name: f"t{number}" for number, name in enumerate(names, start=1)}


def _document(
    recording: Recording, ids: dict[str, str], *, workflow: str, scale: float, parallel_limit: int
) -> dict[str, Any]:
    steps = []
    for task in recording.tasks:
        step: dict[str, Any] = {"id": ids[task.id]}
        step |= _work(task.duration(scale))
        if task.parents:
            step["dependencies"] = [ids[parent] for parent in task.parents]
        steps.append(step)
    # Even run one after another, and twice, the tasks shall not hit the execution's timeout.
    seconds = HOUR + 2 * -(-recording.total(scale) // MICROSECONDS)
    return {
        "id": workflow,
        "name": recording.name or workflow,
        "description": f"A recorded workflow, its run times times {scale:g}. {recording.description}".strip(),
        "config": {"timeout": seconds, "parallel_limit": parallel_limit},
        "steps": steps,
        "output": {},
    }


def _work(duration: int) -> dict[str, Any]:
    if duration > LONGEST_CALL:
        return {"type": "delay", "duration": duration / MICROSECONDS}
    return {"type": "service", "service_name": SERVICE, "method": METHOD, "input": {"us": duration}}

"""Small definitions for tests of the language, and what is wrong with them."""

from __future__ import annotations

from typing import Any

from orchestration.domain.definition import parse_definition
from orchestration.domain.errors import DocumentInvalid, Problem


def call(step_id: str = "a", **keys: Any) -> dict[str, Any]:
    """Return a `service` step."""
    return {"id": step_id, "type": "service", "service_name": "s", "method": "m", **keys}


def loop(*steps: Any, **keys: Any) -> dict[str, Any]:
    """Return a `loop` step with the id `loop`, over items unless it is told otherwise."""
    over = {} if "while" in keys or "items" in keys else {"items": [1]}
    return {"id": "loop", "type": "loop", "steps": list(steps), **over, **keys}


def box(*steps: Any, **keys: Any) -> dict[str, Any]:
    """Return a `parallel` step with the id `box`."""
    return {"id": "box", "type": "parallel", "steps": list(steps), **keys}


def workflow(*steps: Any, **keys: Any) -> dict[str, Any]:
    """Return a definition."""
    return {"id": "w", "steps": list(steps), **keys}


def problems(document: Any) -> dict[str, Problem]:
    """Return the problems of a definition by path."""
    try:
        parse_definition(document)
    except DocumentInvalid as refusal:
        told = refusal.problems
    else:
        told = ()
    found = {problem.path: problem for problem in told}
    assert len(found) == len(told), "one problem for each path"
    return found


def codes(document: Any) -> dict[str, str]:
    """Return path -> code of a definition's problems."""
    return {path: problem.code for path, problem in problems(document).items()}


def at(**keys: Any) -> dict[str, str]:
    """Return path -> code of a definition of one service step with these keys, without `steps[0].`."""
    return {path.removeprefix("steps[0]."): code for path, code in codes(workflow(call(**keys))).items()}

"""The workflows that faults are tried on. Every call tells the recorder which step of which execution it is."""

from __future__ import annotations

from typing import Any

ME = "${execution.id}"


def call(step: str, method: str, *after: str, seconds: float = 0, **more: Any) -> dict[str, Any]:
    """Return a step that calls the recorder; it answers after `seconds`."""
    told: dict[str, Any] = {"execution": ME, "step": step}
    if seconds:
        told["seconds"] = seconds
    return {
        "id": step,
        "type": "service",
        "service_name": "outside",
        "method": method,
        "input": told,
        "dependencies": list(after),
        "retry": {"max_attempts": 20, "delay": "50ms", "max_delay": "500ms", "jitter": 0},
        **more,
    }


def workflow(slug: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a definition, with room for as many executions as come."""
    config = {"max_concurrent": 20_000, **more.pop("config", {})}
    return {"id": slug, "steps": list(steps), "config": config, **more}


def chain(slug: str, length: int, *, seconds: float = 0) -> dict[str, Any]:
    """Return a definition of calls one after the other."""
    return workflow(
        slug,
        *(call(f"s{n}", "work", *([f"s{n - 1}"] if n else []), seconds=seconds) for n in range(length)),
    )


def undo(step: str) -> dict[str, Any]:
    """Return the compensation of a step."""
    return {
        "service_name": "outside",
        "method": "undo",
        "input": {"execution": ME, "step": f"undo {step}"},
        "retry": {"max_attempts": 20, "delay": "50ms", "max_delay": "500ms", "jitter": 0},
    }


def saga(slug: str, length: int) -> dict[str, Any]:
    """Return a definition of `length` calls, each with its compensation, and a last one that is refused."""
    steps = [call(f"s{n}", "work", *([f"s{n - 1}"] if n else []), compensate=undo(f"s{n}")) for n in range(length)]
    refused = call("refused", "refuse", f"s{length - 1}", retry={"max_attempts": 1})
    return workflow(slug, *steps, refused, config={"failure_policy": "compensate"})


def everything(slug: str, child: str) -> dict[str, Any]:
    """Return a definition that passes all of the engine: calls, a child, a timer that parks it."""
    return workflow(
        slug,
        call("a", "work"),
        {"id": "sub", "type": "subflow", "workflow": child, "dependencies": ["a"]},
        {"id": "nap", "type": "delay", "duration": "3s", "dependencies": ["a"]},
        call("b", "work", "sub", "nap", seconds=0.1),
        call("c", "work", "b"),
    )

"""Small workflows that the tests of the API save and run."""

from __future__ import annotations

from typing import Any


def waiting_definition(workflow: str = "approval", **more: Any) -> dict[str, Any]:
    """Return a workflow that waits for the signal `go` and gives back what it was told."""
    wait = {"id": "gate", "type": "wait", "signal": "go", "output": {"told": "${output.value}", "by": "${output.by}"}}
    return {"id": workflow, "steps": [wait], **more}


def adding_definition(workflow: str = "adding") -> dict[str, Any]:
    """Return a workflow of one call of the local service `sums`."""
    call = {
        "id": "add",
        "type": "service",
        "service_name": "sums",
        "method": "add",
        "input": {"a": "${vars.a}", "b": 2},
    }
    return {"id": workflow, "steps": [call], "variables": {"a": 1}}


def failing_definition(workflow: str = "failing") -> dict[str, Any]:
    """Return a workflow whose only call is of a service that is not there."""
    call = {"id": "call", "type": "service", "service_name": "nowhere", "method": "m", "retry": {"max_attempts": 1}}
    return {"id": workflow, "steps": [call]}

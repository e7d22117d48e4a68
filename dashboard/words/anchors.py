"""Ids of elements: the same in the page, in its links and in the frames that change it."""

from __future__ import annotations


def step_anchor(path: str) -> str:
    """Return the id of a step's row. An iteration's number cannot be mistaken for a step: ids start with a letter."""
    return "step-" + path.replace("[", ".").replace("]", "")


def node_anchor(path: str) -> str:
    """Return the id of a step's box in the graph."""
    return f"node-{path}"


def line_anchor(number: int) -> str:
    """Return the id of an arrow in the graph."""
    return f"line-{number}"


def event_anchor(seq: int) -> str:
    """Return the id of a journal entry's row."""
    return f"event-{seq}"


def execution_anchor(execution_id: str) -> str:
    """Return the id of an execution's row."""
    return f"execution-{execution_id}"

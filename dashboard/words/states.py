"""Every state as people see it: a shape, a word, and one of five hues. Colour is never the only sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """How a state looks: `icon` is a symbol of the sprite, `hue` one of the five, `rank` its weight in a summary."""

    icon: str
    word: str
    hue: str
    rank: int = 0


LOOKS: Mapping[str, Look] = {
    "pending": Look("pending", "Pending", "neutral", 1),
    "running": Look("running", "Running", "running", 5),
    "paused": Look("paused", "Paused", "attention", 6),
    "retrying": Look("retrying", "Retrying", "attention", 6),
    "waiting": Look("waiting", "Waiting", "neutral", 4),
    "completed": Look("completed", "Completed", "good", 2),
    "failed": Look("failed", "Failed", "bad", 9),
    "skipped": Look("skipped", "Skipped", "neutral", 0),
    "cancelled": Look("cancelled", "Cancelled", "neutral", 3),
    "compensating": Look("compensating", "Compensating", "attention", 7),
    "compensated": Look("compensated", "Compensated", "neutral", 3),
    "compensation_failed": Look("compensation_failed", "Compensation failed", "bad", 10),
    "quarantined": Look("compensation_failed", "Quarantined", "bad", 8),
    "stuck": Look("compensation_failed", "Stuck", "bad", 11),
    "healthy": Look("completed", "Healthy", "good", 1),
    "unhealthy": Look("failed", "Unhealthy", "bad", 9),
    "unknown": Look("unknown", "Unknown", "neutral", 3),
    "active": Look("running", "Active", "neutral", 1),
    "inactive": Look("pending", "Inactive", "neutral", 2),
    "draining": Look("skipped", "Draining", "attention", 4),
}

EXECUTION_STATES = (
    "pending",
    "running",
    "paused",
    "compensating",
    "completed",
    "failed",
    "cancelled",
    "compensation_failed",
)
"""The states of an execution in the order of the strip above the list."""

ENDED = frozenset({"completed", "failed", "cancelled", "compensation_failed"})
UNHAPPY = ("failed", "compensation_failed", "paused")
"""The states that somebody should look at."""


def look(state: str) -> Look:
    """Return how `state` looks; a state that nobody knows yet is shown by its own name."""
    known = LOOKS.get(state)
    return known or Look("unknown", state.replace("_", " ").capitalize() or "Unknown", "neutral")


def heaviest(states: Mapping[str, int]) -> str:
    """Return the state that a summary of `states` (state -> how many) should wear."""
    present = [state for state, count in states.items() if count]
    return max(present, key=lambda state: look(state).rank, default="pending")

"""Effects: what a run asks to be done outside, one module per kind, behind one small interface.

An effect is a coroutine function of a command, its origin and the tools; it returns the fact that answers the command,
or None where the answer comes another way (a child's end comes through the inbox). It may be cancelled at any await and
leaves nothing behind then. It never raises for what may happen to a call: that is a Failed fact. It writes no journal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from orchestration.domain.commands import StartAttempt, StartChild
from orchestration.domain.facts import Fact
from orchestration.engine.effects import notification, service, subflow
from orchestration.engine.effects.tools import Origin, Tools

Effect = Callable[[Any, Origin, Tools], Awaitable[Fact | None]]


@dataclass(frozen=True, slots=True)
class Effects:
    """The effects of one shift."""

    tools: Tools

    def of(self, command: StartAttempt | StartChild) -> Effect:
        """Return the effect that carries the command out."""
        if isinstance(command, StartChild):
            return subflow.start_child
        if command.purpose == "notification":
            return notification.notify
        return service.call_service


__all__ = ["Effect", "Effects", "Origin", "Tools"]

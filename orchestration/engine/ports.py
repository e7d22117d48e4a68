"""A shift's ways out of its process: the database, the doorbell, the heartbeat, services, and the time.

The engine reaches all of them through here, so that a simulation can run the very same code in a world of its own
(management/dst).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from orchestration.domain.limits import Defaults
from orchestration.engine.store import Store
from orchestration.registry.calls import Outcome, ServiceCall

if TYPE_CHECKING:
    from orchestration.engine.doorbell import Bell


class Clock(Protocol):
    """What a process knows of the time; the module `orchestration.clock` is one."""

    def now_us(self) -> int:
        """Return the instant now, by the machine's clock (microseconds)."""

    def monotonic(self) -> float:
        """Return seconds of a clock that nobody sets."""


class Beat(Protocol):
    """What renews a lease."""

    def beat(self) -> bool:
        """Renew the lease; False if the shift is not awake any more."""

    def close(self) -> None:
        """Let go of the connection."""


class Heart(Protocol):
    """What keeps a shift alive, beside the shift's loop."""

    def start(self) -> None:
        """Start beating."""

    def stop(self) -> None:
        """Stop beating. May take seconds: not to be called on the loop."""


class Client(Protocol):
    """The one way to call a service."""

    async def call(self, call: ServiceCall) -> Outcome:
        """Make the call and return what came of it."""

    async def post(self, url: str, call: ServiceCall) -> Outcome:
        """Post the call's input to an address."""

    async def timeouts(self, team_id: int) -> Mapping[str, int]:
        """Return the timeouts of the team's services whose policies have one: microseconds by name, kept up to date."""

    async def close(self) -> None:
        """Close every connection."""


@dataclass(frozen=True, slots=True)
class Ports:
    """All of them. What is opened belongs to the loop that it is opened on."""

    podium: Any
    defaults: Callable[[], Defaults]
    store: Store
    clock: Clock
    open_client: Callable[[], Client]
    open_bell: Callable[[Callable[[str], None]], Awaitable[Bell]]
    open_heart: Callable[[int, Callable[[], None], Callable[[], int] | None], Heart]
    call_for_help: Callable[[], Coroutine[Any, Any, None]]

"""A client that first asks the scenario whether a call may be made: what a script postpones never reaches a service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestration.engine.ports import Client, Ports
from orchestration.engine.real_ports import open_ports
from orchestration.registry.calls import Outcome, ServiceCall

from .stage import Stage


class Turnstile:
    """Stands before the engine's client; `stages` are the scenarios being played, by team."""

    def __init__(self, client: Client, stages: Mapping[int, Stage]) -> None:
        self._client = client
        self._stages = stages

    async def call(self, call: ServiceCall) -> Outcome:
        """Make the call, if its scenario lets it be made."""
        stage = self._stages.get(call.team_id)
        postponed = None if stage is None else stage.turned_away(call)
        return postponed or await self._client.call(call)

    async def post(self, url: str, call: ServiceCall) -> Outcome:
        """Post the call's input to an address."""
        return await self._client.post(url, call)

    async def timeouts(self, team_id: int) -> Mapping[str, int]:
        """Return the timeouts that the policies of the team's services give."""
        return await self._client.timeouts(team_id)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()


def ports_with_turnstile(podium: Any, stages: Mapping[int, Stage]) -> Ports:
    """Return the real ports of a shift, with a turnstile before its client."""
    ports = open_ports(podium)
    return replace(ports, open_client=lambda: Turnstile(ports.open_client(), stages))

"""What a run is made of: the graph of its revision, its team's secrets (kept for a moment), its services' timeouts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import orjson

from orchestration.domain.graph import Graph
from orchestration.domain.limits import Defaults
from orchestration.domain.run import Run
from orchestration.engine.graphs import find_graph, graph_of
from orchestration.engine.ports import Client
from orchestration.engine.secrets import unseal
from orchestration.engine.store import Claimed, Store

SECRETS_SECONDS = 2.0


class Materials:
    """Makes the runs of one shift."""

    def __init__(self, store: Store, podium: Any, defaults: Callable[[], Defaults], client: Client) -> None:
        self._store = store
        self._podium = podium
        self._defaults = defaults
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._secrets: dict[int, tuple[float, dict[str, str]]] = {}

    async def run_of(self, row: Claimed) -> Run:
        """Return a run of the execution with nothing folded yet. Raises what the store and the definition raise."""
        return Run(
            await self._graph(row.revision_id),
            execution_id=row.id,
            revision=row.revision,
            input=orjson.loads(row.input),
            secrets=await self._secrets_of(row.team_id),
            depth=row.depth,
            limits=self._podium.limits,
            defaults=self._defaults(),
            service_timeouts=await self._client.timeouts(row.team_id),
        )

    async def _graph(self, revision_id: int) -> Graph:
        graph = find_graph(revision_id)
        return graph or graph_of(revision_id, await self._store.document(revision_id))

    async def _secrets_of(self, team_id: int) -> dict[str, str]:
        now = self._loop.time()
        kept = self._secrets.get(team_id)
        if kept is None or now - kept[0] > SECRETS_SECONDS:
            sealed = await self._store.secrets(team_id)
            kept = (now, {name: unseal(value) for name, value in sealed.items()})
            self._secrets[team_id] = kept
        return kept[1]

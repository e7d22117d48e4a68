"""What the registry's tests stand on: real servers on free ports, and clients that find them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings

from orchestration.domain.calling.policy import DEFAULT_POLICY, ServicePolicy
from orchestration.registry.client import ServiceClient
from orchestration.registry.discovery import Discovery, Endpoint, Key, Registered

from .servers import Handler, RawServer, Service

SERVICE = "inventory"
TEAM = 1


class Directory:
    """Instances by service, kept in memory: what a discovery reads instead of the database."""

    def __init__(self) -> None:
        self.known: dict[Key, Registered] = {}
        self.reads = 0

    def put(
        self,
        *urls: str,
        service: str = SERVICE,
        team_id: int = TEAM,
        policy: ServicePolicy = DEFAULT_POLICY,
        team: str = "team",
    ) -> None:
        endpoints = tuple(
            Endpoint(f"i-{number}", url.partition(":")[0], url, "active", "healthy")
            for number, url in enumerate(urls, start=1)
        )
        self.known[Key(team_id, service)] = Registered(endpoints, policy, team=team)

    async def load(self, key: Key) -> Registered | None:
        self.reads += 1
        return self.known.get(key)


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
async def make_client(directory: Directory) -> AsyncIterator[Callable[..., ServiceClient]]:
    """Return a maker of clients that ask the directory; settings may be given by name."""
    async with AsyncExitStack() as stack:

        def make(**changes: Any) -> ServiceClient:
            podium = replace(settings.PODIUM, **changes)
            client = ServiceClient(podium=podium, discovery=Discovery(load=directory.load, keep_seconds=1))
            stack.push_async_callback(client.close)
            return client

        yield make


@pytest.fixture
async def client(make_client: Callable[..., ServiceClient]) -> ServiceClient:
    return make_client()


@pytest.fixture
async def serve(directory: Directory) -> AsyncIterator[Callable[..., Awaitable[Service]]]:
    """Start an HTTP service that answers with `handler`, and put it into the directory."""
    async with AsyncExitStack() as stack:

        async def start(handler: Handler) -> Service:
            service = await stack.enter_async_context(Service(handler))
            directory.put(service.url)
            return service

        yield start


@pytest.fixture
async def serve_raw(directory: Directory) -> AsyncIterator[Callable[..., Awaitable[RawServer]]]:
    """Start a server that speaks what `handler` writes to the socket, and put it into the directory."""
    async with AsyncExitStack() as stack:

        async def start(handler: Any) -> RawServer:
            server = await stack.enter_async_context(RawServer(handler))
            directory.put(server.url)
            return server

        yield start

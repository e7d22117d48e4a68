"""Where sockets may be opened: every answer of a name is looked at, and what was looked at is what is called."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from orchestration.registry.addresses import OutboundPolicy
from orchestration.registry.client import CallFailed, Reply, ServiceCall
from orchestration.registry.resolving import CheckingResolver, ForbiddenAddress, resolves_to_permitted

from .conftest import SERVICE, TEAM
from .servers import answer

CALL = ServiceCall(team_id=TEAM, service=SERVICE, method="reserve", timeout=5_000_000)
LOOPBACK = OutboundPolicy(("loopback",))
PUBLIC = OutboundPolicy(("public",))


class Names:
    """A resolver of names that answers by a list, one entry per question, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        kinds = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(kinds[":" in each], socket.SOCK_STREAM, 6, "", (each, port)) for each in found]


@pytest.fixture
async def use_names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Names]:
    """Let the running loop resolve names by a list."""

    def use(*answers: list[str]) -> Names:
        names = Names(*answers)
        loop = asyncio.get_running_loop()
        if type(loop).__module__.startswith("uvloop"):
            pytest.skip("uvloop's methods cannot be replaced")
        monkeypatch.setattr(loop, "getaddrinfo", names.getaddrinfo)
        return names

    return use


async def code_of(client, call: ServiceCall = CALL) -> str:
    outcome = await client.call(call)
    assert isinstance(outcome, CallFailed), outcome
    return outcome.error.code


async def test_it_calls_loopback_where_that_is_allowed(make_client, serve):
    await serve(answer({}))
    assert await make_client(outbound_allow=("loopback",)).call(CALL) == Reply({})


async def test_it_does_not_call_loopback_where_that_is_not_allowed(make_client, serve):
    service = await serve(answer({}))
    client = make_client(outbound_allow=("public",))
    assert await code_of(client) == "denied"
    assert service.requests == []


async def test_it_does_not_call_a_name_that_resolves_to_loopback(make_client, serve, directory, use_names):
    service = await serve(answer({}))
    use_names(["127.0.0.1"])
    directory.put(f"http://shop.example:{service.port}")
    assert await code_of(make_client(outbound_allow=("public",))) == "denied"
    assert service.requests == []


async def test_it_calls_a_name_by_the_address_that_was_checked(make_client, serve, directory, use_names):
    service = await serve(answer({}))
    names = use_names(["127.0.0.1"], ["169.254.169.254"])
    directory.put(f"http://shop.example:{service.port}")
    client = make_client(outbound_allow=("loopback",))
    assert await client.call(CALL) == Reply({})
    assert service.requests[0][0].headers["Host"] == f"shop.example:{service.port}"
    assert await client.call(CALL) == Reply({})
    assert names.asked == ["shop.example"]


async def test_it_refuses_a_name_with_one_forbidden_answer(use_names):
    use_names(["127.0.0.1", "10.0.0.1"])
    with pytest.raises(ForbiddenAddress):
        await CheckingResolver(LOOPBACK).resolve("shop.example", 80)


async def test_it_refuses_a_metadata_name_before_it_is_resolved(use_names):
    names = use_names(["127.0.0.1"])
    with pytest.raises(ForbiddenAddress):
        await CheckingResolver(LOOPBACK).resolve("metadata.google.internal", 80)
    assert names.asked == []


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "0.0.0.0"])
async def test_it_never_calls_metadata(make_client, directory, host: str):
    directory.put(f"http://{host}:8080")
    client = make_client(outbound_allow=("loopback", "private", "link-local", "public", "0.0.0.0/0"))
    assert await code_of(client) == "denied"


async def test_it_says_when_a_name_has_no_address(client, directory):
    directory.put("http://nobody.invalid:8080")
    assert await code_of(client) == "connection"


def test_it_tells_at_registration_what_can_be_known_then():
    assert resolves_to_permitted("localhost", policy=LOOPBACK, timeout=5)
    assert not resolves_to_permitted("localhost", policy=PUBLIC, timeout=5)
    assert not resolves_to_permitted("127.0.0.1", policy=PUBLIC, timeout=5)
    assert resolves_to_permitted("nobody.invalid", policy=PUBLIC, timeout=5)

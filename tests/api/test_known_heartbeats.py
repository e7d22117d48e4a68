"""Heartbeats that are answered before the site: only those about which nothing is in doubt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator

from orchestration import clock
from orchestration.api.known_heartbeats import LET_IN, KnownHeartbeats
from orchestration.registry import heartbeats, operations
from orchestration.teams import operations as teams

pytestmark = pytest.mark.django_db(transaction=True)
KEY = b"Bearer let-in-a-moment-ago"


@pytest.fixture(autouse=True)
def _rests(transactional_db: None) -> Iterator[None]:
    heartbeats.EAR.rest()
    LET_IN._known.clear()
    yield
    heartbeats.EAR.rest()


async def site(scope: Any, receive: Any, send: Any) -> None:
    """Stand for the whole site: say that it was asked."""
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"the site"})


@sync_to_async
def met(team_id: int | None = None) -> tuple[int, str]:
    """Return a team and an instance of it that is known here."""
    team_id = team_id or teams.default_team().id
    instance = operations.register(team_id=team_id, name="inventory", address="http://127.0.0.1:9000", ttl=90).id
    heartbeats.hear(team_id=team_id, instance_id=instance)
    return team_id, instance


async def ask(instance: str, *, key: bytes = KEY, method: str = "PUT", **changes: Any) -> tuple[int, bytes]:
    headers = [(b"authorization", key), *changes.pop("headers", [])]
    path = changes.pop("path", f"/api/v1/services/{instance}/heartbeat")
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers, "scheme": "http"}
    call = ApplicationCommunicator(KnownHeartbeats(site), {**scope, **changes})
    status = (await call.receive_output(5))["status"]
    return status, (await call.receive_output(5))["body"]


def let_in(team_id: int, key: bytes = KEY) -> None:
    LET_IN.remember(key.decode(), team_id=team_id, rate_key=f"{team_id}/test")


async def test_it_answers_a_known_caller_of_a_known_instance():
    team_id, instance = await met()
    let_in(team_id)
    status, body = await ask(instance)
    assert (status, json.loads(body)) == (200, {"id": instance, "status": "active", "ttl": 90.0})


async def test_everything_else_goes_the_whole_way():
    team_id, instance = await met()
    assert (await ask(instance))[0] == 299
    let_in(team_id)
    assert (await ask(instance, key=b"Bearer another"))[0] == 299
    assert (await ask(instance, method="GET"))[0] == 299
    assert (await ask(instance, query_string=b"a=1"))[0] == 299
    assert (await ask(instance, headers=[(b"content-length", b"2")]))[0] == 299
    assert (await ask(instance, headers=[(b"transfer-encoding", b"chunked")]))[0] == 299
    assert (await ask(instance, path=f"/api/v1/services/{instance.upper()}/heartbeat"))[0] == 299
    assert (await ask("00000000-0000-4000-8000-000000000000"))[0] == 299
    assert (await ask(instance))[0] == 200


async def test_another_teams_caller_goes_the_whole_way():
    _, instance = await met()
    other = await sync_to_async(teams.create_team)(slug="others")
    let_in(other.id)
    assert (await ask(instance))[0] == 299


async def test_whoever_was_let_in_a_while_ago_shows_the_key_again(monkeypatch):
    team_id, instance = await met()
    let_in(team_id)
    later = clock.monotonic() + 11
    monkeypatch.setattr(clock, "monotonic", lambda: later)
    assert (await ask(instance))[0] == 299


async def test_one_that_is_gone_is_not_answered_here():
    team_id, instance = await met()
    let_in(team_id)
    await sync_to_async(operations.deregister)(team_id=team_id, instance_id=instance)
    assert (await ask(instance))[0] == 299


async def test_whoever_asks_too_often_is_refused_by_the_site(settings):
    team_id, instance = await met()
    let_in(team_id, b"Bearer too often")
    settings.PODIUM = replace(settings.PODIUM, api_heartbeat_rate=0.001, api_heartbeat_burst=1)
    LET_IN.remember("Bearer too often", team_id=team_id, rate_key="too often")
    assert [(await ask(instance, key=b"Bearer too often"))[0] for _ in range(2)] == [200, 299]


async def test_heartbeats_do_not_count_with_other_requests(settings):
    team_id, instance = await met()
    let_in(team_id, b"Bearer busy")
    settings.PODIUM = replace(settings.PODIUM, api_rate=0.001, api_burst=1)
    LET_IN.remember("Bearer busy", team_id=team_id, rate_key="busy")
    assert [(await ask(instance, key=b"Bearer busy"))[0] for _ in range(5)] == [200] * 5


async def test_what_has_to_go_to_https_first_is_not_answered_here(settings):
    team_id, instance = await met()
    let_in(team_id)
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert (await ask(instance))[0] == 299
    assert (await ask(instance, scheme="https"))[0] == 200
    assert (await ask(instance, headers=[(b"x-forwarded-proto", b"https")]))[0] == 200

"""The socket: who may open it, what it follows, and that it bears whatever is said to it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser

from dashboard import consumers
from dashboard.consumers import LiveConsumer
from orchestration.engine import operations
from orchestration.teams import operations as teams
from tests.dashboard import fakes
from tests.dashboard.conftest import person, started

pytestmark = pytest.mark.django_db(transaction=True)
HOST = b"podium.example:8000"
PATIENCE = 10


class Socket:
    """One open socket, as a page has it."""

    def __init__(self, communicator: WebsocketCommunicator) -> None:
        self._communicator = communicator
        self.shown: dict[str, str] = {}
        self.version = ""

    async def say(self, **message: Any) -> None:
        """Send a message."""
        await self._communicator.send_to(text_data=orjson.dumps(message).decode())

    async def hear(self) -> dict[str, Any]:
        """Return the next message; a frame is taken in and acknowledged."""
        answer = await self._communicator.receive_output(PATIENCE)
        if answer["type"] == "websocket.close":
            return {"type": "close", "code": answer["code"]}
        message: dict[str, Any] = orjson.loads(answer["text"])
        if message["type"] == "frame":
            self.shown.update({id: html for id, html, _ in message["parts"]})
            self.version = message["version"] or self.version
            await self.say(type="ack", n=message["n"])
        return message

    async def until(self, id: str, text: str) -> None:
        """Hear frames until an element shows a text."""
        while text not in self.shown.get(id, ""):
            assert (await self.hear())["type"] in {"frame", "following", "beat"}

    async def follow(self, view: str, args: dict[str, Any] | None = None, **have: Any) -> dict[str, Any]:
        """Follow a view; return the first answer."""
        await self.say(type="follow", view=view, args=args or {}, have=have)
        return await self.hear()


def _communicator(user: Any, origin: bytes = b"http://" + HOST) -> WebsocketCommunicator:
    headers = [(b"host", HOST), (b"origin", origin)] if origin else [(b"host", HOST)]
    communicator = WebsocketCommunicator(LiveConsumer.as_asgi(), "/ws/live", headers=headers)
    communicator.scope["user"] = user
    return communicator


@asynccontextmanager
async def _open(user: Any) -> AsyncIterator[Socket]:
    communicator = _communicator(user)
    connected, _ = await communicator.connect(PATIENCE)
    assert connected
    try:
        yield Socket(communicator)
    finally:
        await communicator.disconnect(timeout=PATIENCE)


@pytest.fixture
def user(team_id: int) -> Any:
    """Return somebody of the team."""
    return person(team_id, "operator")


@pytest.fixture
def execution_id(team_id: int, order: str) -> str:
    """Return an execution of the order that waits for a worker."""
    return started(team_id, order, order_id="1", items=[], total_amount=1)


async def test_it_shows_an_execution_and_what_becomes_of_it(team_id: int, echo: str, user: Any, shift: None):
    execution_id = await sync_to_async(started)(team_id, echo, text="hello")
    async with _open(user) as socket:
        assert (await socket.follow("execution", {"id": execution_id}))["type"] == "following"
        await socket.until("step-gate", "Waiting")
        assert "Completed" in socket.shown["step-first"]
        assert "gate waits for a signal" in socket.shown["banners"]
        fact = operations.Signal("go", fakes.HOSTILE)
        await sync_to_async(operations.act)(team_id=team_id, execution_id=execution_id, fact=fact)
        await socket.until("step-last", "Completed")
        await socket.until("head", "Completed")
        assert "state-completed" in socket.shown["node-last"]
        assert not [html for html in socket.shown.values() if "<script" in html or "<img" in html]


async def test_it_misses_nothing_between_the_page_and_the_socket(team_id: int, echo: str, user: Any, shift: None):
    execution_id = await sync_to_async(started)(team_id, echo, text="hello")
    async with _open(user) as early, _open(user) as late:
        await early.follow("execution", {"id": execution_id}, seq=0)
        await early.until("step-gate", "Waiting")
        # A page that was rendered before anything had happened, and whose socket opens only now.
        await late.follow("execution", {"id": execution_id}, seq=0)
        await late.until("step-gate", "Waiting")
        assert "Completed" in late.shown["step-first"]


async def test_it_rests_and_comes_back_with_what_changed(team_id: int, echo: str, user: Any, shift: None):
    execution_id = await sync_to_async(started)(team_id, echo, text="hello")
    async with _open(user) as socket, _open(user) as other:
        await other.follow("execution", {"id": execution_id})
        await socket.follow("execution", {"id": execution_id})
        await socket.until("step-gate", "Waiting")
        await other.until("step-gate", "Waiting")
        await socket.say(type="rest")
        fact = operations.Signal("go")
        await sync_to_async(operations.act)(team_id=team_id, execution_id=execution_id, fact=fact)
        await other.until("head", "Completed")
        socket.shown.clear()
        await socket.follow("execution", {"id": execution_id}, version=socket.version)
        await socket.until("head", "Completed")
        assert "step-last" in socket.shown
        assert "line-0" not in socket.shown


async def test_it_changes_rows_in_place_and_counts_arrivals(team_id: int, order: str, execution_id: str, user: Any):
    async with _open(user) as socket:
        await socket.follow("executions", {"query": "", "oldest": 0, "strip": True}, rows={execution_id: 0})
        await socket.until("strip", "<b>1</b>")
        assert "hidden" in socket.shown["arrivals"]
        assert f"execution-{execution_id}" not in socket.shown
        for count in (1, 2):
            await sync_to_async(started)(team_id, order, order_id="2", items=[], total_amount=1)
            await socket.until("arrivals", f"{count} new")
        await socket.until("strip", "<b>3</b>")
        assert f"execution-{execution_id}" not in socket.shown


async def test_it_counts_only_what_the_filter_lets_through(
    team_id: int, order: str, echo: str, execution_id: str, user: Any
):
    async with _open(user) as socket:
        await socket.follow("executions", {"query": "workflow=echo", "oldest": 0})
        await socket.until("arrivals", "hidden")
        await sync_to_async(started)(team_id, order, order_id="2", items=[], total_amount=1)
        await sync_to_async(started)(team_id, echo, text="a")
        await socket.until("arrivals", "1 new")


async def test_it_replaces_the_row_of_an_execution_that_left_the_filter(
    team_id: int, execution_id: str, user: Any, shift: None
):
    async with _open(user) as socket:
        args = {"query": "status=pending", "oldest": 0}
        await socket.follow("executions", args, rows={execution_id: 0})
        # Its services are not there: it fails, and its row stays where it is and says so.
        await socket.until(f"execution-{execution_id}", "Failed")


async def test_it_shows_the_first_page_and_the_services(team_id: int, execution_id: str, user: Any):
    async with _open(user) as socket:
        await socket.follow("now")
        await socket.until("sentence", "1 waiting for a place")
        await socket.follow("services")
        assert (await socket.hear())["type"] == "frame"


async def test_it_keeps_other_teams_out(team_id: int, execution_id: str):
    others = await sync_to_async(teams.create_team)(slug="others")
    stranger = await sync_to_async(person)(others.id, "stranger")
    async with _open(stranger) as socket:
        answer = await socket.follow("execution", {"id": execution_id})
        assert (answer["type"], answer["code"]) == ("refused", "not_found")
        await socket.follow("executions", {"query": "", "strip": True}, rows={execution_id: -1})
        await socket.until("strip", "<b>0</b>")
        assert f"execution-{execution_id}" not in socket.shown
        await socket.follow("now")
        await socket.until("sentence", "Nothing has run yet.")


@pytest.mark.parametrize("origin", [b"", b"http://evil.example", b"http://podium.example:9000", b"null"])
async def test_it_opens_for_its_own_pages_only(user: Any, origin: bytes):
    communicator = _communicator(user, origin)
    connected, _ = await communicator.connect(PATIENCE)
    assert not connected


async def test_it_lets_nobody_in_without_a_login_or_a_team(db: None, django_user_model: Any):
    teamless = await sync_to_async(django_user_model.objects.create_user)(username="nobody")
    for user, code in ((AnonymousUser(), consumers.LOG_IN), (teamless, consumers.NO_TEAM)):
        communicator = _communicator(user)
        await communicator.connect(PATIENCE)
        assert await Socket(communicator).hear() == {"type": "close", "code": code}
        await communicator.disconnect()


@pytest.mark.parametrize(
    "message",
    [
        {"view": "secrets", "args": {}},
        {"view": "execution", "args": {}},
        {"view": "execution", "args": {"id": "../../etc"}},
        {"view": "execution", "args": {"id": 5}},
        {"view": "execution", "args": [1]},
        {"view": "executions", "args": {"oldest": "x"}},
        {"view": "executions", "args": {}, "have": {"rows": {"x": 1}}},
        {"view": "executions", "args": {}, "have": {"rows": [1]}},
        {"view": "now", "args": {}, "have": {"seq": "x"}},
        {"view": None, "args": None},
    ],
)
async def test_it_refuses_what_it_cannot_follow_and_stays_open(user: Any, message: dict[str, Any]):
    async with _open(user) as socket:
        await socket.say(type="follow", **message)
        assert (await socket.hear())["type"] == "refused"
        assert (await socket.follow("now"))["type"] == "following"


@pytest.mark.parametrize("text", ["{", "[]", "5", '{"type": "explode"}', '{"no": "type"}', '{"type": []}'])
async def test_it_closes_on_what_is_no_message(user: Any, text: str):
    communicator = _communicator(user)
    await communicator.connect(PATIENCE)
    await communicator.send_to(text_data=text)
    assert await Socket(communicator).hear() == {"type": "close", "code": consumers.NOT_UNDERSTOOD}
    await communicator.disconnect()


async def test_it_closes_on_too_long_and_too_many_messages(user: Any):
    for texts in (["x" * (consumers.MESSAGE_BYTES + 1)], ['{"type": "ack"}'] * (2 * consumers.MESSAGES_A_SECOND + 2)):
        communicator = _communicator(user)
        await communicator.connect(PATIENCE)
        for text in texts:
            await communicator.send_to(text_data=text)
        assert await Socket(communicator).hear() == {"type": "close", "code": consumers.TOO_MUCH}
        await communicator.disconnect()


async def test_it_sends_a_page_that_does_not_keep_up_no_more_than_a_few_frames(team_id: int, order: str, user: Any):
    async with _open(user) as socket:
        await socket.say(type="follow", view="executions", args={"query": "", "oldest": 0, "strip": True}, have={})
        for _ in range(12):
            await sync_to_async(started)(team_id, order, order_id="2", items=[], total_amount=1)
        quiet = 0
        heard: list[dict[str, Any]] = []
        while quiet < 3:
            if await socket._communicator.receive_nothing(0.4, 0.05):
                quiet += 1
                continue
            heard.append(orjson.loads((await socket._communicator.receive_output(1))["text"]))
        frames = [message for message in heard if message["type"] == "frame"]
        assert len(frames) <= consumers.WINDOW
        await socket.say(type="ack", n=frames[-1]["n"])
        await sync_to_async(started)(team_id, order, order_id="2", items=[], total_amount=1)
        await socket.until("arrivals", "13 new")


async def test_it_counts_open_sockets_and_lets_them_go(user: Any):
    before = LiveConsumer.open_sockets
    async with _open(user) as socket:
        await socket.follow("now")
        assert LiveConsumer.open_sockets == before + 1
    assert LiveConsumer.open_sockets == before


async def test_it_does_not_take_an_unknown_execution_for_one(user: Any):
    async with _open(user) as socket:
        assert (await socket.follow("execution", {"id": str(uuid.uuid4())}))["code"] == "not_found"

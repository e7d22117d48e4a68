"""The one socket: a page says what it shows and how far it is, and is told what changed since.

From the page: `{"type": "follow", "view", "args", "have"}`, `{"type": "rest"}` (hidden or paused: nothing is wanted),
`{"type": "ack", "n"}` (frame n is on the screen). To the page: `following`, `frame` (n, parts, orders, version, seq,
now), `beat` (now, fresh), `refused` (code, message).

Frames are at most one per interval, and at most WINDOW of them are on their way: a browser that cannot keep up is sent
less often and merged more, in bounded memory; one that says nothing at all is let go. Whoever may no longer look is
let go within LOOKED_AT_SECONDS.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import urlsplit

import orjson
from channels.auth import get_user
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from dashboard.live.feed import feed, in_thread
from dashboard.live.following import Wish, wish_of
from dashboard.live.frames import Frame
from dashboard.live.outbox import Outbox
from dashboard.people import Viewer, viewer_of
from orchestration import clock
from orchestration.domain.errors import OrchestrationError, Refused

MESSAGE_BYTES = 16 * 1024
MESSAGES_A_SECOND = 30
SOCKETS = 1_000
WINDOW = 3
BEAT_SECONDS = 10.0
SILENCE_SECONDS = 40.0
LOOKED_AT_SECONDS = 60.0

LOG_IN, NO_TEAM, TOO_MANY, TOO_SLOW, TOO_MUCH, NOT_UNDERSTOOD = 4401, 4403, 4429, 4408, 4413, 4400


class LiveConsumer(AsyncWebsocketConsumer):
    """One page that is open somewhere."""

    open_sockets: ClassVar[int] = 0

    async def connect(self) -> None:
        """Let people of a team in, from the site's own pages."""
        self._counted = False
        self._tasks: list[asyncio.Task[None]] = []
        if not same_origin(self.scope):
            await self.close()
            return
        await self.accept()
        viewer = await in_thread(lambda: viewer_of(self.scope["user"]))
        if viewer is None:
            await self.close(LOG_IN if not self.scope["user"].is_authenticated else NO_TEAM)
            return
        if LiveConsumer.open_sockets >= SOCKETS:
            await self.close(TOO_MANY)
            return
        LiveConsumer.open_sockets += 1
        self._counted = True
        self._viewer: Viewer = viewer
        self._outbox = Outbox()
        self._wish: Wish | None = None
        self._something = asyncio.Event()
        self._sent = self._acked = 0
        self._heard_at = clock.monotonic()
        self._second, self._in_second = 0, 0
        self._tasks = [asyncio.create_task(self._send_frames()), asyncio.create_task(self._keep_watch())]

    async def disconnect(self, code: int) -> None:
        """Let go of everything."""
        feed().leave(self)
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        if self._counted:
            LiveConsumer.open_sockets -= 1
            self._counted = False

    def offer(self, frame: Frame) -> None:
        """Take in what changed; it is sent as soon as the page can take it."""
        self._outbox.put(frame)
        self._something.set()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Do what the page says."""
        if not self._tasks:
            return
        if text_data is None or len(text_data) > MESSAGE_BYTES or self._too_often():
            await self.close(TOO_MUCH)
            return
        try:
            message = orjson.loads(text_data)
            kind = message["type"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            await self.close(NOT_UNDERSTOOD)
            return
        self._heard_at = clock.monotonic()
        if kind == "ack":
            self._ack(message.get("n"))
        elif kind == "rest":
            self._rest()
        elif kind == "follow":
            await self._follow(message)
        else:
            await self.close(NOT_UNDERSTOOD)

    def _too_often(self) -> bool:
        second = int(clock.monotonic())
        self._second, self._in_second = second, self._in_second + 1 if second == self._second else 1
        return self._in_second > MESSAGES_A_SECOND

    def _ack(self, number: Any) -> None:
        if isinstance(number, int) and self._acked < number <= self._sent:
            self._acked = number
            self._something.set()

    def _rest(self) -> None:
        feed().leave(self)
        self._wish = None
        self._outbox.clear()
        self._acked = self._sent

    async def _follow(self, message: dict[str, Any]) -> None:
        self._rest()
        arguments, have = message.get("args") or {}, message.get("have") or {}
        try:
            if not isinstance(arguments, dict) or not isinstance(have, dict):
                raise Refused("the view's arguments cannot be read")
            wish = wish_of(self._viewer, str(message.get("view")), arguments, have)
            await in_thread(wish.check)
        except OrchestrationError as error:
            await self._say({"type": "refused", "code": error.code, "message": error.message})
            return
        self._wish = wish
        await self._say({"type": "following", "now": clock.now_us()})
        feed().follow(self, wish)

    async def _send_frames(self) -> None:
        interval = settings.PODIUM.feed_interval_ms / 1000
        while True:
            await self._something.wait()
            self._something.clear()
            while self._outbox and self._sent - self._acked < WINDOW:
                if self._outbox.overflowed and self._wish is not None:
                    self._outbox.clear()
                    feed().follow(self, self._wish.anew())
                    break
                self._sent += 1
                await self._say(_message(self._outbox.take(), self._sent))
                await asyncio.sleep(interval)

    async def _keep_watch(self) -> None:
        looked_at = clock.monotonic()
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            now = clock.monotonic()
            if now - self._heard_at > SILENCE_SECONDS:
                await self.close(TOO_SLOW)
                return
            if now - looked_at > LOOKED_AT_SECONDS:
                looked_at = now
                if not await self._may_still_look():
                    await self.close(LOG_IN)
                    return
            await self._say({"type": "beat", "now": clock.now_us(), "fresh": feed().fresh})

    async def _may_still_look(self) -> bool:
        user = await get_user(self.scope)
        viewer = await in_thread(lambda: viewer_of(user))
        return viewer is not None and viewer.team_id == self._viewer.team_id

    async def _say(self, message: dict[str, Any]) -> None:
        await self.send(text_data=orjson.dumps(message).decode())


def _message(frame: Frame, number: int) -> dict[str, Any]:
    return {
        "type": "frame",
        "n": number,
        "now": clock.now_us(),
        "seq": frame.seq,
        "version": frame.version,
        "parts": [[shown.id, shown.html, int(shown.svg)] for shown in frame.parts.values()],
        "orders": frame.orders,
    }


def same_origin(scope: dict[str, Any]) -> bool:
    """Say whether the page that opens the socket is one of ours: same host and port, or trusted by name."""
    headers = dict(scope["headers"])
    origin = headers.get(b"origin", b"").decode("latin-1")
    host = headers.get(b"host", b"").decode("latin-1")
    return bool(origin) and (urlsplit(origin).netloc == host or origin in settings.CSRF_TRUSTED_ORIGINS)

"""The socket of those who follow services: `/ws/services?after=INDEX&name=SERVICE`.

To the follower: `{"type": "events", "items": [...], "index": N}` as soon as something changed, `{"type": "beat",
"index": N}` while nothing does, `{"type": "gone", "index", "latest"}` where events after `index` are not kept any more:
then it reads the services anew and follows from the index given there. Nothing is expected from it.

Who follows is a person with a session, from a page of this site, or a program with a key in its Authorization header.
Whoever may no longer look is let go within `watch_seconds`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

import orjson
from channels.auth import get_user
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import Error as DatabaseError

from dashboard.consumers import LOG_IN, NOT_UNDERSTOOD, TOO_MANY, same_origin
from dashboard.live.feed import in_thread
from dashboard.people import viewer_of
from orchestration import clock
from orchestration.registry import queries
from orchestration.registry.queries import EventView, IndexGone
from orchestration.registry.watching import PLACES, watch
from orchestration.teams.queries import principal_for_key

BEAT_SECONDS = 15.0
GONE = 4410
INDEX_DIGITS = 16
NAME_LENGTH = 80


class ServiceEventsConsumer(AsyncWebsocketConsumer):
    """One follower."""

    async def connect(self) -> None:
        """Let in whoever may look, and begin to tell."""
        self._task: asyncio.Task[None] | None = None
        self._give_back: Callable[[], None] | None = None
        if self._key() is None and not same_origin(self.scope):
            await self.close()
            return
        await self.accept()
        self._team_id = await self._team(self.scope.get("user"))
        wish = _wish(self.scope["query_string"])
        if self._team_id is None:
            await self.close(LOG_IN)
        elif wish is None:
            await self.close(NOT_UNDERSTOOD)
        else:
            self._give_back = PLACES.take()
            if self._give_back is None:
                await self.close(TOO_MANY)
                return
            self._task = asyncio.create_task(self._tell(*wish))

    async def disconnect(self, code: int) -> None:
        """Let go of everything."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._give_back is not None:
            self._give_back()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Nothing is expected."""
        await self.close(NOT_UNDERSTOOD)

    async def _tell(self, index: int | None, name: str | None) -> None:
        looked_at = clock.monotonic()
        team_id = self._team_id or 0
        try:
            after = await in_thread(queries.latest_index) if index is None else index
            # The first look is at the database, which knows what is not kept any more.
            page = await in_thread(lambda: queries.events_after(team_id=team_id, index=after, name=name))
            while True:
                await self._say("events" if page.items else "beat", page.index, items=page.items)
                if clock.monotonic() - looked_at > settings.PODIUM.watch_seconds:
                    looked_at = clock.monotonic()
                    if await self._team() != team_id:
                        await self.close(LOG_IN)
                        return
                page = await watch().next_page(team_id=team_id, index=page.index, name=name, seconds=BEAT_SECONDS)
        except IndexGone as error:
            document = {"type": "gone", "index": error.details["index"], "latest": error.details["latest"]}
            await self.send(text_data=orjson.dumps(document).decode())
            await self.close(GONE)
        except DatabaseError:
            # It comes again, and goes on from where it was.
            await self.close()

    async def _say(self, kind: str, index: int, *, items: tuple[EventView, ...]) -> None:
        document: dict[str, Any] = {"type": kind, "index": index}
        if items:
            document["items"] = items
        await self.send(text_data=orjson.dumps(document, option=orjson.OPT_UTC_Z).decode())

    def _key(self) -> str | None:
        header = dict(self.scope["headers"]).get(b"authorization")
        if header is None:
            return None
        scheme, _, key = header.decode("latin-1").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""

    async def _team(self, person: Any = None) -> int | None:
        """Return the team that the follower looks for just now, None if it may not; `person` if that is known."""
        key = self._key()
        if key is not None:
            principal = await in_thread(lambda: principal_for_key(key=key))
            return None if principal is None else principal.team_id
        user = person or await get_user(self.scope)
        viewer = await in_thread(lambda: viewer_of(user))
        return None if viewer is None else viewer.team_id


def _wish(query: bytes) -> tuple[int | None, str | None] | None:
    """Return where to follow from and the service to follow; None for what cannot be read."""
    given = parse_qs(query.decode("latin-1"))
    after, name = given.pop("after", [None])[-1], given.pop("name", [None])[-1]
    if given or (name is not None and len(name) > NAME_LENGTH):
        return None
    if after is None:
        return None, name
    if not (after.isascii() and after.isdigit() and len(after) <= INDEX_DIGITS):
        return None
    return int(after), name

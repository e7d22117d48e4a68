"""Following the services: what changed after an index, at once or as soon as something does.

Three ways with one address: an ordinary answer, one that waits (`?wait=`), and server-sent events for whoever accepts
`text/event-stream`. Those that wait hold a place (`registry_watchers` in a process), no thread and no connection.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from pydantic_core import to_json
from rest_framework.request import Request

from orchestration import clock
from orchestration.domain.errors import Overloaded
from orchestration.registry import queries
from orchestration.registry.queries import EventPage, IndexGone
from orchestration.registry.watching import PLACES, watch

from . import afterwards, parameters
from . import registry_shapes as shapes
from .errors import bad_request
from .operation import ApiView, JsonRenderer, operation

log = structlog.get_logger(__name__)

EVENT_STREAM = "text/event-stream"
LAST_EVENT_ID = "Last-Event-ID"
BEAT_SECONDS = 15.0
COME_AGAIN_MS = 1_000
INDEX = re.compile(r"[0-9]{1,16}", re.ASCII)


class WatchServices(ApiView):
    """What changes among the team's services."""

    @operation(
        "Watch services",
        query=(parameters.INDEX, parameters.EVENTS_WAIT, parameters.SERVICE, parameters.page_size(500, 1_000)),
        headers=(
            OpenApiParameter(
                LAST_EVENT_ID,
                {"type": "string", "example": "42"},
                OpenApiParameter.HEADER,
                description="As `after`: where a stream of events broke off.",
            ),
        ),
        answers={200: shapes.ServiceEvents},
        refusals=(410,),
    )
    def get(self, request: Request) -> Any:
        """Return the events after `after`; with `wait` as soon as there is one; to `text/event-stream` all that come.

        The answer's `index` is where to ask on. Events that are not kept any more are refused (410): read the services
        anew, and follow from the index that is given there.
        """
        after, name = self._after(request), self.query["name"]
        page = queries.events_after(team_id=self.team_id, index=after, name=name, limit=self.query["limit"])
        if EVENT_STREAM in request.META.get("HTTP_ACCEPT", ""):
            return self._stream(request, page)
        seconds = self.query["wait"]
        waits = seconds > 0 and not page.items and afterwards.can_continue(request)
        give_back = PLACES.take() if waits else None
        # Where all places are taken it is answered as if the time were up.
        if give_back is None:
            return HttpResponse(_document(page), content_type=JsonRenderer.media_type)
        team_id = self.team_id

        async def later() -> AsyncIterator[bytes]:
            try:
                found = await watch().next_page(team_id=team_id, index=page.index, name=name, seconds=seconds)
            except (IndexGone, DatabaseError):
                found = page
            yield _document(found)

        afterwards.leave(request, later, ended=give_back)
        return HttpResponse(content_type=JsonRenderer.media_type)

    def _after(self, request: Request) -> int:
        last = request.META.get("HTTP_LAST_EVENT_ID")
        if last is not None:
            if not INDEX.fullmatch(last):
                raise bad_request(LAST_EVENT_ID, "header.invalid", "Last-Event-ID is an index that an event had.")
            return int(last)
        after: int | None = self.query["after"]
        return queries.latest_index() if after is None else after

    def _stream(self, request: Request, page: EventPage) -> HttpResponse:
        """Answer with what there is, and go on with what comes, until it is time to show one's key again."""
        answer = HttpResponse(_told(page), content_type=EVENT_STREAM)
        if not afterwards.can_continue(request):
            return answer
        give_back = PLACES.take()
        if give_back is None:
            allowed = settings.PODIUM.registry_watchers
            message = f"{allowed} watchers follow here already"
            raise Overloaded(message, limit="registry_watchers", retry_after=settings.PODIUM.overload_retry_seconds)
        team_id, name = self.team_id, self.query["name"]

        async def later() -> AsyncIterator[bytes]:
            yield f"retry: {COME_AGAIN_MS}\n\n".encode()
            async for each in _pages(team_id, page.index, name):
                yield _told(each)

        afterwards.leave(request, later, ended=give_back)
        return answer


async def _pages(team_id: int, index: int, name: str | None) -> AsyncIterator[EventPage]:
    """Yield what comes, for as long as a stream may last; after that its caller comes again with its key."""
    following, until = watch(), clock.monotonic() + settings.PODIUM.watch_seconds
    while (left := until - clock.monotonic()) > 0:
        try:
            page = await following.next_page(team_id=team_id, index=index, name=name, seconds=min(left, BEAT_SECONDS))
        except (IndexGone, DatabaseError) as error:
            # It comes again, and is told what is the matter.
            log.info("a stream of service events was broken off", error=type(error).__name__)
            return
        index = page.index
        yield page


def _document(page: EventPage) -> bytes:
    return to_json(shapes.ServiceEvents.model_validate(page))


def _told(page: EventPage) -> bytes:
    """Return the events as server-sent events, and after them how far that reaches."""
    parts = [_event(each.index, each.type, shapes.ServiceEvent.model_validate(each)) for each in page.items]
    parts.append(_event(page.index, "index", {"index": page.index}))
    return b"".join(parts)


def _event(index: int, kind: str, data: Any) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (index, kind.encode(), to_json(data))

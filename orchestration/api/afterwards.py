"""Answers that go on after their request has been served.

A view that would have its caller wait answers at once, with status and headers, and leaves a continuation: an
asynchronous iterator of the body's parts. Django's whole machinery ends, its thread and its database connection are
given back, and only then is the iterator run, on the event loop, until it ends or the caller hangs up. So a thousand
callers that wait cost a thousand tasks and not a thousand threads.

`Afterwards` stands round the site as an ASGI application. Where it does not stand (the test client, WSGI), nothing can
be left for later, and `can_continue` says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import aclosing, suppress
from typing import Any

import structlog
from rest_framework.request import Request

log = structlog.get_logger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]
Parts = AsyncIterator[bytes]

_KEY = "podium.afterwards"


def can_continue(request: Request) -> bool:
    """Say whether a continuation that is left with this request is ever run."""
    return _KEY in getattr(request._request, "scope", {})


def leave(request: Request, parts: Callable[[], Parts], *, ended: Callable[[], None]) -> None:
    """Have the body of the request's answer go on with `parts()`; `ended` is called once it is over, come what may."""
    scope: MutableMapping[str, Any] = request._request.scope  # type: ignore[attr-defined]
    scope[_KEY] = (parts, ended)


class Afterwards:
    """The ASGI application that runs what is left for later."""

    def __init__(self, site: Application) -> None:
        self._site = site

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Have the site answer, then go on where it left a continuation."""
        if scope["type"] != "http":
            await self._site(scope, receive, send)
            return
        # The site gets this very mapping, and views leave things in it.
        scope[_KEY] = None
        try:
            await self._site(scope, receive, _held_open(scope, send))
            if scope[_KEY] is not None:
                await _go_on(scope[_KEY][0], receive, send)
        finally:
            if scope[_KEY] is not None:
                scope[_KEY][1]()


def _held_open(scope: MutableMapping[str, Any], send: Send) -> Send:
    async def held(message: Message) -> None:
        if scope[_KEY] is not None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.lower() != b"content-length"]
                message = {**message, "headers": kept}
            elif message["type"] == "http.response.body":
                message = {**message, "more_body": True}
        await send(message)

    return held


async def _go_on(parts: Callable[[], Parts], receive: Receive, send: Send) -> None:
    sending = asyncio.ensure_future(_send_parts(parts, send))
    hanging_up = asyncio.ensure_future(_hung_up(receive))
    try:
        await asyncio.wait({sending, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, hanging_up):
            task.cancel()
        for task in (sending, hanging_up):
            with suppress(asyncio.CancelledError):
                await task


async def _send_parts(parts: Callable[[], Parts], send: Send) -> None:
    try:
        async with aclosing(parts()) as body:  # type: ignore[type-var]
            async for part in body:
                await send({"type": "http.response.body", "body": part, "more_body": True})
    except Exception:
        log.exception("an answer that went on has failed")
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

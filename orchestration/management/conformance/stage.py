"""The services of one scenario in real time: python functions of its team that answer by their script."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from orchestration.domain.limits import MICROSECONDS
from orchestration.registry.calls import Postponed, ServiceCall
from orchestration.registry.local import ACCEPTED, CallContext, ServiceError, register_local, unregister_local

from .record import Call, InFlight
from .scenario import Scenario
from .script import Answer, NoAnswer, Services

CHANNELS = ("email", "webhook", "log")
NOTIFY = "notify"

Post = Callable[[str, dict[str, Any]], Awaitable[None]]


class Stage:
    """Registers the scripted services for a team and notes how they are called. All on one event loop.

    `post(url, result)` posts the result of a call that was taken on. `trouble` is what the script has no answer for.
    """

    def __init__(self, scenario: Scenario, *, team_id: int, post: Post) -> None:
        self.calls: list[Call] = []
        self.trouble: str | None = None
        self._team_id = team_id
        self._post = post
        self._scripted = scenario.services
        self._services = Services(scenario.services)
        self._in_flight = InFlight()
        self._posts: set[asyncio.Task[None]] = set()

    @property
    def most_in_flight(self) -> int:
        """Return the most calls that ran at once; one that was taken on ends with the 202."""
        return self._in_flight.most

    def open(self) -> None:
        """Register every scripted method, and the ways to tell someone."""
        for service, method in self._methods():
            register_local(team_id=self._team_id, name=service, method=method, function=self._function(service, method))

    def turned_away(self, call: ServiceCall) -> Postponed | None:
        """Return why a call may not be made by the script, if it may not."""
        postponed = self._services.postponement(call.service, call.method, call.input)
        return None if postponed is None else Postponed(postponed.reason, postponed.message, postponed.after)

    def close(self) -> None:
        """Take everything back; results that have not been posted are not any more."""
        for service in {service for service, _ in self._methods()}:
            unregister_local(team_id=self._team_id, name=service)
        for task in self._posts:
            task.cancel()

    def _methods(self) -> set[tuple[str, str]]:
        scripted = {(service, method) for service, _, method in (name.rpartition(".") for name in self._scripted)}
        return scripted | {(NOTIFY, channel) for channel in CHANNELS}

    def _function(self, service: str, method: str) -> Callable[[dict[str, Any], CallContext], Awaitable[Any]]:
        async def scripted(given: dict[str, Any], context: CallContext) -> Any:
            return await self._answer(service, method, given, context)

        return scripted

    async def _answer(self, service: str, method: str, given: dict[str, Any], context: CallContext) -> Any:
        try:
            answer = self._services.answer(service, method, given, notification=service == NOTIFY)
        except NoAnswer as error:
            self.trouble = str(error)
            raise ServiceError("no_answer", str(error), retryable=False) from None
        call = object()
        self.calls.append(Call(f"{service}.{method}", given))
        self._in_flight.begin(call)
        try:
            if answer.accepted is not None:
                return await self._take_on(answer, answer.accepted, context.callback)
            if answer.hang:
                await asyncio.Event().wait()
            await asyncio.sleep(answer.after / MICROSECONDS)
            return _say(answer)
        finally:
            self._in_flight.end(call)

    async def _take_on(self, answer: Answer, accepted: int, callback: str | None) -> Any:
        if callback is not None and not answer.hang:
            loop = asyncio.get_running_loop()
            loop.call_later(answer.after / MICROSECONDS, partial(self._begin_post, callback, answer))
        await asyncio.sleep(accepted / MICROSECONDS)
        return None if callback is None else ACCEPTED

    def _begin_post(self, callback: str, answer: Answer) -> None:
        task = asyncio.ensure_future(self._post(callback, _result(answer)))
        self._posts.add(task)
        task.add_done_callback(self._posts.discard)


def _say(answer: Answer) -> Any:
    error = answer.error
    if error is None:
        return answer.value()
    wait = None if error.retry_after is None else error.retry_after / MICROSECONDS
    raise ServiceError(
        error.code, error.message, retryable=error.retryable, retry_after=wait, details=dict(error.details)
    )


def _result(answer: Answer) -> dict[str, Any]:
    error = answer.error
    if error is None:
        return {"output": answer.value()}
    told: dict[str, Any] = {"code": error.code, "message": error.message, "details": dict(error.details)}
    if error.retryable is not None:
        told["retryable"] = error.retryable
    if error.retry_after is not None:
        told["retry_after"] = error.retry_after / MICROSECONDS
    return {"error": told}

"""The farm's HTTP side: `POST /{service}/{method}`, `GET /{service}/health`, and `/__calls` for whoever checks.

A call with a key that has been applied gets the first answer again; one that comes while the first is being worked on
shares its answer; one with the same key and another input is refused (422), since that is a fault of the caller.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from loadtests.farm.behaviour import Asked, Method, Refusal
from loadtests.farm.ledger import ABANDONED, APPLIED, CUT, FAILED, REFUSED, REPLAYED, Call, Effect, Ledger
from loadtests.farm.pipeline import PIPELINE
from loadtests.farm.shop import SHOP

SERVICES: dict[str, dict[str, Method]] = {**SHOP, **PIPELINE}
BODY_BYTES = 1024 * 1024
CALLS_AT_ONCE = 5_000
CALLS_SHOWN = 10_000


class ReplyCut(Exception):
    """The effect is applied, and the caller shall not hear of it."""


@dataclass(slots=True)
class Job:
    """One effect being worked on, for all callers who wait for it."""

    call: Call
    task: asyncio.Task[tuple[int, dict[str, Any]]]
    left: asyncio.Event
    callers: int = 0


@dataclass(slots=True)
class Farm:
    """The services, their record, and what is being worked on. `pace` stretches or shrinks every latency."""

    ledger: Ledger
    pace: float = 1.0
    jobs: dict[Effect, Job] = field(default_factory=dict)
    at_once: int = 0

    async def answer(self, call: Call, method: Method) -> tuple[int, dict[str, Any]]:
        """Return status and body for a call that stands in the ledger.

        Raises ReplyCut where the connection shall be cut, CancelledError where the caller hung up.
        """
        done = self.ledger.applied(call.effect)
        running = self.jobs.get(call.effect) if call.key else None
        before = done or (running.call if running else None)
        if before is not None and before.input_hash != call.input_hash:
            refusal = Refusal(422, "key_reused", f"{call.key} was used for another input before", retryable=False)
            return await self._refuse(call, refusal)
        if done is not None:
            await self.ledger.conclude(call, outcome=REPLAYED, status=200, answer=done.answer)
            return 200, done.answer
        if running is not None:
            return await self._share(call, running)
        return await self._wait(self._start(call, method))

    async def _share(self, call: Call, job: Job) -> tuple[int, dict[str, Any]]:
        status, answer, outcome = 0, None, ABANDONED
        try:
            status, answer = await self._wait(job)
            outcome = REPLAYED
        finally:
            await asyncio.shield(self.ledger.conclude(call, outcome=outcome, status=status, answer=answer))
        return status, answer

    def _start(self, call: Call, method: Method) -> Job:
        left = asyncio.Event()
        job = Job(call, asyncio.create_task(self._work(call, method, left)), left)
        key = call.effect if call.key else ("", "", str(call.number))
        self.jobs[key] = job
        job.task.add_done_callback(lambda task: self._forget(key, task))
        return job

    def _forget(self, key: Effect, task: asyncio.Task[Any]) -> None:
        del self.jobs[key]
        if not task.cancelled():
            task.exception()  # Nobody may have waited for it to the end.

    async def _wait(self, job: Job) -> tuple[int, dict[str, Any]]:
        job.callers += 1
        try:
            return await asyncio.shield(job.task)
        finally:
            job.callers -= 1
            if not job.callers:
                job.left.set()

    async def _work(self, call: Call, method: Method, left: asyncio.Event) -> tuple[int, dict[str, Any]]:
        asked = Asked(call.input, call.key, self.ledger.tries(call.effect))
        if await self._take_time(method, method.seconds(asked) * self.pace, left):
            await self.ledger.conclude(call, outcome=ABANDONED, status=0, answer=None)
            return 499, {}
        try:
            answer = method.work(asked)
        except Refusal as refusal:
            return await self._refuse(call, refusal)
        cut = method.cuts_reply(asked)
        await self.ledger.conclude(call, outcome=CUT if cut else APPLIED, status=200, answer=answer)
        if cut:
            raise ReplyCut
        return 200, answer

    async def _take_time(self, method: Method, seconds: float, left: asyncio.Event) -> bool:
        if not method.stops_when_left:
            await asyncio.sleep(seconds)
            return False
        try:
            await asyncio.wait_for(left.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _refuse(self, call: Call, refusal: Refusal) -> tuple[int, dict[str, Any]]:
        body = refusal.as_json()
        outcome = FAILED if refusal.status >= 500 else REFUSED
        await self.ledger.conclude(call, outcome=outcome, status=refusal.status, answer=body)
        return refusal.status, body


FARM = web.AppKey("farm", Farm)


def application(farm: Farm) -> web.Application:
    """Return the farm as an aiohttp application."""
    app = web.Application(client_max_size=BODY_BYTES)
    app[FARM] = farm
    app.router.add_get("/health", _health)
    app.router.add_get("/__calls", _calls)
    app.router.add_get("/__summary", _summary)
    app.router.add_get("/{service}/health", _health)
    app.router.add_post("/{service}/{method}", _call)
    return app


async def _health(request: web.Request) -> web.Response:
    service = request.match_info.get("service")
    if service is not None and service not in SERVICES:
        return _problem(404, "service_unknown", f"there is no service {service}")
    return web.json_response({"status": "ok"})


async def _call(request: web.Request) -> web.StreamResponse:
    farm = request.app[FARM]
    service, name = request.match_info["service"], request.match_info["method"]
    method = SERVICES.get(service, {}).get(name)
    if method is None:
        return _problem(404, "method_unknown", f"there is no {service}.{name}")
    if farm.at_once >= CALLS_AT_ONCE:
        return _problem(503, "overloaded", "too many calls at once")
    given = await _body(request)
    if given is None:
        return _problem(400, "not_an_object", "the body must be a JSON object")
    farm.at_once += 1
    try:
        call = await farm.ledger.receive(
            service=service,
            method=name,
            key=request.headers.get("Idempotency-Key", ""),
            attempt=request.headers.get("Podium-Attempt", ""),
            given=given,
        )
        status, answer = await farm.answer(call, method)
        return web.json_response(answer, status=status)
    except ReplyCut:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
    finally:
        farm.at_once -= 1


async def _body(request: web.Request) -> dict[str, Any] | None:
    try:
        given = json.loads(await request.read() or b"{}")
    except ValueError:
        return None
    return given if isinstance(given, dict) else None


async def _calls(request: web.Request) -> web.Response:
    asked = request.query
    after, limit = asked.get("after", "0"), asked.get("limit", str(CALLS_SHOWN))
    if not (after.isdecimal() and limit.isdecimal()):
        return _problem(400, "not_a_number", "after and limit are whole numbers")
    found = request.app[FARM].ledger.asked(
        service=asked.get("service", ""),
        method=asked.get("method", ""),
        key=asked.get("key", ""),
        outcome=asked.get("outcome", ""),
        after=int(after),
    )
    shown = [call.as_json() for call, _ in zip(found, range(min(int(limit), CALLS_SHOWN)), strict=False)]
    return web.json_response({"calls": shown})


async def _summary(request: web.Request) -> web.Response:
    """Answer how often each method was called and with which outcomes, and which effects were applied twice: none."""
    counts: dict[str, dict[str, int]] = {}
    applied: dict[Effect, int] = {}
    for call in request.app[FARM].ledger.asked():
        outcomes = counts.setdefault(f"{call.service}.{call.method}", {})
        outcomes[call.outcome or "running"] = outcomes.get(call.outcome or "running", 0) + 1
        if call.key and call.outcome in (APPLIED, CUT):
            applied[call.effect] = applied.get(call.effect, 0) + 1
    twice = ["/".join(effect) for effect, times in applied.items() if times > 1]
    return web.json_response({"methods": counts, "applied_twice": twice})


def _problem(status: int, code: str, message: str) -> web.Response:
    return web.json_response(Refusal(status, code, message).as_json(), status=status)

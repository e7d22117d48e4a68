"""The retry storm over real sockets: `python -m tests.storm` (`--help` for what can be set).

A service of ten workers that take 0.1 s each, first come first served; callers that give up after 1 s and try four
times, with full jitter from 50 ms. From second 60 to 75 nine of the ten workers are gone. The service does not notice
that a caller gave up: it works on for nobody, and that is what keeps it down when everybody calls again.

The same storm is called with the platform's own client under several policies. Time runs `--speed` times as fast: all
durations are divided by it and all rates multiplied. Said is what was answered in time a second, from 45 s after the
fault was over until the end, in the storm's own time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import django
from aiohttp import web

ATTEMPTS, WORKERS, WORK, PATIENCE, BACKOFF = 4, 10, 0.1, 1.0, 0.05
FAULT, MEASURED_FROM = (60.0, 75.0), 120.0
CONNECTIONS = 20_000


class Workshop:
    """A service in which as many requests are worked on as there are workers; the others wait in their order."""

    def __init__(self, speed: float) -> None:
        self._work = WORK / speed
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._busy = 0
        self.workers = WORKERS
        self.requests = 0

    async def serve(self, _: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self.call_in()
        await turn
        await asyncio.sleep(self._work)
        self._busy -= 1
        self.call_in()
        return web.json_response({})

    def call_in(self) -> None:
        while self._waiting and self._busy < self.workers:
            self._busy += 1
            self._waiting.popleft().set_result(None)


@asynccontextmanager
async def open_shop(speed: float) -> AsyncIterator[tuple[Workshop, str]]:
    shop = Workshop(speed)
    runner = web.ServerRunner(web.Server(shop.serve), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    try:
        yield shop, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@dataclass
class Tally:
    """What became of the calls that were begun or answered while it was measured."""

    measuring: bool = False
    offered: int = 0
    good: int = 0
    attempts: int = 0
    postponed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


class Storm:
    """One storm under one policy."""

    def __init__(self, policy: dict[str, Any], *, load: float, speed: float, seconds: float, seed: int) -> None:
        self._policy, self._load, self._speed, self._seconds = policy, load, speed, seconds
        self._chance = random.Random(seed)
        self.tally = Tally()

    async def rage(self) -> Tally:
        """Return what was counted."""
        async with open_shop(self._speed) as (shop, url):
            client = self._client(url)
            fault = asyncio.create_task(self._break(shop))
            callers: set[asyncio.Task[None]] = set()
            loop = asyncio.get_running_loop()
            begun = due = loop.time()
            while (at := (loop.time() - begun) * self._speed) < self._seconds:
                self.tally.measuring = at >= MEASURED_FROM
                due += self._chance.expovariate(self._load * self._speed)
                await asyncio.sleep(max(0.0, due - loop.time()))
                caller = asyncio.create_task(self._insist(client))
                callers.add(caller)
                caller.add_done_callback(callers.discard)
            self.tally.measuring = False
            for task in (fault, *callers):
                task.cancel()
            await asyncio.gather(fault, *callers, return_exceptions=True)
            await client.close()
        return self.tally

    async def _break(self, shop: Workshop) -> None:
        await asyncio.sleep(FAULT[0] / self._speed)
        shop.workers = 1
        await asyncio.sleep((FAULT[1] - FAULT[0]) / self._speed)
        shop.workers = WORKERS
        shop.call_in()

    async def _insist(self, client: Any) -> None:
        from orchestration.registry.client import Postponed, Reply, ServiceCall

        self.tally.offered += self.tally.measuring
        attempt = 1
        while attempt <= ATTEMPTS:
            call = ServiceCall(1, "workshop", "work", timeout=round(PATIENCE / self._speed * 1e6), attempt=attempt)
            outcome = await client.call(call)
            if isinstance(outcome, Postponed):
                self.tally.postponed += self.tally.measuring
                await asyncio.sleep((outcome.after or 1e6) / 1e6)
                continue
            self.tally.attempts += self.tally.measuring
            if isinstance(outcome, Reply):
                self.tally.good += self.tally.measuring
                return
            await asyncio.sleep(self._chance.random() * BACKOFF / self._speed * 2 ** (attempt - 1))
            attempt += 1

    def _client(self, url: str) -> Any:
        from django.conf import settings

        from orchestration.registry.client import ServiceClient
        from orchestration.registry.discovery import Discovery, Endpoint, Key, Registered

        registered = Registered((Endpoint("i", "http", url, "active", "healthy"),), scaled(self._policy, self._speed))

        async def load(_: Key) -> Registered:
            return registered

        podium = replace(settings.PODIUM, service_connections=CONNECTIONS)
        return ServiceClient(podium=podium, discovery=Discovery(load=load, keep_seconds=3600))


def scaled(document: dict[str, Any], speed: float) -> Any:
    """Return the policy for a time that runs `speed` times as fast."""
    from orchestration.domain.calling.policy import parse_policy

    policy = parse_policy(document)
    breaker, budget = policy.breaker, policy.retry_budget

    def faster(microseconds: int) -> int:
        return round(microseconds / speed)

    return replace(
        policy,
        breaker=replace(
            breaker,
            window=faster(breaker.window),
            open_for=faster(breaker.open_for),
            open_at_most=faster(breaker.open_at_most),
        ),
        retry_budget=replace(budget, minimum_per_second=budget.minimum_per_second * speed),
        ramp=replace(policy.ramp, over=faster(policy.ramp.over)),
    )


POLICIES: dict[str, dict[str, Any]] = {
    "every call retried": {"retry_budget": {"enabled": False}, "breaker": {"enabled": False}},
    "retry budget": {"breaker": {"enabled": False}},
    "default policy": {},
}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Print a line for each policy and load."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--speed", type=float, default=5.0, help="how many times as fast time runs (5)")
    parser.add_argument("--load", type=int, nargs="+", default=[60], help="calls a second of the 100 that it can do")
    parser.add_argument("--seconds", type=float, default=200.0, help="length of a storm in its own time (200)")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    os.environ.setdefault("PODIUM_LOG_LEVEL", "ERROR")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    own = (chosen.seconds - MEASURED_FROM) or 1.0
    say(f"{'policy':<20} {'offered/s':>10} {'good/s':>8} {'of offered':>11} {'attempts/s':>11} {'postponed/s':>12}")
    for load in chosen.load:
        for name, document in POLICIES.items():
            storm = Storm(document, load=load, speed=chosen.speed, seconds=chosen.seconds, seed=chosen.seed)
            tally = asyncio.run(storm.rage())
            share = tally.good / max(1, tally.offered)
            say(
                f"{name:<20} {tally.offered / own:>10.1f} {tally.good / own:>8.1f} {share:>11.1%} "
                f"{tally.attempts / own:>11.1f} {tally.postponed / own:>12.1f}"
            )


if __name__ == "__main__":
    main()

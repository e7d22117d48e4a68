"""A worker process that calls a service all the time: `python -m tests.integration.registry.place_holder TEAM CALLS`.

It writes a line for each call that was put off.
"""

from __future__ import annotations

import asyncio
import os
import sys

import django

PAUSE = 0.05


async def call_all_the_time(team: int, calls: int) -> None:
    """Keep so many calls of `shared` going; whichever is put off is tried again soon."""
    from django.conf import settings

    from orchestration.registry.client import Postponed, ServiceCall, ServiceClient

    client = ServiceClient(podium=settings.PODIUM)
    call = ServiceCall(team_id=team, service="shared", method="work", input={"by": "holder"}, timeout=120_000_000)

    async def go_on() -> None:
        while True:
            outcome = await client.call(call)
            if isinstance(outcome, Postponed):
                sys.stdout.write(f"{outcome.reason}\n")
                sys.stdout.flush()
                await asyncio.sleep(PAUSE)

    await asyncio.gather(*(go_on() for _ in range(calls)))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    asyncio.run(call_all_the_time(int(sys.argv[1]), int(sys.argv[2])))

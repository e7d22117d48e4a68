"""The python service that recorded tasks run on; every process imports it (orchestration/apps.py)."""

from __future__ import annotations

import asyncio
from typing import Any

from orchestration.domain.limits import MICROSECONDS
from orchestration.management.wfinstances.definition import LONGEST_CALL, METHOD, SERVICE
from orchestration.registry.local import ServiceError, service


@service(SERVICE, METHOD)
async def run(given: dict[str, Any]) -> dict[str, Any]:
    """Take `us` microseconds, holding no thread. Raise ServiceError for what is no such number."""
    duration = given.get("us")
    if not isinstance(duration, int) or isinstance(duration, bool) or not 0 <= duration <= LONGEST_CALL:
        raise ServiceError("invalid_duration", f"us is 0 to {LONGEST_CALL} microseconds", retryable=False)
    await asyncio.sleep(duration / MICROSECONDS)
    return {}

"""A service of worker processes that does what a service must not: it blocks the loop, or takes the process along."""

from __future__ import annotations

import os
import threading
from typing import Any

from orchestration.registry.local import service


async def block(input: dict[str, Any]) -> dict[str, Any]:
    """Block the loop for `seconds`."""
    threading.Event().wait(input["seconds"])
    return {}


def abort(input: dict[str, Any]) -> dict[str, Any]:
    """Take the whole process along."""
    os.abort()


async def spin(input: dict[str, Any]) -> dict[str, Any]:
    """Never come back, and never let anybody else have the loop."""
    while True:
        pass


def allocate(input: dict[str, Any]) -> dict[str, Any]:
    """Ask for `bytes` of memory."""
    return {"bytes": len(bytearray(input["bytes"]))}


for _function in (block, abort, spin, allocate):
    service("blocking")(_function)

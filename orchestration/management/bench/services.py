"""The python services of the benchmark: nothing but the call itself. Only the benchmark's own workers import them."""

from __future__ import annotations

from typing import Any

from orchestration import clock
from orchestration.registry.local import service

SERVICE = "bench"


@service(SERVICE)
def noop(given: dict[str, Any]) -> dict[str, Any]:
    """Do nothing."""
    return {}


@service(SERVICE)
def stamp(given: dict[str, Any]) -> dict[str, Any]:
    """Return the instant of the call in microseconds."""
    return {"called_at": clock.now_us()}

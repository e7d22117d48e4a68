"""The ports of a shift in a real process: Django's default database, this machine's clock, calls over the network."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from orchestration import clock
from orchestration.configuration.queries import execution_defaults
from orchestration.engine import doorbell, queue
from orchestration.engine.heartbeat import Heartbeat, open_beat
from orchestration.engine.ports import Ports
from orchestration.engine.stores import open_store
from orchestration.registry.client import ServiceClient


def open_ports(podium: Any) -> Ports:
    """Return the real ports. To be called after the fork, on the loop that uses them."""
    return Ports(
        podium=podium,
        defaults=execution_defaults,
        store=open_store(podium),
        clock=clock,
        open_client=lambda: ServiceClient(podium=podium),
        open_bell=doorbell.open_bell,
        open_heart=lambda shift_id, lost, ticks: Heartbeat(open_beat(shift_id, podium), podium, lost, ticks),
        call_for_help=partial(asyncio.to_thread, queue.call_for_help),
    )

"""All faults, in the order in which they are tried: each module enters its own."""

from __future__ import annotations

from tests.faults import calls, crashes, crowds, databases, kills, races, wakeups, zombies
from tests.faults.lab import FAULTS

__all__ = ["FAULTS", "calls", "crashes", "crowds", "databases", "kills", "races", "wakeups", "zombies"]

"""A simulated node: whether it is up, how much CPU the calls on it want, and what is measured of it.

Instances on a node share its CPU. A call that begins while all calls on the node together want more than there is takes
as many times as long: time * max(1, demand / CPU), as processor sharing would give it if nothing changed meanwhile. The
factor stays what it was when the call began.
"""

from __future__ import annotations

from array import array

from orchestration.domain.capacity.vector import RESOURCES, Capacity
from orchestration.domain.placement.fleet import Node


class Host:
    """One node. Areas are integrals over time, brought up to date before every change."""

    __slots__ = (
        "_at", "begun_at", "cpu", "demand", "demand_area", "down", "down_area", "down_since", "held", "held_area", "id",
        "instants", "shares", "whole",
    )  # fmt: skip

    def __init__(self, node: Node, now: int) -> None:
        self.id = node.id
        self.whole = node.capacity
        self.cpu = node.capacity.cpu
        self.held = Capacity()
        self.demand = 0
        self.down = False
        self.down_since = now
        self.demand_area = self.down_area = 0
        self.held_area = [0] * len(RESOURCES)
        self.instants, self.shares = array("q", [now]), array("d", [0.0])
        self.begun_at = self._at = now

    def begun(self, demand: int, now: int) -> float:
        """Take note of a call that begins and wants so many millicores; return how many times as long it takes."""
        self.measure(now)
        self.demand += demand
        return max(1.0, self.demand / self.cpu) if self.cpu else 1.0

    def ended(self, demand: int, now: int) -> None:
        """Take note of a call that has ended."""
        self.measure(now)
        self.demand -= demand

    def holds(self, held: Capacity, now: int) -> None:
        """Take note of what the instances on it need from now on."""
        self.measure(now)
        self.held = held
        self.instants.append(now)
        self.shares.append(held.share(self.whole))

    def measure(self, now: int) -> None:
        """Bring all areas up to date."""
        elapsed = now - self._at
        if elapsed:
            self.demand_area += min(self.demand, self.cpu) * elapsed
            self.down_area += self.down * elapsed
            for place, amount in enumerate(self.held.amounts):
                self.held_area[place] += amount * elapsed
            self._at = now

"""Amounts of all resources together, as a vector: CPU, memory, storage, network. Whole numbers, never negative.

Something fits where it fits in every resource. How full a node is, is a share per resource; its fullest one decides
(the dominant share: Ghodsi and others, "Dominant Resource Fairness", 2011), since a node without memory takes nothing
more, however much CPU is idle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import DocumentInvalid, InvariantViolated, Problem
from ..quantities import format_cpu, format_size, parse_cpu, parse_size

RESOURCES = ("cpu", "memory", "storage", "network")

Shares = Mapping[str, float]
"""A share (1: all of it) per resource."""


class CapacityInvalid(DocumentInvalid):
    """An amount of resources that cannot be read, with all that is wrong with it."""

    code = "capacity_invalid"


@dataclass(frozen=True, slots=True)
class Capacity:
    """Millicores, bytes, bytes and bits per second."""

    cpu: int = 0
    memory: int = 0
    storage: int = 0
    network: int = 0

    def __post_init__(self) -> None:
        if min(self.amounts) < 0:
            raise InvariantViolated(f"an amount of resources is never negative: {self.amounts}")

    @property
    def amounts(self) -> tuple[int, int, int, int]:
        """Return the amounts in the order of `RESOURCES`."""
        return self.cpu, self.memory, self.storage, self.network

    @property
    def nothing(self) -> bool:
        """Say whether every amount is 0."""
        return not any(self.amounts)

    def __add__(self, other: Capacity) -> Capacity:
        """Return both together."""
        return Capacity(
            self.cpu + other.cpu,
            self.memory + other.memory,
            self.storage + other.storage,
            self.network + other.network,
        )

    def __sub__(self, other: Capacity) -> Capacity:
        """Return what is left without `other`. Raises InvariantViolated where that is more than there is."""
        return Capacity(
            self.cpu - other.cpu,
            self.memory - other.memory,
            self.storage - other.storage,
            self.network - other.network,
        )

    def __mul__(self, times: int) -> Capacity:
        """Return it so many times."""
        return Capacity(*(each * times for each in self.amounts))

    def free_of(self, used: Capacity) -> Capacity:
        """Return what is free while `used` is taken: 0 where more is taken than there is."""
        return Capacity(*(max(0, have - taken) for have, taken in zip(self.amounts, used.amounts, strict=True)))

    def fits(self, room: Capacity) -> bool:
        """Say whether there is room for it, in every resource."""
        return (
            self.cpu <= room.cpu
            and self.memory <= room.memory
            and self.storage <= room.storage
            and self.network <= room.network
        )

    def lacking(self, room: Capacity) -> tuple[str, ...]:
        """Return the resources of which there is not enough room."""
        amounts = zip(RESOURCES, self.amounts, room.amounts, strict=True)
        return tuple(name for name, needed, there in amounts if needed > there)

    def shares(self, whole: Capacity) -> dict[str, float]:
        """Return which share it is of `whole`, per resource; of a resource that is not there, 0 or infinity."""
        amounts = zip(RESOURCES, self.amounts, whole.amounts, strict=True)
        return {name: share_of(part, total) for name, part, total in amounts}

    def share(self, whole: Capacity) -> float:
        """Return the largest of its shares of `whole`: the dominant one."""
        return max(share_of(part, total) for part, total in zip(self.amounts, whole.amounts, strict=True))

    def as_json(self) -> dict[str, str]:
        """Return the amounts that are not 0 as texts: `{"cpu": "500m", "memory": "256Mi"}`."""
        return {name: told(name, amount) for name, amount in zip(RESOURCES, self.amounts, strict=True) if amount}

    def __str__(self) -> str:
        """Return the amounts that are not 0 as one text: `cpu 500m, memory 256Mi`."""
        return ", ".join(f"{name} {amount}" for name, amount in self.as_json().items()) or "nothing"


NOTHING = Capacity()


def share_of(part: int, whole: int) -> float:
    """Return `part` / `whole`; 0 of nothing is 0, something of nothing is infinite."""
    if whole:
        return part / whole
    return float("inf") if part else 0.0


def told(resource: str, amount: int) -> str:
    """Return an amount of a resource as authors write it."""
    return format_cpu(amount) if resource == "cpu" else format_size(amount)


def parse_capacity(document: Any, path: str = "") -> Capacity:
    """Return the capacity of an object like `{cpu: 500m, memory: 256Mi}`; what it does not name is 0.

    Raises CapacityInvalid with every problem and its path (below `path`): another key, an amount that is none.
    """
    if not isinstance(document, Mapping):
        said = f"an amount of resources is an object of {', '.join(RESOURCES)}"
        raise CapacityInvalid(said, [Problem(path, "value.type", said)])
    amounts: dict[str, int] = {}
    problems: list[Problem] = []
    for key, value in document.items():
        here = f"{path}.{key}" if path else str(key)
        if key not in RESOURCES:
            problems.append(Problem(here, "key.unknown", f"there is no resource {key}; there are {known()}"))
            continue
        try:
            amounts[key] = parse_cpu(value) if key == "cpu" else parse_size(value)
        except ValueError as error:
            problems.append(Problem(here, "quantity.invalid", str(error)))
    if problems:
        raise CapacityInvalid(f"{problems[0].path}: {problems[0].message}", problems)
    return Capacity(**amounts)


def known() -> str:
    """Return the names of all resources, for a sentence."""
    return ", ".join(RESOURCES)

"""What a scenario that was filled in consists of, and how its numbers are written. Light: nothing is fitted here."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

GUESSED_RATE = 1.0
HOUR_SECONDS = 3_600
_UNITS = (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1))


@dataclass(slots=True)
class Prefill:
    """A scenario's document, what is to be said of where its numbers come from, and its mean load a second."""

    document: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    per_second: float = GUESSED_RATE
    window: str = "the last seven days"


def duration_text(microseconds: int) -> str:
    """Return a duration as scenarios write it: `1m30s`, `250ms`."""
    told, left = "", microseconds
    for unit, length in _UNITS:
        count, left = divmod(left, length)
        told += f"{count}{unit}" if count else ""
    return told or "0us"


def promise_text(microseconds: float) -> str:
    """Return a time as people promise it: rounded up to one or two digits."""
    coarse = 1_000_000 if microseconds > 10_000_000 else 100_000 if microseconds > 1_000_000 else 10_000
    return duration_text(math.ceil(microseconds / coarse) * coarse)


def slug(workflow: str) -> str:
    """Return a name that a scenario may have."""
    plain = re.sub(r"[^a-z0-9-]+", "-", workflow.lower()).strip("-")
    return (plain if plain[:1].isalpha() else f"w-{plain}")[:63].rstrip("-")


def calls_of(steps: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path (`parts.fetch`) and the service of every call in a list of steps, compensations included."""
    for step in steps if isinstance(steps, list) else ():
        path = f"{above}{step.get('id')}"
        for part in (step, step.get("compensate")):
            if isinstance(part, dict) and isinstance(part.get("service_name"), str):
                yield path, part["service_name"]
        yield from calls_of(step.get("steps"), f"{path}.")

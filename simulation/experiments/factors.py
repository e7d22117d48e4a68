"""What may be turned in a scenario to see how much depends on it: loads, times, failures, instances, workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.domain.durations import parse_duration
from orchestration.domain.limits import MICROSECONDS

from .places import LOAD, changed, scaled_times, value_at
from .problems import unfit

WHOLE = ("instances", "capacity", "count", "slots", "users", "limit", "max_concurrent", "room")
"""Last words of places that hold whole numbers."""

_WORKER_COSTS = ("per_entry", "commit", "wake_up")


@dataclass(frozen=True, slots=True)
class Factor:
    """Something that may be turned: `turned(document, f)` is the document with about f times as much of it.

    `by(f)` is how many times as much it really is: a whole number moves by one at least. It is 1 where it cannot move.
    """

    name: str
    turned: Callable[[dict[str, Any], float], dict[str, Any]]
    by: Callable[[float], float]


def factors_of(document: dict[str, Any]) -> list[Factor]:
    """Return what may be turned in a scenario, all that is written in it."""
    found = [Factor(LOAD, lambda given, share: changed(given, LOAD, share), _exactly)]
    for name, service in document["services"].items():
        found.append(factor_at(document, f"services.{name}.times"))
        found += [factor_at(document, f"services.{name}.{key}") for key in ("instances", "capacity")]
        if (service.get("failures") or {}).get("share"):
            found.append(factor_at(document, f"services.{name}.failures.share"))
    workers = document.get("workers") or {}
    if workers:
        found.append(factor_at(document, "workers.count"))
        found += [factor_at(document, f"workers.{key}") for key in _WORKER_COSTS if workers.get(key)]
    return found


def factor_at(document: dict[str, Any], path: str) -> Factor:
    """Return what stands at a place as a factor. Raises ExperimentInvalid for what is no number, time or times."""
    if path == LOAD:
        return Factor(LOAD, lambda given, share: changed(given, LOAD, share), _exactly)
    value = value_at(document, path)
    if isinstance(value, Mapping) and "kind" in value:
        return Factor(path, lambda given, share: changed(given, path, scaled_times(value, share)), _exactly)
    if value is None and path.rpartition(".")[2] in {"instances", "capacity", "count"}:
        value = 1
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise unfit(path, f"cannot be turned by a share: it holds {value!r}, not a number, a duration or times")
    if isinstance(value, str):
        return _duration(path, value)
    if path.endswith(WHOLE):
        return Factor(
            path,
            lambda given, share: changed(given, path, _near(value, share)),
            lambda share: _near(value, share) / value,
        )
    return Factor(path, lambda given, share: changed(given, path, value * share), _exactly)


def _duration(path: str, text: str) -> Factor:
    try:
        duration = parse_duration(text) / MICROSECONDS
    except ValueError:
        raise unfit(
            path, f"cannot be turned by a share: it holds {text!r}, not a number, a duration or times"
        ) from None
    return Factor(path, lambda given, share: changed(given, path, duration * share), _exactly)


def _near(value: float, share: float) -> int:
    """Return the whole number nearest to a share of one, at least one away from it, and never below 1."""
    near = round(value * share)
    if near == value:
        near += 1 if share > 1 else -1
    return max(1, int(near))


def _exactly(share: float) -> float:
    return share

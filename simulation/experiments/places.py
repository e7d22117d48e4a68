"""Places in a scenario document that an experiment turns: `services.payment.instances`, `slos[0].p95`, `load`.

Two words stand for more than one place. `load` is a factor on all arrivals of all workloads. A place that holds times
(`services.payment.times`) may be scaled as a whole, whatever kind they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestration.domain.documents import join_path
from orchestration.domain.durations import parse_duration
from orchestration.domain.limits import MICROSECONDS

from .problems import unfit

LOAD = "load"
"""The place that stands for all arrivals: a factor, 1 is what is written."""

Keys = tuple[str | int, ...]

_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_NAMED = frozenset({"services", "slowness", "variants"})
_TIME_KEYS = ("time", "mean", "p50", "p99", "scale")


def keys_of(path: str) -> Keys:
    """Return the keys and numbers of a path. Raises ExperimentInvalid for a text that is none."""
    keys: list[str | int] = []
    place = 0
    while place < len(path):
        found = _PART.match(path, place)
        if found is None:
            raise unfit(
                path, "is no path; one looks like services.payment.instances or workloads[0].arrivals.per_second"
            )
        keys.append(found[1] if found[2] is None else int(found[2]))
        place = found.end()
        if place < len(path) and path[place] == ".":
            place += 1
            if place == len(path):
                raise unfit(path, "ends with a dot")
    if not keys:
        raise unfit("path", "is empty")
    return tuple(keys)


def value_at(document: Any, path: str) -> Any:
    """Return what stands at a path, None where it is left out. Raises ExperimentInvalid where it cannot be."""
    here, walked = document, ""
    for key in keys_of(path):
        here = _step(here, key, path, walked)
        walked = join_path(walked, key)
    return here


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of the document with `value` at `path`; the document is left as it is.

    What is left out on the way is made, except names: a service that is not there is an error, not a new one.
    """
    if path == LOAD:
        return at_load(document, value)
    changed_document: dict[str, Any] = _with(document, keys_of(path), value, path, "")
    return changed_document


def at_load(document: dict[str, Any], factor: Any) -> dict[str, Any]:
    """Return a copy of the document with `factor` times as many arrivals. Raises ExperimentInvalid where it cannot."""
    if isinstance(factor, bool) or not isinstance(factor, int | float) or factor <= 0:
        raise unfit(LOAD, f"is a factor above 0 on all arrivals, {factor!r} is none")
    workloads = [
        {**each, "arrivals": _more(each["arrivals"], factor, f"workloads[{place}].arrivals")}
        for place, each in enumerate(document["workloads"])
    ]
    return {**document, "workloads": workloads}


def scaled_times(times: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """Return times of the same shape that take `factor` times as long."""
    longer = {
        **times, **{key: _longer(times[key], factor) for key in _TIME_KEYS if times.get(key) is not None}
    }  # fmt: skip
    if "values" in times:
        longer["values"] = [_longer(each, factor) for each in times["values"]]
    return longer


def _longer(duration: Any, factor: float) -> float:
    return parse_duration(duration) * factor / MICROSECONDS


def _more(arrivals: Mapping[str, Any], factor: float, path: str) -> dict[str, Any]:
    kind = arrivals["kind"]
    if kind in {"poisson", "batches"}:
        return {**arrivals, "per_second": arrivals["per_second"] * factor}
    if kind in {"piecewise", "modulated"}:
        parts = "steps" if kind == "piecewise" else "states"
        return {**arrivals, parts: [{**each, "per_second": each["per_second"] * factor} for each in arrivals[parts]]}
    if kind == "users":
        return {**arrivals, "users": max(1, round(arrivals["users"] * factor))}
    if kind == "trace":
        return {**arrivals, "speed": arrivals.get("speed", 1.0) * factor}
    if factor == 1:
        return dict(arrivals)
    raise unfit(path, f"arrivals of kind {kind} cannot be scaled; give the place to turn instead of {LOAD}")


def _with(here: Any, keys: Keys, value: Any, path: str, walked: str) -> Any:
    if not keys:
        return value
    key, *rest = keys
    inner = _with(_step(here, key, path, walked), tuple(rest), value, path, join_path(walked, key))
    if isinstance(key, int):
        return [*here[:key], inner, *here[key + 1 :]]
    return {**(here or {}), key: inner}


def _step(here: Any, key: str | int, path: str, walked: str) -> Any:
    where = walked or "the scenario"
    if isinstance(key, int):
        if not isinstance(here, list):
            raise unfit(path, f"{where} is no list")
        if key >= len(here):
            raise unfit(path, f"{where} has {len(here)} elements, counted from 0; there is no [{key}]")
        return here[key]
    if here is not None and not isinstance(here, Mapping):
        raise unfit(path, f"{where} holds no keys, it is {here!r}")
    if key not in (here or {}) and walked in _NAMED:
        known = ", ".join(here or {}) or "none"
        raise unfit(path, f"there is no {key} in {walked}; there are: {known}", "reference.unknown")
    return (here or {}).get(key)

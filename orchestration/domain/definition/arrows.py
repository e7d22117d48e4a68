"""The arrows of one list of steps, looked at before there is a graph: unknown ids, ids given twice, circles."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from ..errors import Problem

ARROWS = ("dependencies", "on_success", "on_failure")
_SHOWN = 10


def ids_of(steps: list[Any]) -> dict[str, int]:
    """Return where each id stands first; an id that is no valid one still names its step."""
    places: dict[str, int] = {}
    for index, step in enumerate(steps):
        if isinstance(step, dict) and isinstance(step.get("id"), str):
            places.setdefault(step["id"], index)
    return places


def failure_targets(steps: list[Any]) -> frozenset[str]:
    """Return the ids that some `on_failure` of the list names (a lone text where a list should be counts too)."""
    targets: set[str] = set()
    for step in steps:
        named = step.get("on_failure") if isinstance(step, dict) else None
        if isinstance(named, str):
            targets.add(named)
        elif isinstance(named, list):
            targets.update(target for target in named if isinstance(target, str))
    return frozenset(targets)


def arrow_problems(steps: list[Any], places: dict[str, int], path: str) -> Iterator[Problem]:
    """Yield the problems of a list's ids and arrows; `places` is what `ids_of` gave for it."""
    following: list[list[int]] = [[] for _ in steps]
    for index, step in enumerate(steps):
        if not isinstance(step, dict):
            continue
        step_id = step.get("id")
        if isinstance(step_id, str) and places[step_id] != index:
            yield Problem(
                f"{path}[{index}].id", "id.duplicate", f"the id {_shown(step_id)} is given twice in this list"
            )
        for kind in ARROWS:
            named = step.get(kind)
            for number, other in enumerate(named) if isinstance(named, list) else ():
                if not isinstance(other, str):
                    continue
                place = places.get(other)
                if place is None:
                    where = f"{path}[{index}].{kind}[{number}]"
                    yield Problem(where, "graph.unknown_step", f"there is no step {_shown(other)} in this list")
                elif kind == "dependencies":
                    following[place].append(index)
                else:
                    following[index].append(place)
    circle = _circle(following)
    if circle:
        names = [_shown(str(steps[index].get("id"))) for index in circle]
        more = names[:_SHOWN] + (["…"] if len(names) > _SHOWN else []) + names[:1]
        yield Problem(path, "graph.cycle", f"steps wait for each other in a circle: {' → '.join(more)}")


def _circle(following: list[list[int]]) -> list[int]:
    """Return one circle among the arrows, or nothing. Takes time that grows with steps and arrows alone."""
    waiting = [0] * len(following)
    for targets in following:
        for target in targets:
            waiting[target] += 1
    free = deque(index for index, count in enumerate(waiting) if not count)
    while free:
        for target in following[free.popleft()]:
            waiting[target] -= 1
            if not waiting[target]:
                free.append(target)
    left = {index for index, count in enumerate(waiting) if count}
    before = {target: index for index in left for target in following[index] if target in left}
    if not before:
        return []
    seen: dict[int, None] = {}
    index = next(iter(before))
    while index not in seen:
        seen[index] = None
        index = before[index]
    chain = list(seen)
    return chain[chain.index(index) :][::-1]


def _shown(text: str) -> str:
    return repr(text if len(text) <= 64 else f"{text[:64]}…")

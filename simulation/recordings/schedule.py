"""The same platform without the domain: a list scheduler that finds the same makespan a hundred times as fast.

Calibration asks for thousands of makespans. That it gives what the world gives, to the microsecond, is a test and a
check; what is reported comes from the world.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush

from orchestration.domain.balancing import least_loaded
from orchestration.domain.limits import MICROSECONDS

from .platform import Overheads, slots_of
from .reading import RecordedWorkflow

_SUBMITTED, _DONE = 0, 1


class _Machine:
    """Places, who waits for one, and how many have been sent here. Every machine may always be called."""

    __slots__ = ("busy", "line", "under_way")

    def __init__(self) -> None:
        self.busy = self.under_way = 0
        self.line: deque[int] = deque()


def scheduled_makespan(recorded: RecordedWorkflow, overheads: Overheads) -> float:
    """Return the seconds from begin to end of a recorded workflow on its machines."""
    tasks, slots = recorded.tasks, slots_of(recorded)
    children: list[list[int]] = [[] for _ in tasks]
    missing = [len(task.parents) for task in tasks]
    for place, task in enumerate(tasks):
        for parent in task.parents:
            children[parent].append(place)
    submission = [round(overheads.submission(task) * MICROSECONDS) for task in tasks]
    work = [round(overheads.work(task) * MICROSECONDS) for task in tasks]
    latency = round(overheads.latency * MICROSECONDS)
    machines = [_Machine() for _ in recorded.cores]
    at: dict[int, _Machine] = {}
    events: list[tuple[int, int, int, int]] = []
    now = free_at = turn = count = 0

    def happen(instant: int, kind: int, place: int) -> None:
        nonlocal count
        heappush(events, (instant, count, kind, place))
        count += 1

    def submit(place: int) -> None:
        nonlocal free_at
        free_at = max(free_at, now) + submission[place]
        happen(free_at + latency, _SUBMITTED, place)

    for place, left in enumerate(missing):
        if not left:
            submit(place)
    while events:
        now, _, kind, place = heappop(events)
        if kind == _SUBMITTED:
            machine = least_loaded(machines, lambda each: each.under_way, turn)
            assert machine is not None
            turn += 1
            at[place] = machine
            machine.under_way += 1
            if machine.busy < slots:
                machine.busy += 1
                happen(now + work[place], _DONE, place)
            else:
                machine.line.append(place)
            continue
        machine = at[place]
        machine.under_way -= 1
        if machine.line:
            happen(now + work[machine.line[0]], _DONE, machine.line.popleft())
        else:
            machine.busy -= 1
        for child in children[place]:
            missing[child] -= 1
            if not missing[child]:
                submit(child)
    return now / MICROSECONDS

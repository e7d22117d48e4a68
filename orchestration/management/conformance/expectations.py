"""Comparing what was seen with what a scenario expects. Every mismatch is one sentence that says both.

`EXACT` is virtual time: everything to the microsecond. `REAL_TIME` reads only what is said of time with a tolerance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from typing import Any

from orchestration.domain.durations import format_duration

from .comparing import equal, includes, is_within, same_members, shown
from .expected import ExecutionExpectation, Expectation, StepExpectation
from .reading import UNSAID
from .record import ExecutionRecord, Record, StepRecord

_ENDS = frozenset({"step.completed", "step.failed", "step.skipped", "step.cancelled"})
_UNSUCCESSFUL = frozenset({None, "failed", "compensation_failed"})
_MOST_ORDERS = 1000


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How exactly time is read: a duration D may be from D − `early` to `stretch` × D + `late`, all in µs.

    `most` tells whether `max_in_flight` is only an upper bound. Children that started less than `same_moment` apart
    are in no particular order.
    """

    early: int
    stretch: float
    late: int
    most: bool
    same_moment: int

    def earliest(self, bound: int) -> int:
        """Return the least that counts as `bound`."""
        return bound - self.early

    def latest(self, bound: int) -> int:
        """Return the most that counts as `bound`."""
        return round(bound * self.stretch) + self.late


EXACT = Tolerance(early=0, stretch=1, late=0, most=False, same_moment=0)
REAL_TIME = Tolerance(early=10_000, stretch=1.5, late=300_000, most=True, same_moment=20_000)


def mismatches(expect: Expectation, record: Record, tolerance: Tolerance) -> list[str]:
    """Return everything that differs from what was expected, one sentence each; nothing if all is as it must be."""
    return list(_compare(expect, record, tolerance))


def _compare(expect: Expectation, record: Record, tolerance: Tolerance) -> Iterator[str]:
    if record.trouble is not None:
        yield record.trouble
    yield from _paths("invalid", expect.invalid, record.invalid, "the definition")
    yield from _paths("invalid_input", expect.invalid_input, record.invalid_input, "the input")
    if expect.invalid is not None or expect.invalid_input is not None:
        if record.first is not None:
            yield "an execution was started, though nothing may be"
        if record.calls:
            yield f"nothing may be called, but these were: {shown([call.method for call in record.calls])}"
    if record.first is not None:
        yield from _execution(expect.first, record.first, tolerance)
        if expect.first.error is UNSAID and record.first.error is not None:
            yield f"error: expected none, got {record.first.error}"
    elif record.trouble is None and record.invalid is None and record.invalid_input is None:
        yield "no execution was started"
    elif _says_something(expect.first):
        yield "something is expected of an execution, but none was started"
    yield from _calls(expect, record, tolerance)
    if set(expect.refused) != record.refused:
        yield f"refused: expected the actions {sorted(expect.refused)}, got {sorted(record.refused)}"
    if expect.children is not None:
        yield from _children(expect.children, record.children, tolerance)


def _says_something(expect: ExecutionExpectation) -> bool:
    return expect != ExecutionExpectation()


def _paths(key: str, expected: Sequence[str] | None, got: Sequence[str] | None, what: str) -> Iterator[str]:
    if expected is None:
        if got is not None:
            yield f"{what} was refused: {', '.join(got) or 'as a whole'}"
    elif got is None:
        yield f"{key}: {what} was accepted, expected to be refused for {', '.join(expected)}"
    elif set(expected) != set(got):
        missing, surplus = sorted(set(expected) - set(got)), sorted(set(got) - set(expected))
        yield f"{key}: not reported: {missing}; reported besides: {surplus}"


def _calls(expect: Expectation, record: Record, tolerance: Tolerance) -> Iterator[str]:
    methods = [call.method for call in record.calls]
    if isinstance(expect.calls, tuple) and list(expect.calls) != methods:
        yield f"calls: expected {shown(expect.calls)}, got {shown(methods)}"
    if isinstance(expect.calls, dict):
        counted, wanted = Counter(methods), Counter(expect.calls)
        if +counted != +wanted:
            yield f"calls: expected {shown(expect.calls)}, got {shown(dict(counted))}"
    for method in expect.never_called:
        if method in methods:
            yield f"never_called: {method} was called {methods.count(method)} times"
    for method, inputs in expect.inputs.items():
        given = [call.input for call in record.calls if call.method == method]
        if not same_members(inputs, given):
            yield f"inputs of {method}: expected {shown(inputs)}, got {shown(given)}"
    most = expect.max_in_flight
    if most is not None and (record.max_in_flight > most or (not tolerance.most and record.max_in_flight != most)):
        yield f"max_in_flight: expected {most}, got {record.max_in_flight}"


def _execution(expect: ExecutionExpectation, record: ExecutionRecord, tolerance: Tolerance) -> Iterator[str]:
    if expect.workflow is not None and expect.workflow != record.workflow:
        yield f"workflow: expected {expect.workflow}, got {record.workflow}"
    if expect.status is not None and expect.status != record.status:
        because = f" ({record.error})" if record.error else ""
        yield f"status: expected {expect.status}, got {record.status}{because}"
    yield from _value("", expect, record)
    for path, step in expect.steps.items():
        if path not in record.steps:
            yield f"steps.{path}: there is no such step run"
        else:
            yield from _step(f"steps.{path}", step, record.steps[path])
    for path in expect.absent:
        if path in record.steps:
            yield f"absent: {path} is there, {record.steps[path].status}"
    for first, second in expect.before:
        yield from _before(first, second, record)
    yield from _elapsed(expect, record, tolerance)
    yield from _journal(expect, record)


def _value(
    place: str, expect: ExecutionExpectation | StepExpectation, record: ExecutionRecord | StepRecord
) -> Iterator[str]:
    dot = f"{place}." if place else ""
    if expect.error is not UNSAID and expect.error != record.error:
        yield f"{dot}error: expected {expect.error}, got {record.error}"
    if expect.output is not UNSAID and not equal(expect.output, record.output):
        yield f"{dot}output: expected {shown(expect.output)}, got {shown(record.output)}"
    if expect.output_includes is not UNSAID and not includes(record.output, expect.output_includes):
        yield f"{dot}output_includes: expected {shown(expect.output_includes)} in {shown(record.output)}"


def _step(place: str, expect: StepExpectation, record: StepRecord) -> Iterator[str]:
    if expect.status is not None and expect.status != record.status:
        because = f" ({record.error})" if record.error else ""
        yield f"{place}: expected {expect.status}, got {record.status}{because}"
    if expect.attempts is not None and expect.attempts != record.attempts:
        yield f"{place}.attempts: expected {expect.attempts}, got {record.attempts}"
    yield from _value(place, expect, record)


def _before(first: str, second: str, record: ExecutionRecord) -> Iterator[str]:
    end = next((each.at for each in record.journal if each.step == first and each.type in _ENDS), None)
    start = next((each.at for each in record.journal if each.step == second and each.type == "step.started"), None)
    if end is None or start is None:
        what = f"{first} never ended" if end is None else f"{second} never started"
        yield f"before: {first} must end before {second} starts, but {what}"
    elif end > start:
        yield f"before: {first} ended {format_duration(end - start)} after {second} started"


def _elapsed(expect: ExecutionExpectation, record: ExecutionRecord, tolerance: Tolerance) -> Iterator[str]:
    bounds = []
    if expect.elapsed is not None:
        bounds.append(("elapsed", expect.elapsed, expect.elapsed))
    if expect.elapsed_between is not None:
        bounds.append(("elapsed_between", *expect.elapsed_between))
    for key, low, high in bounds:
        wanted = format_duration(low) if low == high else f"{format_duration(low)} to {format_duration(high)}"
        if record.ended_at is None:
            yield f"{key}: expected {wanted}, but it never ended"
            continue
        took = 0 if record.started_at is None else record.ended_at - record.started_at
        if not tolerance.earliest(low) <= took <= tolerance.latest(high):
            yield f"{key}: expected {wanted}, got {format_duration(took)}"


def _journal(expect: ExecutionExpectation, record: ExecutionRecord) -> Iterator[str]:
    entries = [(each.type, each.step) for each in record.journal]
    place = is_within(expect.journal, entries)
    if place is not None:
        missing = " ".join(expect.journal[place]).strip()
        after = " ".join(expect.journal[place - 1]).strip() if place else "the beginning"
        what = "is not there" if expect.journal[place] not in entries else f"does not come after {after}"
        yield f"journal: entry {place} ({missing}) {what}"
    for entry in expect.journal_never:
        if entry in entries:
            yield f"journal_never: {' '.join(entry).strip()} is there"


def _children(
    expected: Sequence[ExecutionExpectation], records: Sequence[ExecutionRecord], tolerance: Tolerance
) -> Iterator[str]:
    if len(expected) != len(records):
        names = [record.workflow for record in records]
        yield f"children: expected {len(expected)}, got {len(records)}: {shown(names)}"
        return
    best: list[str] | None = None
    for order in _orders(records, tolerance):
        wrong = [
            f"children[{place}]: {reason}"
            for place, (child, record) in enumerate(zip(expected, order, strict=True))
            for reason in _child(child, record, tolerance)
        ]
        if best is None or len(wrong) < len(best):
            best = wrong
        if not wrong:
            return
    yield from best or []


def _child(expect: ExecutionExpectation, record: ExecutionRecord, tolerance: Tolerance) -> Iterator[str]:
    yield from _execution(expect, record, tolerance)
    # A child of which only other things are said may have failed; one that is said to have succeeded has no error.
    if expect.error is UNSAID and expect.status not in _UNSUCCESSFUL and record.error is not None:
        yield f"error: expected none, got {record.error}"


def _orders(records: Sequence[ExecutionRecord], tolerance: Tolerance) -> Iterator[list[ExecutionRecord]]:
    """Return the orders of start that the tolerance leaves open, the one that was seen first."""
    groups: list[list[ExecutionRecord]] = []
    for record in records:
        if groups and _same_moment(groups[-1][-1], record, tolerance):
            groups[-1].append(record)
        else:
            groups.append([record])
    choices: Callable[[list[ExecutionRecord]], Any] = permutations
    for count, order in enumerate(product(*(choices(group) for group in groups))):
        if count >= _MOST_ORDERS:
            return
        yield [record for group in order for record in group]


def _same_moment(one: ExecutionRecord, other: ExecutionRecord, tolerance: Tolerance) -> bool:
    if not tolerance.same_moment or one.started_at is None or other.started_at is None:
        return False
    return abs(other.started_at - one.started_at) < tolerance.same_moment

"""What a scenario expects, read from its file. A key that is left out is `UNSAID` or None, and is not checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .reading import UNSAID, Reader, as_count, as_duration, as_pair, as_text, refuse


@dataclass(frozen=True, slots=True)
class StepExpectation:
    """What one step run must have come to. `error` is a code, or null for none."""

    status: str | None = None
    attempts: int | None = None
    output: Any = UNSAID
    output_includes: Any = UNSAID
    error: Any = UNSAID


@dataclass(frozen=True, slots=True)
class ExecutionExpectation:
    """What one execution must have come to; `workflow` is for children. Durations are microseconds.

    `journal` and `journal_never` are pairs of type and step, the step empty for the execution's own entries.
    """

    workflow: str | None = None
    status: str | None = None
    error: Any = UNSAID
    output: Any = UNSAID
    output_includes: Any = UNSAID
    steps: dict[str, StepExpectation] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    before: tuple[tuple[str, str], ...] = ()
    elapsed: int | None = None
    elapsed_between: tuple[int, int] | None = None
    journal: tuple[tuple[str, str], ...] = ()
    journal_never: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Expectation:
    """All that a scenario expects: of its first execution, of the children, and of everything together."""

    first: ExecutionExpectation
    children: tuple[ExecutionExpectation, ...] | None = None
    calls: tuple[str, ...] | dict[str, int] | None = None
    never_called: tuple[str, ...] = ()
    inputs: dict[str, list[Any]] = field(default_factory=dict)
    max_in_flight: int | None = None
    refused: frozenset[int] = frozenset()
    invalid: tuple[str, ...] | None = None
    invalid_input: tuple[str, ...] | None = None


def read_expectation(value: Any, path: str) -> Expectation:
    """Read the `expect` of a scenario.

    Raises DocumentInvalid with the path of what is wrong.
    """
    reader = Reader(value, path)
    expectation = Expectation(
        first=_read_execution(reader),
        children=reader.each("children", _read_child),
        calls=_read_calls(reader),
        never_called=reader.texts("never_called") or (),
        inputs=reader.mapping("inputs", _read_inputs) or {},
        max_in_flight=reader.count("max_in_flight"),
        refused=frozenset(reader.each("refused", as_count) or ()),
        invalid=reader.texts("invalid"),
        invalid_input=reader.texts("invalid_input"),
    )
    reader.done()
    return expectation


def _read_child(value: Any, path: str) -> ExecutionExpectation:
    reader = Reader(value, path)
    workflow = reader.needed_text("workflow")
    expectation = _read_execution(reader, workflow)
    reader.done()
    return expectation


def _read_execution(reader: Reader, workflow: str | None = None) -> ExecutionExpectation:
    return ExecutionExpectation(
        workflow=workflow,
        status=reader.text("status"),
        error=_read_code(reader),
        output=reader.take("output", UNSAID),
        output_includes=reader.take("output_includes", UNSAID),
        steps=reader.mapping("steps", _read_step) or {},
        absent=reader.texts("absent") or (),
        before=reader.each("before", _read_before) or (),
        elapsed=reader.duration("elapsed"),
        elapsed_between=_read_between(reader),
        journal=reader.each("journal", _read_entry) or (),
        journal_never=reader.each("journal_never", _read_entry) or (),
    )


def _read_step(value: Any, path: str) -> StepExpectation:
    if isinstance(value, str):
        return StepExpectation(status=value)
    reader = Reader(value, path)
    expectation = StepExpectation(
        status=reader.text("status"),
        attempts=reader.count("attempts"),
        output=reader.take("output", UNSAID),
        output_includes=reader.take("output_includes", UNSAID),
        error=_read_code(reader),
    )
    reader.done()
    return expectation


def _read_code(reader: Reader) -> Any:
    code = reader.take("error", UNSAID)
    return code if code is UNSAID or code is None else as_text(code, reader.at("error"))


def _read_calls(reader: Reader) -> tuple[str, ...] | dict[str, int] | None:
    if not reader.has("calls"):
        return None
    value = reader.take("calls")
    if isinstance(value, list):
        return tuple(as_text(member, f"{reader.at('calls')}[{place}]") for place, member in enumerate(value))
    if isinstance(value, dict):
        return {method: as_count(often, f"{reader.at('calls')}.{method}") for method, often in value.items()}
    raise refuse(reader.at("calls"), "must be a list of methods, or an object of how often each is called")


def _read_inputs(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise refuse(path, "must be the list of all inputs")
    return value


def _read_before(value: Any, path: str) -> tuple[str, str]:
    first, second = as_pair(value, path)
    return as_text(first, f"{path}[0]"), as_text(second, f"{path}[1]")


def _read_between(reader: Reader) -> tuple[int, int] | None:
    if not reader.has("elapsed_between"):
        return None
    path = reader.at("elapsed_between")
    low, high = as_pair(reader.take("elapsed_between"), path)
    return as_duration(low, f"{path}[0]"), as_duration(high, f"{path}[1]")


def _read_entry(value: Any, path: str) -> tuple[str, str]:
    if not isinstance(value, list) or len(value) not in (1, 2):
        raise refuse(path, "must be [type, step], or [type] for the execution's own")
    words = [as_text(member, f"{path}[{place}]") for place, member in enumerate(value)]
    return words[0], words[1] if len(words) == 2 else ""

"""Scenario files: what one says, read strictly, so that a slip in it is told instead of checking nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.domain.documents import read_document
from orchestration.domain.errors import DocumentInvalid
from orchestration.domain.facts import Cancel, Pause, Rerun, Resume, Retry, Signal
from orchestration.domain.limits import Limits

from .expected import Expectation, read_expectation
from .reading import Reader, refuse
from .script import Script, read_script

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
UNFIT_VALUES = frozenset({"document.not_finite", "value.range", "text.format"})
"""Problems that a scenario may have on purpose: a service answers with NaN, a definition contains it."""

FILE_LIMITS = Limits(definition_bytes=16 * 1024 * 1024, document_nodes=2_000_000, document_depth=512)


@dataclass(frozen=True, slots=True)
class Publish:
    """A message on the bus."""

    topic: str
    payload: Any = None


Action = Pause | Resume | Cancel | Retry | Rerun | Signal | Publish


@dataclass(frozen=True, slots=True)
class TimedAction:
    """What is done from outside, `at` microseconds after the start."""

    at: int
    action: Action


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario. `definition` is an object, or the text of one that a parser has to read."""

    name: str
    definition: Any
    children: tuple[Any, ...]
    input: dict[str, Any]
    secrets: dict[str, Any]
    services: dict[str, Script]
    actions: tuple[TimedAction, ...]
    expect: Expectation
    virtual_only: bool


def find_scenario_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Return the scenario files among `paths`: files as they are, folders with all that lies in them, by name.

    A path that does not exist is returned as it is, so that reading it tells.
    """
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES and each.is_file())
        else:
            yield path


NOT_FINITE = "document.not_finite"
"""A script may have a service answer what JSON does not have."""


def load_scenario(path: Path) -> Scenario:
    """Read the scenario of a file.

    Raises DocumentInvalid with what is wrong with it, OSError if there is no such file.
    """
    document, problems = read_document(path.read_bytes(), limits=FILE_LIMITS)
    problems = [problem for problem in problems if problem.code != NOT_FINITE]
    if problems:
        raise DocumentInvalid("the file cannot be read", problems)
    return read_scenario(document, name=path.stem)


def read_scenario(document: Any, *, name: str = "") -> Scenario:
    """Read a scenario that has been parsed; `name` is for one that does not say its own.

    Raises DocumentInvalid with the path of what is wrong.
    """
    reader = Reader(document, "")
    reader.text("about")
    scenario = Scenario(
        name=reader.text("scenario") or name,
        definition=_read_definition(reader),
        children=tuple(reader.sequence("children") or ()),
        input=reader.mapping("input", lambda value, _: value) or {},
        secrets=reader.mapping("secrets", lambda value, _: value) or {},
        services=_read_services(reader),
        actions=reader.each("actions", _read_action) or (),
        expect=read_expectation(reader.take("expect", None), reader.at("expect")),
        virtual_only=bool(reader.boolean("virtual_only")),
    )
    reader.done()
    _check_actions(scenario)
    return scenario


def _read_definition(reader: Reader) -> Any:
    both = reader.has("definition"), reader.has("definition_text")
    definition, text = reader.take("definition"), reader.text("definition_text")
    if both == (True, True):
        raise refuse("definition_text", "does not go with definition")
    if both == (False, False):
        raise refuse("definition", "is missing")
    return definition if text is None else text


def _read_services(reader: Reader) -> dict[str, Script]:
    services = reader.mapping("services", read_script) or {}
    for name in services:
        service, dot, method = name.rpartition(".")
        if not (service and dot and method):
            raise refuse(f"services.{name}", "must be named service.method")
    return services


def _read_action(value: Any, path: str) -> TimedAction:
    reader = Reader(value, path)
    at = reader.duration("at")
    if at is None:
        raise refuse(reader.at("at"), "is missing")
    action = _read_deed(reader, reader.needed_text("do"))
    reader.done()
    return TimedAction(at, action)


def _read_deed(reader: Reader, deed: str) -> Action:
    match deed:
        case "pause":
            return Pause()
        case "resume":
            return Resume()
        case "cancel":
            return Cancel(compensate=bool(reader.boolean("compensate")))
        case "retry":
            return Retry()
        case "rerun":
            return Rerun(step=reader.needed_text("step"))
        case "signal":
            return Signal(name=reader.needed_text("name"), value=reader.take("value"), by=reader.text("by"))
        case "event":
            return Publish(topic=reader.needed_text("topic"), payload=reader.take("payload"))
    known = "pause, resume, cancel, retry, rerun, signal and event"
    raise refuse(reader.at("do"), f"{deed!r} is none of {known}")


def _check_actions(scenario: Scenario) -> None:
    before = 0
    for place, timed in enumerate(scenario.actions):
        if timed.at < before:
            raise refuse(f"actions[{place}].at", "actions stand in order of time")
        before = timed.at
    for position in scenario.expect.refused:
        if position >= len(scenario.actions):
            raise refuse("expect.refused", f"there is no action {position}")


def reason_of(error: Exception) -> str:
    """Return why a file is no scenario, all problems in one line."""
    if isinstance(error, DocumentInvalid) and error.problems:
        return "; ".join(f"{each.path}: {each.message}" if each.path else each.message for each in error.problems)
    return str(error)

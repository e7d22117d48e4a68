"""From a history to a scenario: what ran, how much of it came, what the services were like, and what that rests on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestration.domain.errors import Problem
from orchestration.domain.graph import Graph
from orchestration.domain.instants import format_instant
from orchestration.domain.lifecycle import COMPLETED
from orchestration.domain.limits import MICROSECONDS
from simulation.scenarios.language import ScenarioInvalid, calls_in
from simulation.streams import Floats, Streams

from .arrivals import PIECEWISE, TRACE, ArrivalsFit, fit_arrivals
from .attempts import Reading, Recorded, read
from .cases import CasesFit, fit_cases
from .deciding import deciding
from .dependence import Instants, together
from .pace import Paces, paces
from .repeats import owing
from .services import Apart, Calls, Registered, ServiceFit, calls_of, fit_service

LEAST_WAKE_UP = 0.001
"""Delays of starts below a millisecond are not worth a model (seconds)."""

PLENTY = 10_000
"""Slots of the worker in a fitted scenario: how many executions the real ones hold is not in the recording."""


@dataclass(frozen=True, slots=True)
class History:
    """What was recorded of one workflow from `since` to `until` (microseconds), with the executions that it started.

    `graphs` are by (workflow, revision); `current` are the definitions that run now, by workflow.
    `arrivals` are the instants of all starts, `executions` those that were read: `cap` at most, in blocks spread
    evenly.
    """

    workflow: str
    since: int
    until: int
    arrivals: Instants
    executions: Sequence[Recorded]
    graphs: Mapping[tuple[str, int], Graph]
    current: Mapping[str, Mapping[str, Any]]
    registered: Mapping[str, Registered]
    filters: tuple[str, ...]
    cap: int

    @property
    def length(self) -> float:
        """Return the window's length in seconds."""
        return (self.until - self.since) / MICROSECONDS

    @property
    def roots(self) -> list[Recorded]:
        """Return the executions that were not started by another one."""
        return [each for each in self.executions if each.depth == 0]


@dataclass(frozen=True, slots=True)
class HistoryFit:
    """A fitted scenario: its document, and the instants (seconds) where arrivals are replayed."""

    document: dict[str, Any]
    services: Mapping[str, ServiceFit]
    arrivals: ArrivalsFit
    cases: CasesFit
    trace: Floats | None
    warnings: tuple[str, ...]


def fit_history(
    history: History, *, seed: int, slos: Sequence[Mapping[str, Any]] = (), replay: bool = False
) -> HistoryFit:
    """Return the scenario that a history comes to. `slos` are promises, `replay` has arrivals come as recorded.

    Raises ScenarioInvalid where nothing was recorded that a model could rest on.
    """
    try:
        return _fit(history, seed, slos, replay)
    except ValueError as error:
        raise ScenarioInvalid(str(error), [Problem("", "fit.impossible", str(error))]) from None


def _fit(history: History, seed: int, slos: Sequence[Mapping[str, Any]], replay: bool) -> HistoryFit:
    streams = Streams(seed)
    times = (np.sort(history.arrivals) - history.since) / MICROSECONDS
    arrivals = fit_arrivals(history.workflow, times, history.length)
    reading = read(history.executions, history.graphs, until=history.until)
    said = list(arrivals.warnings)
    calls = {name: calls_of(name, reading) for name in _called(history.current.values())}
    apart = Apart(owing(reading.attempts), _paces(calls.values()))
    services = _services(history, reading, calls, apart, streams, slos, said)
    if not services and reading.attempts == [] and list(_called(history.current.values())):
        raise ValueError(f"{history.workflow}: none of its services was called in the window, so nothing can be fitted")
    cases = fit_cases(
        history.executions,
        history.graphs,
        until=history.until,
        decides=deciding(history.current),
        owing=apart.owing,
        paces=apart.paces,
    )
    said += cases.warnings
    if not apart.paces.of:
        said += _going_together(history, reading)
    document = _document(history, services, arrivals, slos, replay, tuple(dict.fromkeys(said)))
    document["workloads"][0] |= cases.document
    document["provenance"] |= {
        "cases": cases.as_json(),
        "repeats": {step: each.as_json() for step, each in apart.owing.steps.items()},
        "paces": apart.paces.as_json(),
    }
    trace = times if replay or arrivals.how == TRACE else None
    return HistoryFit(document, services, arrivals, cases, trace, tuple(dict.fromkeys(said)))


def _services(
    history: History,
    reading: Reading,
    calls: Mapping[str, Calls],
    apart: Apart,
    streams: Streams,
    slos: Sequence[Mapping[str, Any]],
    said: list[str],
) -> dict[str, ServiceFit]:
    """Return the models of the services that were called; what is to be said of them is put with `said`."""
    p99 = any("p99" in each for each in slos)
    services: dict[str, ServiceFit] = {}
    for name, of_service in calls.items():
        if not of_service.attempts:
            said.append(f"{name}: it was not called in the window; the model answers at once")
            continue
        services[name] = fit_service(
            name,
            reading,
            history.registered.get(name),
            streams=streams,
            p99_asked=p99,
            calls=of_service,
            apart=apart,
        )
        said += services[name].warnings
    return services


def _paces(calls: Iterable[Calls]) -> Paces:
    """Return the executions' paces, by the times of successes without the waiting at busy services."""
    seen = [
        (attempt, time)
        for each in calls
        for attempt, time in zip(each.attempts, each.places.service.tolist(), strict=True)
        if attempt.outcome == COMPLETED
    ]
    return paces(
        [attempt.execution for attempt, _ in seen],
        [f"{attempt.workflow}.{attempt.step}" for attempt, _ in seen],
        np.array([time for _, time in seen], dtype=np.float64),
    )


def _document(
    history: History,
    services: Mapping[str, ServiceFit],
    arrivals: ArrivalsFit,
    slos: Sequence[Mapping[str, Any]],
    replay: bool,
    said: tuple[str, ...],
) -> dict[str, Any]:
    how = TRACE if replay else arrivals.how
    models = {
        name: dict(services[name].document)
        if name in services
        else {"times": {"kind": "fixed", "time": 0}, **_as_registered(history.registered.get(name))}
        for name in _called(history.current.values())
    }
    document: dict[str, Any] = {
        "scenario": _name(f"{history.workflow}-fitted"),
        "description": f"{history.workflow} as it was from {_instant(history.since)} to {_instant(history.until)}.",
        "horizon": round(history.length, 3),
        "transient": how in (TRACE, PIECEWISE),
        "workflows": [dict(each) for each in history.current.values()],
        "workloads": [
            {
                "name": _name(history.workflow),
                "workflow": history.workflow,
                "arrivals": {"kind": TRACE} if replay else dict(arrivals.document),
                "input": _typical_input(history),
            }
        ],
        "services": models,
        "provenance": _provenance(history, services, arrivals, said),
    }
    wake_up = _start_delay(history)
    if wake_up >= LEAST_WAKE_UP:
        document["workers"] = {"count": 1, "slots": PLENTY, "wake_up": round(wake_up, 6)}
    if slos:
        document["slos"] = [{"workload": _name(history.workflow), **each} for each in slos]
    return document


def _provenance(
    history: History, services: Mapping[str, ServiceFit], arrivals: ArrivalsFit, said: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "workflow": history.workflow,
        "from": _instant(history.since),
        "to": _instant(history.until),
        "started": int(history.arrivals.size),
        "read": len(history.roots),
        "cap": history.cap,
        "filters": list(history.filters),
        "data_hash": data_hash(history),
        "censoring": "Kaplan-Meier (1958); families by censored likelihood; goodness by parametric bootstrap",
        "arrivals": arrivals.as_json(),
        "services": {name: each.as_json() for name, each in services.items()},
        "warnings": list(said),
    }


def data_hash(history: History) -> str:
    """Return what tells this recording from every other: SHA-256 over starts and journals, in their order."""
    digest = hashlib.sha256(np.sort(history.arrivals).tobytes())
    for each in sorted(history.executions, key=lambda each: each.id):
        digest.update(f"{each.id} {each.workflow} {each.revision} {each.created} {each.input_size}\n".encode())
        for entry in each.entries:
            if entry.at <= history.until:
                digest.update(f"{entry.seq} {entry.type} {entry.at} {entry.step}\n".encode())
    return digest.hexdigest()


def _called(definitions: Any) -> Iterator[str]:
    """Yield the services that definitions call, each once, also those that only undo."""
    known: set[str] = set()
    for definition in definitions:
        steps = definition.get("steps")
        for name in (*(name for _, name in calls_in(steps, "")), *_undoing(steps)):
            if name not in known:
                known.add(name)
                yield name


def _undoing(steps: Any) -> Iterator[str]:
    for step in steps or ():
        if "compensate" in step:
            yield step["compensate"]["service_name"]
        yield from _undoing(step.get("steps"))


def _as_registered(registered: Registered | None) -> dict[str, Any]:
    if registered is None:
        return {}
    found: dict[str, Any] = {"instances": max(1, registered.instances)}
    if registered.policy:
        found["policy"] = dict(registered.policy)
    return found


def _typical_input(history: History) -> dict[str, Any]:
    """Return the input of the latest execution that completed, of the latest one where none did."""
    roots = history.roots
    done = [each for each in roots if each.status == COMPLETED] or roots
    return dict(max(done, key=lambda each: each.created).input) if done else {}


def _start_delay(history: History) -> float:
    """Return the lower quartile of the time from a start to its first entry (seconds): few waited for a place."""
    delays = [(each.started - each.created) / MICROSECONDS for each in history.roots if each.started is not None]
    return float(np.quantile(delays, 0.25)) if delays else 0.0


def _going_together(history: History, reading: Reading) -> list[str]:
    seen = [each for each in reading.attempts if each.outcome == COMPLETED]
    found = together(
        [each.execution for each in seen],
        [f"{each.service}.{each.method}" for each in seen],
        np.array([each.ended - each.began for each in seen], dtype=np.float64),
    )
    if found is None or not found.notable:
        return []
    return [
        f"{history.workflow}: times of an execution's steps go together (ρ up to {found.rho:.2f}); the model draws "
        "each apart, so whole executions vary less than real ones"
    ]


def _name(text: str) -> str:
    return text[:63].strip("-")


def _instant(at: int) -> str:
    return format_instant(at)

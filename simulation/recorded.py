"""Scenarios from what the platform recorded: fitted to a window, beginning now, or yesterday with another policy.

Each of the three asks `simulation.history` for what is on record, `simulation.fit` for models of it, and comes to an
ordinary scenario, so that what is simulated can be read, changed and simulated again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from orchestration.domain.calling.circuit import FIRST
from orchestration.domain.documents import merged
from orchestration.domain.durations import format_duration
from orchestration.domain.instants import format_instant
from orchestration.domain.lifecycle import COMPLETED
from orchestration.domain.limits import MICROSECONDS
from simulation.fit.arrivals import going_on
from simulation.fit.attempts import read
from simulation.fit.gates import MEMORY, recent_calls
from simulation.fit.scenario import History, HistoryFit, fit_history
from simulation.fit.times import FEW
from simulation.streams import Floats

from . import history as records

DAY = 86_400 * MICROSECONDS
HISTORY_DAYS = 7
"""Days that services are fitted to for a simulation that begins now."""

DAYS_BEFORE = 6
"""Days before the one that is replayed that services are fitted to, where enough was recorded."""

CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Told:
    """A scenario, the recorded starts that it replays (seconds; None: it does not), and what is under way (None)."""

    document: dict[str, Any]
    trace: Floats | None = None
    standing: Mapping[str, Any] | None = None


def fitted(
    *, team_id: int, workflow: str, since: int, until: int, seed: int, slos: Sequence[Mapping[str, Any]], cap: int
) -> Told:
    """Return the scenario that a recorded window comes to. Raises NotFound, LimitExceeded, ScenarioInvalid."""
    history = records.read_history(team_id=team_id, workflow=workflow, since=since, until=until, cap=cap)
    found = fit_history(history, seed=seed, slos=slos)
    return Told(found.document, found.trace)


def from_now(
    *,
    team_id: int,
    workflow: str,
    horizon: int,
    window: int,
    history: int,
    seed: int,
    slos: Sequence[Mapping[str, Any]],
    change: Mapping[str, Any] | None,
    cap: int,
) -> Told:
    """Return a scenario that begins with what is under way now and goes on for `horizon` (all in microseconds).

    Arrivals go on as in the last `window`, services are as in the last `history`; `change` is a merge patch.
    Raises NotFound, LimitExceeded, ScenarioInvalid.
    """
    # First what is under way: the fit takes a while, and the simulation begins at the instant of this reading.
    names = records.current_definitions(team_id=team_id, workflow=workflow)
    standing = records.read_now(team_id=team_id, workflows=names)
    now = standing.at
    past = records.read_history(team_id=team_id, workflow=workflow, since=now - history, until=now, cap=cap)
    found = fit_history(past, seed=seed, slos=slos)
    recent = np.sort(past.arrivals[past.arrivals >= now - window])
    arrivals, said = going_on(workflow, (recent - (now - window)) / MICROSECONDS, window / MICROSECONDS)
    document = found.document
    document["scenario"] = _name(workflow, "from-now")
    document["description"] = (
        f"{workflow} from {document['provenance']['to']} on for {format_duration(horizon)}, with what was under way, "
        f"starts as in the last {format_duration(window)}."
    )
    document["horizon"] = horizon / MICROSECONDS
    document["transient"] = True
    document["workloads"][0]["arrivals"] = arrivals
    warnings = [each for each in found.warnings if each not in found.arrivals.warnings]
    document["provenance"]["warnings"] = [*warnings, *said, *standing.warnings, *_unanswered(standing.document)]
    if change is not None:
        document = changed(document, change)
    _put_calls(standing, past)
    return Told(document, None, standing.document)


def from_yesterday(
    *,
    team_id: int,
    workflow: str,
    since: int,
    until: int,
    seed: int,
    slos: Sequence[Mapping[str, Any]],
    policy: Mapping[str, Any] | None,
    cap: int,
) -> Told:
    """Return a scenario that replays the starts of a window, as it was and, with `policy` (a merge patch), as changed.

    Services are fitted to the six days before the window where enough was recorded, else to the window itself: then the
    forecast has seen what it forecasts, and the scenario says so. Raises NotFound, LimitExceeded, ScenarioInvalid.
    """
    day = records.read_history(team_id=team_id, workflow=workflow, since=since, until=until, cap=cap)
    before = records.read_history(
        team_id=team_id, workflow=workflow, since=since - DAYS_BEFORE * DAY, until=since, cap=cap
    )
    held_out = _enough(before)
    found = _replayed(day, before if held_out else day, seed, slos)
    document = found.document
    document["scenario"] = _name(workflow, "replayed")
    rests = f"the {DAYS_BEFORE} days before" if held_out else "the same window, so the comparison flatters it"
    document["description"] = f"{workflow} as it was started from {_span(day)}; services fitted to {rests}."
    document["provenance"]["held_out"] = held_out
    document["recorded"] = {
        document["workloads"][0]["name"]: records.recorded_figures(
            team_id=team_id, workflow=workflow, since=since, until=until
        )
    }
    if policy is not None:
        document["variants"] = {CHANGED: _for_all_methods(document, policy)}
    return Told(document, found.trace)


def changed(document: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return a scenario with a change (a merge patch). A new failure share is one for all methods not named with it."""
    found: dict[str, Any] = merged(document, _for_all_methods(document, change))
    return found


def _for_all_methods(document: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    services = change.get("services")
    if not isinstance(services, Mapping):
        return dict(change)
    told: dict[str, Any] = {}
    for name, each in services.items():
        failures = each.get("failures") if isinstance(each, Mapping) else None
        fitted_methods = document["services"].get(name, {}).get("failures", {}).get("methods")
        if isinstance(failures, Mapping) and "share" in failures and "methods" not in failures and fitted_methods:
            told[name] = {**each, "failures": {**failures, "methods": None}}
        else:
            told[name] = each
    return {**change, "services": told}


def _replayed(day: History, past: History, seed: int, slos: Sequence[Mapping[str, Any]]) -> HistoryFit:
    """Return the fit of a window's starts with the services of another."""
    found = fit_history(day, seed=seed, slos=slos, replay=True)
    if past is day:
        return found
    earlier = fit_history(past, seed=seed, slos=slos)
    document = found.document
    document["services"] = earlier.document["services"]
    workload = document["workloads"][0]
    document["workloads"][0] = {**_without_cases(workload), **earlier.cases.document}
    document["provenance"] = {
        **document["provenance"],
        **{key: earlier.document["provenance"][key] for key in ("services", "cases", "repeats", "paces")},
        "services_from": earlier.document["provenance"]["from"],
        "services_to": earlier.document["provenance"]["to"],
        "services_hash": earlier.document["provenance"]["data_hash"],
        "warnings": list(earlier.warnings),
    }
    return found


def _without_cases(workload: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in workload.items() if key not in ("cases", "answers")}


def _enough(past: History) -> bool:
    """Say whether every service that is called was called so often before that its times can be fitted."""
    if past.arrivals.size < FEW:
        return False
    reading = read(past.executions, past.graphs, until=past.until)
    calls: dict[str, int] = {}
    for each in reading.attempts:
        if each.outcome == COMPLETED:
            calls[each.service] = calls.get(each.service, 0) + 1
    return bool(calls) and min(calls.values()) >= FEW


def _put_calls(standing: records.Now, past: History) -> None:
    """Put the calls of late with the gates: what they remember of them is kept by the workers alone."""
    known = {each.id for each in past.executions}
    lately = [each for each in past.executions if each.ended is None or each.ended > standing.at - MEMORY]
    lately += [each for each in standing.executions if each.id not in known]
    graphs = {**past.graphs, **standing.graphs}
    gates = standing.document["gates"]
    for name, calls in recent_calls(read(lately, graphs, until=standing.at).attempts, at=standing.at).items():
        gates.setdefault(name, {"verdict": asdict(FIRST), "held_until": 0, "due_at": 0})["calls"] = calls


def _unanswered(standing: Mapping[str, Any]) -> list[str]:
    waiting = sum(
        1
        for each in standing["executions"]
        if each["entries"] and each["entries"][-1][1] in ("step.waiting",) and "until" in each["entries"][-1][4]
    )
    if not waiting:
        return []
    return [f"{waiting} open executions wait for a time, a signal or a callback; signals and callbacks never come here"]


def _name(workflow: str, what: str) -> str:
    return f"{workflow[: 62 - len(what)].strip('-')}-{what}"


def _span(history: History) -> str:
    return f"{format_instant(history.since)} to {format_instant(history.until)}"

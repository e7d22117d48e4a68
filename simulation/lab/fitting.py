"""A scenario fitted to recorded days (`simulation.fit`), with the load of their busiest hour.

The fit takes services apart by method, step and outcome, times as they were recorded (empirical) with what timed out
censored. A question about capacity is one about the worst hour, so what arrives is fitted to that hour alone, and goes
on as it was there. At most `simulation_recorded` executions are read with their journals: a page waits for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from orchestration.domain.limits import MICROSECONDS
from simulation.fit.arrivals import going_on
from simulation.fit.scenario import History, fit_history
from simulation.scenarios.language import ScenarioInvalid
from simulation.statistics.intervals import percentile

from .filled import GUESSED_RATE, HOUR_SECONDS, Prefill, calls_of, promise_text, slug

SEED = 1
"""Where the chance of the fit comes from (its tests of goodness), so that one recording comes to one scenario."""

ENOUGH = 5
"""Recorded ends from which a promise is made up."""

GUESSED_TIME, GUESSED_CAPACITY = "100ms", 10
KEPT_OF_PROVENANCE = ("workflow", "from", "to", "started", "read", "cap", "filters", "data_hash", "censoring")
_HOUR = HOUR_SECONDS * MICROSECONDS


def fill(history: History, *, window: str) -> Prefill:
    """Return the scenario of what was recorded in a window; of what nothing was recorded, guesses that say so.

    Name, horizon and workflows are left to whoever asks.
    """
    filled = Prefill({}, window=window)
    arrivals, filled.per_second, load = _load(history, filled)
    try:
        found = fit_history(history, seed=SEED)
    except ScenarioInvalid as error:
        filled.notes.append(f"{error.message}. Times and capacities of all services are guesses.")
        filled.document = {"services": _guessed(history, filled)}
    else:
        filled.document = dict(found.document)
        provenance = found.document["provenance"]
        kept = {key: provenance[key] for key in KEPT_OF_PROVENANCE if key in provenance}
        said = [each for each in found.warnings if each not in found.arrivals.warnings]
        filled.document["provenance"] = {**kept, "warnings": [*load, *said]}
        filled.notes.append(f"Times, failures and capacities are fitted to {provenance['read']:,} of them.")
        filled.notes += said
    filled.notes += load
    for key in ("scenario", "description", "horizon", "transient", "workflows", "workloads", "slos"):
        filled.document.pop(key, None)
    filled.document["workloads"] = [
        {
            "name": slug(history.workflow),
            "workflow": history.workflow,
            "arrivals": arrivals,
            "input": _input(history),
        }
    ]
    filled.document["slos"] = [{"workload": slug(history.workflow), "p95": _promise(history, filled)}]
    return filled


def _load(history: History, filled: Prefill) -> tuple[dict[str, Any], float, tuple[str, ...]]:
    """Return how arrivals come in the busiest hour, how many a second on average, and what is to be said of it."""
    if not history.arrivals.size:
        filled.notes.append(f"No execution began in {filled.window}: {GUESSED_RATE:g} a second is a guess.")
        return {"kind": "poisson", "per_second": GUESSED_RATE}, GUESSED_RATE, ()
    hours, counts = np.unique(history.arrivals // _HOUR, return_counts=True)
    busiest = int(hours[np.argmax(counts)])
    inside = np.sort(history.arrivals[history.arrivals // _HOUR == busiest])
    arrivals, said = going_on(history.workflow, (inside - busiest * _HOUR) / MICROSECONDS, float(HOUR_SECONDS))
    filled.notes.append(
        f"{history.arrivals.size:,} executions began in {filled.window}; the load is that of the busiest hour, "
        f"{inside.size:,} of them."
    )
    if "per_second" in arrivals:
        arrivals["per_second"] = float(f"{arrivals['per_second']:.3g}")
    return arrivals, inside.size / HOUR_SECONDS, said


def _guessed(history: History, filled: Prefill) -> dict[str, Any]:
    names = [name for each in history.current.values() for _, name in calls_of(each.get("steps"))]
    found: dict[str, Any] = {}
    for name in dict.fromkeys(names):
        known = history.registered.get(name)
        service: dict[str, Any] = {"times": {"kind": "exponential", "mean": GUESSED_TIME}}
        service["instances"] = max(1, known.instances) if known is not None else 1
        service["capacity"] = (known.capacity if known is not None else None) or GUESSED_CAPACITY
        if known is not None and known.policy:
            service["policy"] = dict(known.policy)
        found[name] = service
    if found:
        filled.notes.append(f"Too few calls were recorded of {', '.join(found)}: their times are guesses.")
        filled.notes.append(f"How many calls an instance serves at once is not known: {GUESSED_CAPACITY} is a guess.")
    return found


def _promise(history: History, filled: Prefill) -> str:
    took = [each.ended - each.created for each in history.roots if each.ended is not None]
    if len(took) < ENOUGH:
        filled.notes.append("The promise of 95 % within 2 s is a guess; nothing was recorded to go by.")
        return "2s"
    filled.notes.append("The promise is one and a half times the recorded 95th percentile; change it to yours.")
    return promise_text(1.5 * percentile(np.sort(np.array(took, dtype=np.float64)), 0.95))


def _input(history: History) -> dict[str, Any]:
    """Return the input of the latest execution that was read."""
    return dict(max(history.roots, key=lambda each: each.created).input) if history.roots else {}

"""A scenario to begin with: a workflow as it is, its load and its services' times as the last days had them.

What is recorded is used, and what is not is a guess that says so. Times are those that callers saw, so what they waited
at a busy service is in them: at a low load that is little. The method is a plain one; whoever wants times with a
censoring of what timed out, arrivals that are tested, and the goodness of both, fits them (`simulate --fit`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import yaml

from orchestration import clock
from orchestration.domain.calling.policy import DEFAULT_POLICY, policy_document
from orchestration.domain.errors import NotFound
from orchestration.engine import queries as engine
from orchestration.registry import queries as registry

WINDOW = timedelta(days=7)
ENOUGH = 5
"""Recorded calls from which their times are believed rather than guessed."""

MANY = 30
"""Recorded calls from which they are taken as they are; fewer are told by their median and 99th percentile."""

KEPT = 40
"""Quantiles that stand for many recorded times."""

GUESSED_TIME = "100ms"
GUESSED_CAPACITY = 10
GUESSED_RATE = 1.0
LIKELY_EXECUTIONS = 3_000
"""Executions in a replication that a scenario begins with: enough for a 95th percentile, and quickly done."""

REPLICATIONS = 5
HOUR_SECONDS = 3_600
SHORTEST_SECONDS, LONGEST_SECONDS = 60, 90 * 86_400
DEEPEST = 10
_UNITS = (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1))


@dataclass(slots=True)
class Prefill:
    """A scenario's document, and what is to be said of where its numbers come from."""

    document: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def prefill(*, team_id: int, workflow: str) -> Prefill:
    """Return a scenario of a workflow as the last seven days had it. Raises NotFound."""
    definition = engine.get_workflow(team_id=team_id, workflow=workflow).document
    seen = engine.lately(team_id=team_id, workflow=workflow, since=clock.now() - WINDOW)
    example = None if seen.example is None else engine.get_execution(team_id=team_id, execution_id=seen.example)
    filled = Prefill({})
    rate = _rate(seen, filled)
    whole = 86_400 if rate < 0.01 else 3_600 if rate < 0.3 else 60
    horizon = min(LONGEST_SECONDS, max(SHORTEST_SECONDS, math.ceil(LIKELY_EXECUTIONS / rate / whole) * whole))
    workload = _slug(workflow)
    filled.document = {
        "scenario": workload,
        "description": f"{definition.get('name') or workflow}, as the last seven days had it.",
        "horizon": duration_text(horizon * 1_000_000),
        "replications": REPLICATIONS,
        "workflows": list(_with_children(team_id, definition)),
        "workloads": [
            {
                "name": workload,
                "workflow": workflow,
                "arrivals": {"kind": "poisson", "per_second": rate},
                "input": example.input if example is not None and isinstance(example.input, dict) else {},
            }
        ],
        "services": _services(team_id, definition, seen, example, filled),
        "slos": [{"workload": workload, "p95": _promise(seen, filled)}],
    }
    return filled


def blank() -> Prefill:
    """Return a scenario to begin with where there is no workflow yet."""
    step = {"id": "call", "type": "service", "service_name": "service", "method": "do", "timeout": "10s"}
    document = {
        "scenario": "my-scenario",
        "horizon": "10m",
        "replications": REPLICATIONS,
        "workflows": [{"id": "work", "steps": [step], "output": {}}],
        "workloads": [{"name": "work", "workflow": "work", "arrivals": {"kind": "poisson", "per_second": 5}}],
        "services": {"service": {"times": {"kind": "exponential", "mean": GUESSED_TIME}}},
        "slos": [{"workload": "work", "p95": "1s"}],
    }
    return Prefill(document, ["There is no workflow of yours in it: everything here is an example."])


def text_of(document: dict[str, Any]) -> str:
    """Return a scenario's document as a YAML text."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Dumper(yaml.SafeDumper):
    """Writes out what is given twice: the platform reads no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Say that nothing is written as an alias."""
        return True


def duration_text(microseconds: int) -> str:
    """Return a duration as scenarios write it: `1m30s`, `250ms`."""
    told, left = "", microseconds
    for unit, length in _UNITS:
        count, left = divmod(left, length)
        told += f"{count}{unit}" if count else ""
    return told or "0us"


def _rate(seen: engine.Lately, filled: Prefill) -> float:
    if not seen.busiest:
        filled.notes.append(f"No execution began in the last seven days: {GUESSED_RATE:g} a second is a guess.")
        return GUESSED_RATE
    rate = float(f"{seen.busiest / HOUR_SECONDS:.3g}")
    filled.notes.append(
        f"{seen.executions:,} executions began in the last seven days; the load is that of the busiest hour, "
        f"{seen.busiest:,} of them."
    )
    return rate


def _promise(seen: engine.Lately, filled: Prefill) -> str:
    if len(seen.took) < ENOUGH:
        filled.notes.append("The promise of 95 % within 2 s is a guess; nothing was recorded to go by.")
        return "2s"
    micros = round(1.5 * _quantile(seen.took, 0.95))
    coarse = 1_000_000 if micros > 10_000_000 else 100_000 if micros > 1_000_000 else 10_000
    micros = math.ceil(micros / coarse) * coarse
    filled.notes.append("The promise is one and a half times the recorded 95th percentile; change it to yours.")
    return duration_text(micros)


def _with_children(team_id: int, definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    known, waiting = {definition["id"]}, [definition]
    while waiting and len(known) <= DEEPEST:
        each = waiting.pop(0)
        yield each
        for child in sorted(_children(each.get("steps"))):
            if child in known:
                continue
            known.add(child)
            try:
                waiting.append(engine.get_workflow(team_id=team_id, workflow=child).document)
            except NotFound:
                continue
    yield from waiting


def _children(steps: Any) -> set[str]:
    found: set[str] = set()
    for step in steps if isinstance(steps, list) else ():
        if step.get("type") == "subflow" and isinstance(step.get("workflow"), str):
            found.add(step["workflow"])
        found |= _children(step.get("steps"))
    return found


def calls_of(steps: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path (`parts.fetch`) and the service of every call in a list of steps, compensations included."""
    for step in steps if isinstance(steps, list) else ():
        path = f"{above}{step.get('id')}"
        for part in (step, step.get("compensate")):
            if isinstance(part, dict) and isinstance(part.get("service_name"), str):
                yield path, part["service_name"]
        yield from calls_of(step.get("steps"), f"{path}.")


def _services(
    team_id: int, definition: dict[str, Any], seen: engine.Lately, example: Any, filled: Prefill
) -> dict[str, dict[str, Any]]:
    by_service: dict[str, list[str]] = {}
    for workflow in _with_children(team_id, definition):
        for path, service in calls_of(workflow.get("steps")):
            by_service.setdefault(service, []).append(path)
    registered = {each.name: each for each in registry.list_services(team_id=team_id)}
    told = {name: _service(paths, seen, registered.get(name)) for name, paths in by_service.items()}
    outputs = {each.path: each.output for each in example.steps} if example is not None else {}
    for name, paths in by_service.items():
        merged: dict[str, Any] = {}
        for path in paths:
            if isinstance(outputs.get(path), dict):
                merged |= outputs[path]
        if merged:
            told[name]["output"] = merged
    guessed = [name for name, paths in by_service.items() if _recorded(paths, seen) < ENOUGH]
    if guessed:
        filled.notes.append(f"Too few calls were recorded of {', '.join(guessed)}: their times are guesses.")
    if told:
        filled.notes.append(
            f"How many calls an instance serves at once is not recorded: {GUESSED_CAPACITY} is a guess."
        )
    return told


def _recorded(paths: list[str], seen: engine.Lately) -> int:
    return sum(len(seen.calls.get(path, ())) for path in set(paths))


def _service(paths: list[str], seen: engine.Lately, known: Any) -> dict[str, Any]:
    times = sorted(each for path in set(paths) for each in seen.calls.get(path, ()))
    told: dict[str, Any] = {"times": _times(times)}
    told["instances"] = max(1, known.usable) if known is not None else 1
    told["capacity"] = GUESSED_CAPACITY
    attempts = sum(seen.attempts.get(path, 0) for path in set(paths))
    failures = sum(seen.failures.get(path, 0) for path in set(paths))
    if attempts >= ENOUGH and failures:
        told["failures"] = {"share": float(f"{min(0.99, failures / attempts):.3g}")}
    if known is not None and (policy := _different(known.policy, policy_document(DEFAULT_POLICY))):
        told["policy"] = policy
    return told


def _times(times: list[int]) -> dict[str, Any]:
    if len(times) < ENOUGH:
        return {"kind": "exponential", "mean": GUESSED_TIME}
    if len(times) < MANY:
        p50, p99 = (_rounded(_quantile(times, share)) for share in (0.5, 0.99))
        return {"kind": "lognormal", "p50": duration_text(p50), "p99": duration_text(max(p99, p50 + p50 // 20 + 1))}
    kept = [_rounded(_quantile(times, (place + 0.5) / KEPT)) for place in range(KEPT)]
    return {"kind": "empirical", "values": [duration_text(each) for each in kept]}


def _quantile(values: list[int], share: float) -> int:
    """Return the `share` quantile of some values, by order statistics."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _rounded(micros: int) -> int:
    """Return a time to three digits."""
    return max(1, int(float(f"{micros:.3g}")))


def _different(given: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """Return what is not as usual, section by section."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        if isinstance(value, dict) and isinstance(usual.get(key), dict):
            if inner := _different(value, usual[key]):
                found[key] = inner
        elif value != usual.get(key):
            found[key] = value
    return found


def _slug(workflow: str) -> str:
    plain = re.sub(r"[^a-z0-9-]+", "-", workflow.lower()).strip("-")
    return (plain if plain[:1].isalpha() else f"w-{plain}")[:63].rstrip("-")

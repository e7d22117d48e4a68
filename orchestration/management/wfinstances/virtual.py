"""How long an imported definition takes where nothing takes time but its tasks: the domain in virtual time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestration.domain.errors import InvariantViolated
from orchestration.domain.limits import MICROSECONDS
from orchestration.management.conformance.scenario import read_scenario
from orchestration.management.conformance.virtual import play
from orchestration.management.wfinstances.definition import METHOD, SERVICE


def virtual_makespan(definition: Mapping[str, Any]) -> int:
    """Return the microseconds from start to end of an imported definition in virtual time.

    Raises InvariantViolated where it does not complete.
    """
    answers = [{"when": {"us": us}, "after": us / MICROSECONDS} for us in sorted(set(_durations(definition)))]
    services = {f"{SERVICE}.{METHOD}": answers} if answers else {}
    record = play(
        read_scenario({"scenario": "recording", "definition": definition, "services": services, "expect": {}})
    )
    run = record.first
    if run is None or run.status != "completed" or run.started_at is None or run.ended_at is None:
        ending = record.trouble or (run.status if run else f"invalid: {record.invalid}")
        raise InvariantViolated(f"{definition['id']} does not complete in virtual time: {ending}")
    return run.ended_at - run.started_at


def _durations(definition: Mapping[str, Any]) -> Iterator[int]:
    for step in definition["steps"]:
        if step["type"] == "service":
            yield step["input"]["us"]

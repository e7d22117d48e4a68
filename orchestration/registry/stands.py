"""How a team's services may be called just now, as all processes hold it: read for a simulation that begins now."""

from __future__ import annotations

from dataclasses import dataclass

from orchestration.domain.calling.circuit import FIRST, Verdict

from .models import CallingState, Service


@dataclass(frozen=True, slots=True)
class CallingStand:
    """A service's circuit, until when it asked to be left alone, when its rate's bucket is full again (microseconds).

    `service` is its name; 0 stands for an instant that is over long ago.
    """

    service: str
    verdict: Verdict = FIRST
    held_until: int = 0
    due_at: int = 0


def calling_stands(*, team_id: int) -> tuple[CallingStand, ...]:
    """Return how the team's services stand, by name; those of which nothing was ever said are left out."""
    names = dict(Service.objects.filter(team_id=team_id).values_list("pk", "name"))
    rows = CallingState.objects.filter(service__team_id=team_id)
    found = (
        CallingStand(
            names[row.service_id],
            Verdict(row.number, row.state, row.until, row.openings, row.trial_until, row.recovered_at),
            row.held_until,
            row.due_at,
        )
        for row in rows
        if row.service_id in names
    )
    return tuple(sorted(found, key=lambda each: each.service))

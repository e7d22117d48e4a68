"""What a result says of recorded arrivals: a trace that Poisson arrivals must not stand for is called that."""

from __future__ import annotations

from collections.abc import Iterator

from simulation.arrivals.dispersion import WINDOWS, dispersion
from simulation.arrivals.processes import Trace
from simulation.world.world import WorldModel


def notes_on_traces(world: WorldModel) -> Iterator[str]:
    """Yield a note for each recorded workload that is not like Poisson arrivals; too short ones are not judged."""
    for workload in world.workloads:
        if not isinstance(workload.load, Trace):
            continue
        try:
            found = dispersion(workload.load.times / workload.load.speed)
        except ValueError:
            continue
        if not found.nearly_poisson:
            yield (
                f"{workload.name}: the recorded arrivals are not Poisson's: counts in windows of {WINDOWS[0]:g} s vary "
                f"{found.indices[0]:.1f} times as much, gaps have a coefficient of variation of "
                f"{found.gap_variation:.1f}, where Poisson's have 1; a simulation with a mean rate would be wrong"
            )

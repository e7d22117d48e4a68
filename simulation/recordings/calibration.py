"""Three numbers for a platform from recordings on it, and how well they foretell a recording that was left out.

Fitted are `latency`, `dispatch` and a third number, `stretch` or `transfer`: whichever explains the recordings better,
never both. What is made small is the mean square of ln(predicted / measured), plus for each number the square of its
distance from what is usual (`USUAL_...`), weighted by the variance of a makespan that nobody can explain (`NOISE`):
with two or three recordings several sets of numbers explain them equally well, and of these the most usual one is
taken. This is the maximum a posteriori estimate for lognormal makespans (Bishop, Pattern Recognition and Machine
Learning, 2006, 3.3).

What is usual comes from the documentation of HTCondor and DAGMan and from a gigabit link; how far from it is still
usual, and the platform's form, were chosen with all recordings in sight. Left out is only what the three numbers are
fitted to.

The numbers are looked for on a lattice of eighth powers of two, from fixed starting points to the best neighbour until
none is better, so the same recordings give the same numbers on every machine. Only training recordings are asked how
long they took.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from .platform import Overheads
from .reading import RecordedWorkflow
from .schedule import scheduled_makespan

NOISE = 0.11
"""The share by which the makespan of a recording differs though everything that is modelled is the same."""

USUAL_LATENCY = 60.0
"""Seconds between two negotiation cycles of HTCondor, as it comes (NEGOTIATOR_INTERVAL)."""

LATENCY_SPREAD = 1.5
"""How far latencies differ, in powers of e: from pools that are idle to those that first move data to each machine."""

USUAL_DISPATCH = 1.0
"""Seconds for each job, with five submissions in each of DAGMan's intervals of five seconds."""

USUAL_TRANSFER = 8.0
"""Seconds for each gigabyte over a link of a gigabit a second: up to about this a transfer time surprises nobody."""

USUAL_STRETCH = 2.0
"""Seconds for each second of work: up to about this a stretch surprises nobody."""

LATENCIES = tuple(USUAL_LATENCY * 2 ** (step / 8) for step in range(-32, 33))
DISPATCHES = tuple(USUAL_DISPATCH * 2 ** (step / 8) for step in range(-24, 57))
STRETCHES = tuple((2 ** (step / 8) - 1) / 10 for step in range(41))
TRANSFERS = tuple(2 ** (step / 8) - 1 for step in range(49))
STRETCH, TRANSFER = "stretch", "transfer"
STEPS = (4, 2, 1)
"""How far neighbours are apart: at first on a coarse lattice, then on finer ones."""

Place = tuple[str, int, int, int]
"""A point of the lattice: which the third number is, and the places of all three in their rows."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A recording that was left out: seconds as measured, as foretold by the others, and with no overheads at all."""

    workflow: str
    measured: float
    predicted: float
    naive: float
    overheads: Overheads

    @property
    def error(self) -> float:
        """Return how far the prediction is from what was measured, as a share of it."""
        return abs(self.predicted / self.measured - 1)


class Calibration:
    """The search for numbers. It remembers every makespan that it asked for."""

    def __init__(self) -> None:
        self._makespans: dict[tuple[str, Place], float] = {}

    def fit(self, recordings: Sequence[RecordedWorkflow]) -> Overheads:
        """Return the numbers that explain recordings best. Raises ValueError for none."""
        if not recordings:
            raise ValueError("numbers are fitted to at least one recording")
        found = [self._descend(start, recordings) for start in _starts()]
        return _overheads(min(found)[1])

    def leave_one_out(self, recordings: Sequence[RecordedWorkflow]) -> list[Prediction]:
        """Foretell each recording by numbers that were fitted to the others. Raises ValueError for less than two."""
        predictions = []
        for left_out in recordings:
            overheads = self.fit([each for each in recordings if each is not left_out])
            predictions.append(
                Prediction(
                    left_out.name,
                    left_out.makespan,
                    scheduled_makespan(left_out, overheads),
                    scheduled_makespan(left_out, Overheads()),
                    overheads,
                )
            )
        return predictions

    def _descend(self, place: Place, recordings: Sequence[RecordedWorkflow]) -> tuple[float, Place]:
        best = (self._misfit(place, recordings), place)
        for step in STEPS:
            while (around := self._best_around(best[1], step, recordings)) < best:
                best = around
        return best

    def _best_around(self, place: Place, step: int, recordings: Sequence[RecordedWorkflow]) -> tuple[float, Place]:
        return min((self._misfit(each, recordings), each) for each in _neighbours(place, step))

    def _misfit(self, place: Place, recordings: Sequence[RecordedWorkflow]) -> float:
        ratios = [math.log(self._makespan(each, place) / each.makespan) for each in recordings]
        return sum(ratio * ratio for ratio in ratios) / len(ratios) + NOISE**2 * _strangeness(_overheads(place))

    def _makespan(self, recorded: RecordedWorkflow, place: Place) -> float:
        known = self._makespans.get((recorded.name, place))
        if known is None:
            known = self._makespans[recorded.name, place] = scheduled_makespan(recorded, _overheads(place))
        return known


def mean_error(predictions: Sequence[Prediction]) -> float:
    """Return the mean absolute error of predictions, as a share of what was measured (MAPE / 100)."""
    return sum(each.error for each in predictions) / len(predictions)


def naive_error(predictions: Sequence[Prediction]) -> float:
    """Return the same for a platform that costs nothing: the tasks on their machines, and no more."""
    return sum(abs(each.naive / each.measured - 1) for each in predictions) / len(predictions)


def _strangeness(overheads: Overheads) -> float:
    """Return the squared distance of numbers from what is usual; 1 for one number that is e times as large."""
    return (
        (math.log(overheads.latency / USUAL_LATENCY) / LATENCY_SPREAD) ** 2
        + math.log(overheads.dispatch / USUAL_DISPATCH) ** 2
        + (overheads.stretch / USUAL_STRETCH) ** 2
        + (overheads.transfer / USUAL_TRANSFER) ** 2
    )


def _overheads(place: Place) -> Overheads:
    third, latency, dispatch, amount = place
    if third == STRETCH:
        return Overheads(LATENCIES[latency], DISPATCHES[dispatch], stretch=STRETCHES[amount])
    return Overheads(LATENCIES[latency], DISPATCHES[dispatch], transfer=TRANSFERS[amount])


def _starts() -> list[Place]:
    """Return what is usual, and points where one number or two are far from it: the valley has side valleys."""
    return [
        (third, LATENCIES.index(USUAL_LATENCY) + latency, DISPATCHES.index(USUAL_DISPATCH) + dispatch, amount)
        for third in (STRETCH, TRANSFER)
        for latency, dispatch, amount in ((0, 0, 0), (16, 0, 0), (-16, 24, 0), (0, 0, 24), (16, 0, 24))
    ]


def _neighbours(place: Place, step: int) -> list[Place]:
    third, amounts = place[0], place[1:]
    rows = (LATENCIES, DISPATCHES, STRETCHES if third == STRETCH else TRANSFERS)
    near = [
        [each for each in (amount - step, amount, amount + step) if 0 <= each < len(row)]
        for amount, row in zip(amounts, rows, strict=True)
    ]
    return [(third, latency, dispatch, amount) for latency, dispatch, amount in product(*near)]

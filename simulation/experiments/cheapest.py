"""The cheapest set-up that keeps all promises.

More of a turned number never makes it worse (more servers never lengthen the mean wait on the same luck), so along one
number the least that is enough is found by bisection. The way:

1. What cannot be is said first: a promise that executions alone break, a load above what the largest set-up bears.
2. Each number has a lower bound by the utilisation law, and a first guess where the wait's tail by Erlang C, stretched
   by Allen and Cunneen's (ca² + cs²)/2, fits into what the promise leaves.
3. From the guess: bisection; with several numbers first along the diagonal to the largest set-up, then coordinate
   descent, the dearest first, and exchanges (one less here, one more there) as long as it gets cheaper.
4. The winner and its cheaper neighbours are tried again with fresh luck and four times the replications. A winner that
   does not pass is given up for the next larger one, a cheaper neighbour that passes takes its place.

Candidates are given up as soon as it is clear which side of the promise they are on (`promises.judge`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulation.statistics.comparison import PASS

from .axes import Axis
from .costs import cost_of, money, prices_of
from .guesses import Guide
from .places import changed
from .problems import unfit
from .promises import Verdict, floor_of, judge, refuse_too_short
from .trials import Setup, Trials

CONFIRMED_BY = 4
"""How many times the replications the winner and its neighbours are confirmed with."""

FRESH = 1_000_000
"""The number of the first replication of fresh luck: far from all that the search has seen."""

MOST_CONFIRMATIONS = 20

Numbers = tuple[int, ...]
"""Places in the axes' values, not the values themselves."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A set-up that was tried: the numbers, what they cost, and how it was judged."""

    values: tuple[Any, ...]
    cost: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Found:
    """The winner (None: there is none, `why` says so), its cheaper neighbours, and all that was tried on the way."""

    axes: tuple[Axis, ...]
    winner: Candidate | None
    rejected: tuple[Candidate, ...]
    tried: tuple[Candidate, ...]
    why: str = ""


@dataclass(slots=True)
class Search:
    """A search in a grid of numbers."""

    trials: Trials
    document: dict[str, Any]
    axes: tuple[Axis, ...]
    replications: int
    seen: dict[Numbers, Candidate] = field(default_factory=dict)
    confirmed: dict[Numbers, Candidate] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the places that are turned."""
        return tuple(axis.path for axis in self.axes)

    def setup(self, numbers: Numbers) -> Setup:
        """Return the set-up of numbers."""
        document = self.document
        for axis, place in zip(self.axes, numbers, strict=True):
            document = changed(document, axis.path, axis.values[place])
        return Setup.of(
            ", ".join(f"{a.path} = {a.values[n]}" for a, n in zip(self.axes, numbers, strict=True)), document
        )

    def cost(self, numbers: Numbers) -> float:
        """Return what numbers cost an hour."""
        return cost_of(self.setup(numbers).document, self.paths)

    def enough(self, numbers: Numbers) -> bool:
        """Say whether numbers keep all promises, as far as the search's own replications tell."""
        if numbers not in self.seen:
            setup = self.setup(numbers)
            self.seen[numbers] = self._candidate(numbers, judge(self.trials, setup, self.replications))
        return self.seen[numbers].verdict.word == PASS

    def confirm(self, numbers: Numbers) -> Candidate:
        """Return numbers judged with fresh luck and four times the replications."""
        if numbers not in self.confirmed:
            most = CONFIRMED_BY * self.replications
            verdict = judge(self.trials, self.setup(numbers), most, first=FRESH, early=False)
            self.confirmed[numbers] = self._candidate(numbers, verdict)
        return self.confirmed[numbers]

    def _candidate(self, numbers: Numbers, verdict: Verdict) -> Candidate:
        values = tuple(axis.values[place] for axis, place in zip(self.axes, numbers, strict=True))
        cost = self.cost(numbers)
        told = ", ".join(map(str, values)), money(self.document, cost), str(verdict.replications), verdict.word
        self.trials.judged.append((*told, verdict.why))
        return Candidate(values, cost, verdict)


def find(trials: Trials, document: dict[str, Any], axes: Sequence[Axis], replications: int | None = None) -> Found:
    """Return the cheapest numbers of the axes that keep all promises of the scenario.

    Raises ExperimentInvalid for a scenario without promises, axes that are no ascending numbers, and a horizon in which
    a promised percentile cannot be told.
    """
    refuse_unfit(document, axes)
    base = trials.scenario(Setup.of("base", document))
    search = Search(trials, document, tuple(axes), replications or base.replications)
    largest = tuple(len(axis.values) - 1 for axis in axes)
    setup = search.setup(largest)
    refuse_too_short(trials, setup)
    why_not = floor_of(trials, setup) or trials.hopeless(setup)
    if why_not is not None:
        return Found(search.axes, None, (), (), f"even with the most of everything: {why_not}")
    guide = Guide.of(trials, setup)
    least = tuple(_place(axis, guide.least(axis.path)) for axis in axes)
    guess = tuple(_place(axis, max(guide.guess(axis.path), guide.least(axis.path))) for axis in axes)
    start = _first_enough(search, guess, largest)
    if start is None:
        told = search.seen[largest].verdict
        said = f"even the largest set-up does not keep the promises ({told.word}): {told.why}"
        return Found(search.axes, None, (), tuple(search.seen.values()), said)
    best = _cheaper(search, _descend(search, start, least), least, largest)
    return _confirmed(search, best, largest)


def refuse_unfit(document: dict[str, Any], axes: Sequence[Axis]) -> None:
    """Raise ExperimentInvalid for a scenario without promises, and for axes that are no ascending numbers."""
    if not document.get("slos"):
        raise unfit("slos", "there is no promise to keep; say what is promised of a workload")
    if not axes:
        raise unfit("cheapest", "say which numbers may change, like services.payment.instances=1..20")
    for axis in axes:
        ascending = all(one < other for one, other in itertools.pairwise(axis.values))
        if not ascending or not all(isinstance(each, int | float) for each in axis.values):
            raise unfit(axis.path, "is turned upwards: give ascending numbers of which more is never worse")


def _place(axis: Axis, wanted: float) -> int:
    """Return the place of the least value that is not below what is wanted; the last one if all are."""
    return next((place for place, value in enumerate(axis.values) if value >= wanted), len(axis.values) - 1)


def _first_enough(search: Search, guess: Numbers, largest: Numbers) -> Numbers | None:
    """Return numbers that are enough, on the straight way from the guess to the most; None if even that is not."""
    if search.enough(guess):
        return guess
    longest = max(most - number for number, most in zip(guess, largest, strict=True))
    if not longest:
        return None

    def on_the_way(step: int) -> Numbers:
        return tuple(min(most, number + step) for number, most in zip(guess, largest, strict=True))

    # In growing steps: what is enough is rarely far from the guess.
    step = 1
    while step < longest and not search.enough(on_the_way(step)):
        step *= 2
    last = min(step, longest)
    if not search.enough(on_the_way(last)):
        return None
    return on_the_way(_bisect(step // 2 + (step > 1), last, lambda each: search.enough(on_the_way(each))))


def _descend(search: Search, start: Numbers, least: Numbers) -> Numbers:
    """Return the least numbers, one place after another, the dearest first, until nothing changes."""
    prices = prices_of(search.document, search.paths)
    order = sorted(range(len(start)), key=lambda place: (-prices.get(search.axes[place].path, 0.0), place))
    best = start
    while True:
        before = best
        for place in order:
            best = _at(best, place, _downwards(search, best, place, least[place]))
        if best == before or len(order) == 1:
            return best


def _downwards(search: Search, best: Numbers, place: int, least: int) -> int:
    """Return the least number at a place that is enough: down in growing steps, then by bisection."""
    top, step = best[place], 1
    while top > least:
        lower = max(least, top - step)
        if not search.enough(_at(best, place, lower)):
            return _bisect(lower + 1, top, lambda number: search.enough(_at(best, place, number)))
        top, step = lower, step * 2
    return top


def _cheaper(search: Search, best: Numbers, least: Numbers, largest: Numbers) -> Numbers:
    """Return numbers that no exchange (one less here, one more there) makes cheaper."""
    pairs = list(itertools.permutations(range(len(best)), 2))
    while True:
        for fewer, more in pairs:
            if best[fewer] <= least[fewer] or best[more] >= largest[more]:
                continue
            other = _at(_at(best, fewer, best[fewer] - 1), more, best[more] + 1)
            if search.cost(other) < search.cost(best) and search.enough(other):
                best = _descend(search, other, least)
                break
        else:
            return best


def _confirmed(search: Search, best: Numbers, largest: Numbers) -> Found:
    for _ in range(MOST_CONFIRMATIONS):
        winner = search.confirm(best)
        if winner.verdict.word != PASS:
            larger = [_at(best, place, number + 1) for place, number in enumerate(best) if number < largest[place]]
            if not larger:
                said = f"the largest set-up was not confirmed: {winner.verdict.why}"
                return Found(search.axes, None, (), _all(search), said)
            best = min(larger, key=lambda each: (not search.enough(each), search.cost(each)))
            continue
        cheaper = [each for each in _neighbours(best) if search.confirm(each).verdict.word == PASS]
        if not cheaper:
            rejected = tuple(search.confirm(each) for each in _neighbours(best))
            return Found(search.axes, winner, rejected, _all(search))
        best = min(cheaper, key=search.cost)
    return Found(search.axes, None, (), _all(search), "no winner was confirmed: the promises are too close to tell")


def _neighbours(best: Numbers) -> Iterator[Numbers]:
    yield from (_at(best, place, number - 1) for place, number in enumerate(best) if number)


def _all(search: Search) -> tuple[Candidate, ...]:
    return tuple(each for _, each in sorted(search.seen.items()))


def _at(numbers: Numbers, place: int, number: int) -> Numbers:
    return (*numbers[:place], number, *numbers[place + 1 :])


def _bisect(low: int, high: int, enough: Callable[[int], bool]) -> int:
    """Return the least number from `low` to `high` that is enough; `high` is taken for granted."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low

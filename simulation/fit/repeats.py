"""Failures that belong to an execution: a bad order fails on every attempt, and no retry helps.

If failures were a matter of each attempt by itself, an attempt after a failed one would fail as often as a first one.
Fisher's exact test (1922, one-sided) compares the two shares. Where it finds the second one larger, a step's runs are
of two parts: those that fail because of what they are (for good, or so many times in a row), and the others, whose
attempts fail independently with a share p. Of the others, p is the ratio of the runs that failed once to those that
failed never (1 - p of them fail never, p (1 - p) once). That p predicts how many fail twice and more by chance; what
there is above that number belongs to its executions. An answer that says itself that trying again is no use belongs to
its execution whatever the test says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scipy.stats import fisher_exact

from .attempts import COMPLETED, Attempt

SURE = 0.01
LEAST_AGAIN = 3
"""Attempts after failed ones from which they are compared with first ones."""

Key = tuple[str, str]
"""An execution and the place of one of its steps."""


@dataclass(frozen=True, slots=True)
class Owed:
    """What an execution's calls of a step come to because of what it is: `first` failures in a row; None: always."""

    code: str
    retryable: bool | None
    first: int | None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Repeats:
    """What attempts of one step say. Shares: `base` of first attempts, `again` of those after a failed one, that fail.

    `p` is Fisher's (None: too few to compare). Of `runs`, `for_good` never succeed and `in_a_row` do after several
    failures, both because of what they are; `independent` is the share of the others' attempts that fail.
    """

    runs: int
    base: float
    again: float | None
    p: float | None
    for_good: int
    in_a_row: int
    independent: float

    @property
    def dependent(self) -> bool:
        """Say whether an attempt after a failed one surely fails more often than a first one."""
        return self.p is not None and self.p < SURE

    def as_json(self) -> dict[str, Any]:
        """Return it as a report carries it."""
        return {
            "runs": self.runs,
            "first_attempts": round(self.base, 6),
            "after_a_failure": None if self.again is None else round(self.again, 6),
            "p": None if self.p is None else round(self.p, 6),
            "for_good": round(self.for_good / self.runs, 6),
            "in_a_row": round(self.in_a_row / self.runs, 6),
            "independent": round(self.independent, 6),
        }


@dataclass(frozen=True, slots=True)
class Owing:
    """All failures that belong to executions, by (execution, step), and what says so by step (`workflow.step`)."""

    owed: Mapping[Key, Owed] = field(default_factory=dict)
    steps: Mapping[str, Repeats] = field(default_factory=dict)


@dataclass(slots=True)
class _Run:
    """A step's run: what became of its attempts that were seen to their end, in their order."""

    execution: str
    failures: list[Attempt] = field(default_factory=list)
    succeeded: bool = False

    @property
    def in_a_row(self) -> int:
        return len(self.failures)

    @property
    def final(self) -> bool:
        return bool(self.failures) and self.failures[-1].retryable is False


def owing(attempts: Sequence[Attempt]) -> Owing:
    """Return which failures belong to executions, by the attempts of all steps."""
    by_step: dict[str, list[Attempt]] = {}
    for each in attempts:
        if each.seen:
            by_step.setdefault(f"{each.workflow}.{each.step}", []).append(each)
    owed: dict[Key, Owed] = {}
    steps: dict[str, Repeats] = {}
    for name, of_step in sorted(by_step.items()):
        if any(each.outcome != COMPLETED for each in of_step):
            steps[name] = _told(of_step, owed)
    return Owing(owed, steps)


def _told(attempts: Sequence[Attempt], owed: dict[Key, Owed]) -> Repeats:
    runs = _runs(attempts)
    plain = [each for each in runs if not each.final]
    first_failed = sum(bool(each.failures) for each in plain)
    again_failed = sum(max(0, each.in_a_row - 1) for each in plain)
    again = again_failed + sum(each.succeeded and bool(each.failures) for each in plain)
    p = None
    if again >= LEAST_AGAIN and first_failed < len(plain):
        table = [[again_failed, again - again_failed], [first_failed, len(plain) - first_failed]]
        p = float(fisher_exact(table, alternative="greater").pvalue)
    own = [each for each in runs if each.final]
    if p is not None and p < SURE:
        own += _beyond_chance(plain)
    step, own = attempts[0].step, _whole(own, runs)
    for each in own:
        last = each.failures[-1]
        key = (each.execution, step)
        owed[key] = Owed(last.outcome, last.retryable, each.in_a_row if each.succeeded else None, last.status)
    mine = {id(each) for each in own}
    others = [each for each in runs if id(each) not in mine]
    tried = sum(each.in_a_row + each.succeeded for each in others)
    return Repeats(
        runs=len(runs),
        base=first_failed / max(1, len(plain)),
        again=again_failed / again if again else None,
        p=p,
        for_good=sum(not each.succeeded for each in own),
        in_a_row=sum(each.succeeded for each in own),
        independent=sum(each.in_a_row for each in others) / max(1, tried),
    )


def _runs(attempts: Sequence[Attempt]) -> list[_Run]:
    """Return the runs of a step: all iterations and rounds of one execution up to a success are one, for it is one."""
    runs: dict[Key, _Run] = {}
    for each in sorted(attempts, key=lambda each: each.began):
        run = runs.setdefault((each.execution, each.path), _Run(each.execution))
        if each.outcome == COMPLETED:
            run.succeeded = True
        elif not run.succeeded:
            run.failures.append(each)
    return list(runs.values())


def _whole(own: Sequence[_Run], runs: Sequence[_Run]) -> list[_Run]:
    """Return those of `own` whose executions have no other run of the step: not all of a loop's items fail alike."""
    several = Counter(each.execution for each in runs)
    mine = Counter(each.execution for each in own)
    return [each for each in own if several[each.execution] == mine[each.execution]]


def _beyond_chance(runs: Sequence[_Run]) -> list[_Run]:
    """Return the runs that failed several times in a row, less as many as chance alone would bring."""
    never = sum(not each.failures for each in runs)
    once = sum(each.in_a_row == 1 and each.succeeded for each in runs)
    share = min(1.0, once / max(1, never))
    often = sorted((each for each in runs if each.in_a_row > 1), key=lambda each: each.in_a_row)
    by_chance = round((never + once) / max(1e-9, 1 - share**2) * share**2) if share < 1 else len(often)
    return often[min(len(often), by_chance) :]

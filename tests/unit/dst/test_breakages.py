"""The witness can say no: a promise of the store that is broken on purpose is found by one of a few seeds."""

from __future__ import annotations

from itertools import count, takewhile

import pytest

from orchestration.management.dst.rows import Breakage
from orchestration.management.dst.world import Outcome, simulate

MOST_SEEDS = 60
SAYS = {
    Breakage.NO_FENCE: ("zombie write",),
    Breakage.COMMIT_LATER: ("no entry says that it would be", "by its row and"),
    Breakage.INBOX_CLEARED: ("never heard",),
    Breakage.WAKE_FORGOTTEN: ("never heard", "lies unheard"),
    Breakage.BURY_ONLY: ("which is not awake",),
    Breakage.CLAIM_HELD: ("holds it",),
    Breakage.HALF_A_BATCH: ("stands where", "no entry says that it would be", "by its row and"),
    Breakage.COMMITTED_NEVER: ("stands already",),
    Breakage.NO_ADMISSION: ("are in, where",),
}


def first_failure(broken: Breakage) -> Outcome:
    for seed in takewhile(lambda seed: seed < MOST_SEEDS, count()):
        outcome = simulate(seed, broken=frozenset({broken}))
        if outcome.broken:
            return outcome
    raise AssertionError(f"no seed below {MOST_SEEDS} notices that {broken.value}")


@pytest.mark.parametrize("broken", Breakage, ids=lambda each: each.name)
def test_a_broken_promise_is_found(broken: Breakage):
    outcome = first_failure(broken)
    assert any(words in sentence for sentence in outcome.broken for words in SAYS[broken]), outcome.broken
    again = simulate(outcome.seed, broken=frozenset({broken}))
    assert (again.digest, again.broken) == (outcome.digest, outcome.broken), "a failing seed replays"
    assert not simulate(outcome.seed).broken, "it is the breakage that was found"

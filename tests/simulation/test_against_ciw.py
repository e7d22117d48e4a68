"""A second opinion: the same jobs in Ciw, another simulator, with the same arrivals, services and patience."""

from __future__ import annotations

import pytest

from simulation.checks.paired_queues import draw
from simulation.checks.second_opinion import CASES, MARGIN, compared, ours, second_opinion
from simulation.statistics.comparison import equivalence

pytest.importorskip("ciw")

SEED = 5


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_it_finds_what_another_simulator_finds(case):
    checks = list(compared(case, SEED))
    assert checks
    assert [each for each in checks if not each.passed] == []


@pytest.mark.slow
def test_it_would_notice_another_rule_at_a_change_of_shift():
    from simulation.checks import ciw_queues

    rules = CASES["shifts"][0]
    drawn = [draw(rules, seed) for seed in range(SEED)]
    own = [ours(rules, each, seed).wait for seed, each in enumerate(drawn)]
    replaced = [ciw_queues.run(rules, each, replacing=True).wait for each in drawn]
    found = equivalence(own, replaced, MARGIN)
    assert not found.equivalent
    # Old and new servers side by side do more: the wait is shorter than here.
    assert found.difference.low > MARGIN


def test_it_says_that_ciw_is_not_there(monkeypatch):
    monkeypatch.setattr("simulation.checks.second_opinion.find_spec", lambda _: None)
    (check,) = second_opinion(SEED)
    assert check.passed is None
    assert "not installed" in check.got

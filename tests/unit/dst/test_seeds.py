"""The engine's protocol holds in every world that a seed draws: the same seeds in every run, thousands by hand."""

from __future__ import annotations

import pytest

from orchestration.management.dst.report import replay_of, run_seeds

SEEDS, PORTION = 200, 25


@pytest.mark.parametrize("start", range(0, SEEDS, PORTION))
def test_nothing_happens_that_must_not(start: int):
    report = run_seeds(range(start, start + PORTION), lambda outcome: None)
    assert not report.failed, [(replay_of(each.seed), each.broken) for each in report.failed]
    assert report.seeds == PORTION
    assert report.faults["kill"] > 0
    assert report.virtual_seconds > 1000

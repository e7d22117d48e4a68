"""A seed is a bug report: the same everything, whoever runs it, after whatever else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

from orchestration.management.dst import swarm
from orchestration.management.dst.world import simulate

ROOT = Path(__file__).parents[3]
SEEDS = range(7, 15)


def in_a_process(*arguments: str, hash_seed: str) -> dict[str, object]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    run = subprocess.run(
        [sys.executable, "manage.py", "dst", *arguments, "--json"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    said: dict[str, object] = json.loads(run.stdout)
    return said


def test_two_processes_say_the_same_of_the_same_seeds():
    arguments = ("--start", str(SEEDS.start), "--seeds", str(len(SEEDS)))
    first, second = (in_a_process(*arguments, hash_seed=each) for each in ("1", "2"))
    for key in ("digest", "seeds", "virtual_seconds", "callbacks", "faults", "failed"):
        assert first[key] == second[key], key


def test_a_seed_is_the_same_alone_as_among_others():
    alone = simulate(SEEDS.stop - 1)
    among = [simulate(seed) for seed in SEEDS][-1]
    assert alone.lines == among.lines
    assert alone.digest == among.digest


def test_two_seeds_are_two_worlds():
    assert len({simulate(seed).digest for seed in SEEDS}) == len(SEEDS)
    assert len({swarm.draw(Random(f"{seed}/swarm")) for seed in range(100)}) == 100


def test_every_kind_of_fault_is_drawn_sooner_or_later_and_none_always():
    drawn = [swarm.draw(Random(f"{seed}/swarm")) for seed in range(100)]
    for kind in (*swarm.EVERY, *swarm.OFTEN, *swarm.SOMETIMES, *swarm.SELDOM):
        assert {bool(getattr(each, kind)) for each in drawn} == {False, True}, kind


def test_nothing_goes_wrong_where_nothing_is_drawn():
    outcome = simulate(3, swarm.healed(swarm.Swarm()))
    assert (outcome.broken, dict(outcome.faults)) == ([], {})

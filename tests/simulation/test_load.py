"""What a workload keeps of its executions: all of them, or beyond a limit a sample by job number."""

import numpy as np
import pytest

from simulation.world import load
from simulation.world.world import simulate
from tests.simulation.worlds import world


def test_beyond_the_limit_it_keeps_every_so_many_th_job_as_it_was(monkeypatch: pytest.MonkeyPatch):
    model = world()
    whole = simulate(model, seed=3).workloads["callers"]
    monkeypatch.setattr(load, "MOST_KEPT", 400)
    part = simulate(model, seed=3).workloads["callers"]
    assert whole.every == 1
    assert part.every > 1
    assert part.times.size < 400
    assert np.isin(part.ended_at, whole.ended_at).all()
    assert part.ended == pytest.approx(whole.ended, abs=2 * part.every)
    assert part.completed == pytest.approx(whole.completed, abs=2 * part.every)
    assert part.times.tobytes() == whole.times[np.isin(whole.ended_at, part.ended_at)].tobytes()


def test_the_same_seed_it_thins_to_the_same_bytes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(load, "MOST_KEPT", 400)
    first, second = (simulate(world(), seed=3).workloads["callers"] for _ in range(2))
    assert first.times.tobytes() == second.times.tobytes()

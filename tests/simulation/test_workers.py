"""Simulated workers: a loop that does one thing at a time, and a writer that commits whatever waits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulation.arrivals.closed import ClosedUsers
from simulation.arrivals.processes import Trace
from simulation.service_models.distributions import Fixed
from simulation.world.models import WorkersModel
from simulation.world.world import World
from tests.simulation.worlds import world


def at(*instants: float) -> Trace:
    return Trace(np.array(instants))


def run(workers: WorkersModel, load: object, *, seconds: float = 10.0, service: float = 0.0):
    model = world(load=load, seconds=seconds, times=Fixed(service), capacity=1_000)
    made = World(replace(model, workers=workers), seed=1, replication=0)
    return made, made.run().workloads["callers"]


def test_one_execution_alone_it_charges_for_everything():
    costs = WorkersModel(
        per_execution=0.1, per_entry=0.01, per_call=0.2, commit=1.0, commit_per_entry=0.001, wake_up=0.5, linger=60.0
    )
    _, found = run(costs, at(0.0), service=0.25)
    # Started and step.started in one commit and one call; step.completed and the end in another.
    first = 0.1 + 2 * 0.01 + 0.2 + 1.0 + 2 * 0.001
    second = 2 * 0.01 + 1.0 + 2 * 0.001
    assert found.times.tolist() == pytest.approx([0.5 + first + 0.25 + second])


def test_what_waits_it_commits_together_and_never_two_batches_at_once():
    made, found = run(WorkersModel(commit=1.0), at(0.0, 0.1, 0.2, 0.3))
    assert made.workers is not None
    # The first alone; the other three together when that returns; the first one's end; the ends of the three.
    assert found.times.tolist() == pytest.approx([3.0, 3.9, 3.8, 3.7])
    assert made.workers.commits == 4


def test_the_loop_is_a_station_of_one_place_each():
    def times(count: int) -> list[float]:
        return run(WorkersModel(count=count, per_entry=0.1), at(0.0, 0.0))[1].times.tolist()

    # Two entries begin it and two end it; with one loop the other's beginning comes between.
    assert times(1) == pytest.approx([0.6, 0.8])
    assert times(2) == pytest.approx([0.4, 0.4])


def test_workers_fall_asleep_after_the_last_execution_and_not_before():
    costs = WorkersModel(dispatch=0.1, wake_up=1.0, linger=2.0)
    _, found = run(costs, at(0.0, 2.0, 9.0), seconds=20.0)
    assert found.times.tolist() == pytest.approx([1.0, 0.1, 1.0])


def test_a_full_load_it_bears_as_the_loops_allow():
    costs = WorkersModel(count=2, per_execution=0.01, per_entry=0.005, commit=0.002, commit_per_entry=0.0001)
    _, found = run(costs, ClosedUsers(50, Fixed(0.0)), seconds=60.0)
    assert found.times.size / 60 == pytest.approx(2 / (0.01 + 4 * 0.005), rel=0.03)

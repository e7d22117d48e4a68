"""From measurements to the costs of simulated workers, and from costs to a comparison: known answers."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from orchestration.management.bench.calibrating import CHAIN, FAN, Rounds, conclude, lines_of, measure
from orchestration.management.bench.calibration import Costs, Measured, costs_of, entries_of
from orchestration.management.bench.figures import Figures
from orchestration.management.bench.prediction import scenario
from orchestration.management.bench.site import BenchFailed
from orchestration.management.bench.workloads import Workload

COSTS = Costs(
    per_execution=300e-6,
    per_entry=50e-6,
    per_call=200e-6,
    commit=400e-6,
    commit_per_entry=20e-6,
    dispatch=3e-3,
    wake_up=14e-3,
    linger=2.0,
)


def measured_of(costs: Costs) -> Measured:
    """Return what a host of these costs would measure."""
    first = costs.per_execution + 2 * (costs.per_entry + costs.commit_per_entry) + costs.commit
    return Measured(
        short=costs.per_execution + entries_of(1) * costs.per_entry,
        long=costs.per_execution + entries_of(20) * costs.per_entry,
        http=costs.per_execution + entries_of(10) * costs.per_entry + 10 * costs.per_call,
        http_steps=10,
        step=2 * (costs.per_entry + costs.commit_per_entry) + costs.commit,
        fan_step=costs.per_entry + costs.commit_per_entry + max(costs.per_entry, costs.commit_per_entry),
        awake=costs.dispatch + first,
        asleep=costs.wake_up + first,
    )


@pytest.mark.parametrize("commit_per_entry", [0.0, 20e-6, 50e-6, 90e-6])
def test_from_what_a_host_would_measure_it_finds_the_costs_again(commit_per_entry: float):
    costs = Costs(**{**asdict(COSTS), "commit_per_entry": commit_per_entry})
    assert asdict(costs_of(measured_of(costs), linger=2.0)) == pytest.approx(asdict(costs))


def test_what_cannot_be_told_from_its_neighbours_it_takes_for_nothing():
    noisy = Measured(short=1e-3, long=1e-3, http=1e-4, http_steps=10, step=0.0, fan_step=0.0, awake=0.0, asleep=0.0)
    found = costs_of(noisy, linger=2.0)
    assert found.per_entry == found.per_call == found.commit == found.commit_per_entry == found.dispatch == 0.0


def test_a_scenario_s_workers_it_writes_in_whole_microseconds():
    assert COSTS.as_workers(count=2, slots=500) == {
        "count": 2,
        "slots": 500,
        "per_execution": "300us",
        "per_entry": "50us",
        "per_call": "200us",
        "commit": "400us",
        "commit_per_entry": "20us",
        "dispatch": "3000us",
        "wake_up": "14000us",
        "linger": "2000000us",
    }


class Host:
    """A host of known costs, in the place of real workers."""

    def __init__(self, costs: Costs, *, workers: int) -> None:
        self.asked: list[Workload] = []
        self._workers = workers
        self._costs = costs
        self._measured = measured_of(costs)

    def run(self, workload: Workload) -> Figures:
        self.asked.append(workload)
        told, costs = self._measured, self._costs
        if workload.name == "throughput":
            time = costs.per_execution + entries_of(workload.steps) * costs.per_entry
            time += workload.steps * costs.per_call if workload.http else 0
            return Figures(executions_per_s=self._workers / time)
        if workload.name == "fanout":
            return Figures(seconds=told.fan_step * workload.steps)
        if workload.name == "chain":
            return Figures(p50_ms=told.step * 1000)
        return Figures(p50_ms=told.awake * 1000, asleep_p50_ms=told.asleep * 1000)


def test_it_measures_and_compares_with_what_it_did_not_calibrate_on():
    host, rounds = Host(COSTS, workers=2), Rounds()
    for _ in range(3):
        measure(rounds, host.run, workers=2)
    found = conclude(rounds, workers=2, ask=lambda document: 0.01)
    assert asdict(found.costs) == pytest.approx(asdict(COSTS))
    assert {name: spread for name, spread in found.spread.items() if spread} == {}
    assert {each.steps for each in host.asked if each.name == "chain"} == {CHAIN, 10}
    assert {each.steps for each in host.asked if each.name == "fanout"} == {FAN, 1_000}
    assert json.loads(found.as_json())["workers"] == found.workers
    throughput = found.compared[0]
    assert (throughput.measured, throughput.predicted) == pytest.approx((2 * 10 / 1400e-6, 100 / 0.01 * 10))
    assert lines_of(found)[-1] == found.block()
    assert "The rounds lie up to 0% apart" in lines_of(found)[-3]


def test_it_says_how_far_its_rounds_lie_apart():
    rounds = Rounds()
    for costs in (COSTS, Costs(**{**asdict(COSTS), "dispatch": 4e-3})):
        measure(rounds, Host(costs, workers=2).run, workers=2)
    found = conclude(rounds, workers=2, ask=lambda document: 0.01)
    middle = (2 * COSTS.dispatch + 1e-3) / 2 + 300e-6 + 2 * 70e-6 + 400e-6
    assert found.spread["awake"] == pytest.approx(1e-3 / middle, abs=1e-3)
    assert lines_of(found)[-3].endswith("(awake): smaller errors say nothing.")


def test_a_workload_that_measured_nothing_it_names():
    with pytest.raises(BenchFailed, match="throughput measured nothing"):
        measure(Rounds(), lambda workload: Figures(), workers=2)


def test_the_scenarios_that_it_asks_about_the_simulator_reads():
    from orchestration.management.bench import definitions
    from simulation.scenarios.language import parse_scenario

    document = scenario(definitions.chain(steps=2, http=False), COSTS.as_workers(count=2, slots=5), users=3)
    read = parse_scenario(document)
    assert read.workers is not None
    assert (read.workers.commit, read.workers.dispatch) == (400, 3_000)

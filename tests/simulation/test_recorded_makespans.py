"""Recorded workflows on the machines that they ran on: what they cost there, and how well it is foretold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.management.wfinstances.recording import RecordingInvalid
from simulation.checks.accuracy import BARS, applications_in, foretold, not_told
from simulation.recordings.calibration import Calibration, mean_error, naive_error
from simulation.recordings.platform import Overheads, simulated_makespan, slots_of
from simulation.recordings.reading import RecordedTask, RecordedWorkflow, read_workflow
from simulation.recordings.schedule import scheduled_makespan
from tests.simulation.outside import FOLDER
from tests.simulation.recorded import fork_and_join, written

SLOW_PLATFORM = Overheads(latency=30.0, dispatch=2.0, stretch=0.3)


@st.composite
def recordings(draw):
    """Draw a small graph with run times and files, on some machines."""
    tasks = []
    for place in range(draw(st.integers(1, 9))):
        parents = draw(st.sets(st.integers(0, place - 1), max_size=3)) if place else set()
        tasks.append(
            RecordedTask(tuple(sorted(parents)), draw(st.integers(0, 400)) / 8, draw(st.integers(0, 4)) * 10**9)
        )
    cores = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    return RecordedWorkflow("drawn", tuple(tasks), (cores[0],) * len(cores), 100.0)


OVERHEADS = st.builds(
    Overheads,
    latency=st.sampled_from([0.0, 1.5, 60.0]),
    dispatch=st.sampled_from([0.0, 0.25, 3.0]),
    transfer=st.sampled_from([0.0, 8.0]),
    stretch=st.sampled_from([0.0, 0.7]),
)


@settings(max_examples=30, deadline=None)
@given(recordings(), OVERHEADS)
def test_it_finds_the_same_makespan_with_the_domain_and_without(recorded, overheads):
    assert scheduled_makespan(recorded, overheads) == simulated_makespan(recorded, overheads)


@settings(max_examples=30, deadline=None)
@given(recordings())
def test_it_takes_the_critical_path_with_places_for_all_and_no_overheads(recorded):
    ends = []
    for task in recorded.tasks:
        ends.append(task.seconds + max((ends[parent] for parent in task.parents), default=0.0))
    roomy = replace(recorded, cores=(len(recorded.tasks),))
    assert scheduled_makespan(roomy, Overheads()) == pytest.approx(max(ends))


@settings(max_examples=30, deadline=None)
@given(recordings(), OVERHEADS)
def test_it_is_never_done_before_the_critical_path_and_the_work_allow(recorded, overheads):
    least = max(
        scheduled_makespan(replace(recorded, cores=(len(recorded.tasks),)), Overheads()),
        sum(task.seconds for task in recorded.tasks) / (slots_of(recorded) * len(recorded.cores)),
    )
    assert scheduled_makespan(recorded, overheads) >= least - 1e-6


def test_it_adds_up_what_a_platform_costs():
    two = RecordedWorkflow("two", (RecordedTask((), 10.0, 10**9), RecordedTask((), 20.0, 0)), (1, 1), 100.0)
    # The submit host takes 3 + 8 s for the first and 3 s more for the second, which waits 5 s and works 30 s.
    overheads = Overheads(latency=5.0, dispatch=3.0, transfer=8.0, stretch=0.5)
    assert simulated_makespan(two, overheads) == 3 + 8 + 3 + 5 + 30


def test_it_reads_tasks_files_machines_and_the_makespan(tmp_path):
    found = read_workflow(written(tmp_path, "tiny-run-1", machines=((2,), (2,)), makespan=30.5))
    assert found == RecordedWorkflow(
        "tiny-run-1", (RecordedTask((), 2.0, 0), RecordedTask((0,), 3.5, 1001)), (2, 2), 30.5
    )
    assert found.application == "tiny"


@pytest.mark.parametrize(
    ("given_", "path"),
    [
        ({"machines": ()}, "workflow.execution.machines"),
        ({"machines": ((0,),)}, "workflow.execution.machines[0].cpu.coreCount"),
        ({"makespan": 0}, "workflow.execution.makespanInSeconds"),
    ],
)
def test_it_says_what_a_recording_lacks(tmp_path, given_, path):
    with pytest.raises(RecordingInvalid) as told:
        read_workflow(written(tmp_path, "tiny", **given_))
    assert [each.path for each in told.value.problems] == [path]


def measured(overheads):
    """Return recordings of several sizes as a platform with these overheads would have made them."""
    sizes = [fork_and_join(f"made-{width}", width, cores=(16, 16), seconds=20.0) for width in (4, 10, 20)]
    return [replace(each, makespan=simulated_makespan(each, overheads)) for each in sizes]


def test_it_foretells_a_platform_that_it_knows_from_other_recordings():
    predictions = Calibration().leave_one_out(measured(SLOW_PLATFORM))
    assert mean_error(predictions) < 0.1
    assert naive_error(predictions) > 0.3


def test_it_fits_one_third_number_at_most():
    fitted = Calibration().fit(measured(Overheads(latency=60.0, dispatch=1.0)))
    assert 0.0 in (fitted.stretch, fitted.transfer)


def test_it_takes_what_is_usual_where_one_recording_leaves_several_answers():
    one = measured(Overheads(latency=60.0, dispatch=1.0))[:1]
    assert Calibration().fit(one) == Overheads(latency=60.0, dispatch=1.0)


def test_it_never_looks_at_the_makespan_that_it_foretells():
    recorded = measured(SLOW_PLATFORM)
    before = Calibration().leave_one_out(recorded)[0]
    after = Calibration().leave_one_out([replace(recorded[0], makespan=9_999.0), *recorded[1:]])[0]
    assert (after.predicted, after.overheads) == (before.predicted, before.overheads)


def test_it_fits_to_something():
    with pytest.raises(ValueError, match="at least one"):
        Calibration().leave_one_out(measured(SLOW_PLATFORM)[:1])


def test_it_checks_what_can_be_left_out_and_tells_what_cannot(tmp_path):
    for place in (1, 2):
        written(tmp_path, f"tiny-{place}", makespan=130.0)
    written(tmp_path, "single-1")
    (tmp_path / "broken.json").write_text("{")
    applications = applications_in(tmp_path)
    assert {name: len(found) for name, found in applications.items()} == {"single": 1, "tiny": 2}
    error, same = foretold("tiny", applications["tiny"])
    assert error.passed
    assert same.passed
    alone, absent = not_told(applications)
    assert "single" in alone.name
    assert all(name in absent.name for name in BARS)
    assert [alone.passed, absent.passed] == [None, None]


@pytest.mark.parametrize("application", ["helloworld", pytest.param("seismology", marks=pytest.mark.slow)])
def test_it_beats_the_figure_to_beat_on_real_recordings(application):
    found = applications_in(FOLDER / "wfinstances").get(application)
    if not found:
        pytest.skip(f"there are no recordings of {application} here (PODIUM_OUTSIDE_DATA names their folder)")
    assert [each.name for each in foretold(application, found) if not each.passed] == []

"""The knee of latency against load, the words of places and values, and the shapes of pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation import formulas
from simulation.blocks import Picture, Said, Table, text_of
from simulation.charts import Line, Mark, curves, heat_map, ticks, tornado
from simulation.experiments.axes import axis_of, read_axis
from simulation.experiments.knee import knee_of
from simulation.experiments.places import at_load, changed, keys_of, scaled_times, value_at
from simulation.experiments.problems import ExperimentInvalid
from simulation.pages import html_of
from simulation.scenarios.shapes import shape_of
from simulation.world.world import WorkloadFigures
from tests.simulation.test_scenarios import scenario


def test_it_finds_the_knee_of_one_server_at_half_the_capacity():
    loads = [place / 20 for place in range(1, 20)]
    knee = knee_of(loads, [1 / (1 - load) for load in loads])
    assert knee.load == pytest.approx(0.5, rel=0.01)
    assert knee.latency == pytest.approx(2.0, rel=0.02)


@given(scale=st.floats(0.01, 100), stretch=st.floats(0.01, 100))
def test_it_finds_the_same_knee_whatever_the_units(scale, stretch):
    loads = [place / 10 for place in range(1, 10)]
    base = knee_of(loads, [1 / (1 - load) for load in loads])
    other = knee_of([load * scale for load in loads], [stretch / (1 - load) for load in loads])
    assert other.load / scale == pytest.approx(base.load)
    assert other.latency / stretch == pytest.approx(base.latency)


def test_it_finds_the_knee_of_many_servers_nearer_to_the_capacity():
    loads = [float(load) for load in range(10, 100)]
    many = [formulas.mean_wait(100, load, 1.0) + 1 for load in loads]
    assert knee_of(loads, many).load == pytest.approx(91.9, rel=0.01)


def test_it_has_no_knee_where_latency_is_flat_or_points_are_few():
    assert knee_of([1.0, 2.0, 3.0], [1.0, 1.0, 1.0]) is None
    assert knee_of([1.0, 2.0], [1.0, 9.0]) is None


def test_it_reads_ranges_steps_lists_and_durations():
    assert read_axis("services.a.instances=1..4").values == (1, 2, 3, 4)
    assert read_axis("load=0.5..1:0.25").values == (0.5, 0.75, 1.0)
    assert read_axis("x=10..30:10").values == (10, 20, 30)
    assert read_axis("x=100ms, 1s").values == ("100ms", "1s")
    assert read_axis("x=true,false").values == (True, False)
    assert axis_of("x", [1, 2]).values == (1, 2)
    for text in ("x", "x=", "=1", "x=3..1", "x=1..2:0", "x=1..100000", "a..b=1", "a.=1", "x=[1"):
        with pytest.raises(ExperimentInvalid):
            read_axis(text)


def test_it_walks_paths_and_scales_loads_and_times():
    assert keys_of("workloads[0].arrivals") == ("workloads", 0, "arrivals")
    document = scenario()
    assert value_at(document, "workloads[0].arrivals.per_second") == 5
    assert value_at(changed(document, "services.backend.times.mean", "2s"), "services.backend.times.mean") == "2s"
    assert value_at(at_load(document, 2), "workloads[0].arrivals.per_second") == 10
    kinds = [
        ({"kind": "piecewise", "steps": [{"at": 0, "per_second": 2}]}, "steps[0].per_second", 4),
        ({"kind": "modulated", "states": [{"per_second": 2, "stays": 1}]}, "states[0].per_second", 4),
        ({"kind": "users", "users": 3}, "users", 6),
        ({"kind": "trace", "times": [0]}, "speed", 2.0),
    ]
    for arrivals, path, wanted in kinds:
        made = at_load({**document, "workloads": [{"arrivals": arrivals}]}, 2)
        assert value_at(made, f"workloads[0].arrivals.{path}") == wanted
    with pytest.raises(ExperimentInvalid, match="cannot be scaled"):
        at_load({"workloads": [{"arrivals": {"kind": "cron"}}]}, 2)
    assert scaled_times({"kind": "lognormal", "p50": "1s", "p99": 3}, 2)["p99"] == 6
    assert scaled_times({"kind": "empirical", "values": ["100ms", 1]}, 0.5)["values"] == [0.05, 0.5]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_it_marks_axes_with_a_few_round_numbers_inside(least, width):
    found = ticks(least, least + width)
    assert 2 <= len(found) <= 12
    assert all(least - width * 1e-6 <= each <= least + width * (1 + 1e-6) for each in found)


def test_it_draws_what_may_be_read_without_seeing_it():
    picture = curves(
        [Line("a", ((0, 1), (1, 2)), ((0.5, 1.5), (1, 3)), dots=True), Line("b", ((0, 1), (1, 1)), kind=1)],
        across="x", up="y", label="two <lines>", marks=[Mark("here", x=0.5), Mark("there", y=1.5)],
    )  # fmt: skip
    assert 'role="img" aria-label="two &lt;lines&gt;"' in picture
    assert "polygon" in picture
    page = html_of([Picture("a & b", picture, Table("", ("x", "y"), (("1", "2"),))), Said("<b>", strong=True)])
    assert "<summary>The same as a table</summary>" in page
    assert '<th scope="row">1</th><td>2</td>' in page
    assert "&lt;b&gt;" in page
    assert "s4" in heat_map(["a"], ["b"], [[("1", 1.0)]], label="map")
    assert tornado([("a", None, 1.0)], unit=" s", label="bars").count("<rect") == 1


def test_it_puts_empty_lines_round_tables_in_text():
    lines = list(text_of([Said("one"), Table("two", ("a", "b"), (("1", "22"),)), Said("three")]))
    assert lines == ["one", "", "two", "  a      b", "  ---  ---", "  1     22", "", "three"]


def test_it_gives_the_spread_and_the_course_of_a_workload_with_bands():
    def replication(shift):
        times = np.arange(1.0, 101.0) + shift
        return WorkloadFigures(100, 0, 0, times, np.linspace(0.0, 59.9, 100), np.ones(100))

    shape = shape_of([replication(0.0), replication(2.0)], 60.0, 0)
    spread = dict(shape.spread)
    assert spread[0.5][0] == pytest.approx(51.0)
    assert spread[0.5][1] < spread[0.5][0] < spread[0.5][2]
    assert sum(band[0] for _, band in shape.completed) == pytest.approx(100.0)
    assert shape.times[0][1][0] == pytest.approx(2.5)

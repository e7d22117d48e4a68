"""Drawing graphs: nothing overlaps, arrows point forward, and no picture is ever too big for a page."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.graph.drawings import Drawings
from dashboard.graph.layers import arrange, longest_paths
from dashboard.graph.layout import Box, Layout, lay_out
from dashboard.graph.picture import paint_definition, paint_runs
from dashboard.graph.shape import DRAWN, shapes_of, written_path
from tests.dashboard import fakes


def _service(name: str, *after: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "service", "service_name": "s", "method": "m", "dependencies": list(after), **more}


def _layout(*steps: dict[str, Any]) -> Layout:
    return lay_out(shapes_of(fakes.definition({"id": "w", "steps": list(steps)}).steps))


def step_row(path: str) -> str:
    """Return where a row is: on the page itself."""
    return f"#{path}"


def _overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def _holds(outer: Box, inner: Box) -> bool:
    return (
        outer.x < inner.x
        and outer.y < inner.y
        and outer.x + outer.width > inner.x + inner.width
        and outer.y + outer.height > inner.y + inner.height
    )


def _check(layout: Layout) -> None:
    """Boxes lie on the sheet; two overlap only if one is nested in the other, and then it lies inside whole."""
    for box in layout.boxes:
        assert box.x >= 0
        assert box.y >= 0
        assert box.x + box.width <= layout.width
        assert box.y + box.height <= layout.height
    for one, other in combinations(layout.boxes, 2):
        if one.shape.inside and other.shape.path.startswith(f"{one.shape.path}."):
            assert _holds(one, other), (one.shape.path, other.shape.path)
        else:
            assert not _overlap(one, other), (one.shape.path, other.shape.path)
    for line in layout.lines:
        assert all(a[0] <= b[0] + 0.1 for a, b in zip(line.points, line.points[1:], strict=False)), line


def test_it_draws_containers_as_boxes_round_what_is_nested():
    layout = lay_out(shapes_of(fakes.definition().steps))
    _check(layout)
    places = {box.shape.path: box for box in layout.boxes}
    assert _holds(places["payment"], places["payment.primary"])
    assert places["validate-order"].x < places["reserve-inventory"].x < places["checks"].x < places["payment"].x
    assert [places[name].y for name in ("e-mail", "text-message", "invoice")] == sorted(
        places[name].y for name in ("e-mail", "text-message", "invoice")
    )


def test_it_stands_a_chain_on_one_line():
    layout = _layout(_service("a"), _service("b", "a"), _service("c", "b"))
    assert len({box.y for box in layout.boxes}) == 1
    assert all("C" not in line.d for line in layout.lines)


def test_it_leads_a_long_arrow_round_what_stands_between():
    layout = _layout(_service("a"), _service("b", "a"), _service("c", "b"), _service("d", "c", "a"))
    _check(layout)
    line = next(line for line in layout.lines if (line.source, line.target) == ("a", "d"))
    assert len(line.points) == 6


def test_it_tells_kinds_of_arrows_apart():
    layout = _layout(
        _service("a", on_success=["b"], on_failure=["c"]), _service("b"), _service("c"), _service("d", "b")
    )
    assert {(line.target, line.kind) for line in layout.lines} == {
        ("b", "success"),
        ("c", "failure"),
        ("d", "dependency"),
    }


def test_it_draws_a_fan_out_of_alike_steps_as_one_box():
    many = [_service(f"part_{place}", "split") for place in range(572)]
    layout = _layout(_service("split"), *many, _service("join", *(each["id"] for each in many)))
    assert [box.shape.name for box in layout.boxes] == ["split", "572 × part", "join"]
    assert len(layout.boxes[1].shape.paths) == 572


@pytest.mark.parametrize(("width", "depth"), [(30, 6), (100, 15), (3, 600), (1_900, 1), (1, 1_900)])
def test_it_never_draws_more_than_a_page_can_bear(width: int, depth: int):
    steps = fakes.definition(fakes.big_document(width, depth)).steps
    shapes = shapes_of(steps)
    assert shapes.size <= DRAWN
    assert sum(len(shape.paths) for shape in shapes.shapes) == width * depth
    _check(lay_out(shapes))


def test_it_folds_nested_steps_when_there_are_too_many():
    steps = [
        {
            "id": f"p{place}",
            "type": "parallel",
            "steps": [_service(f"s{inner}", timeout=inner + 1) for inner in range(5)],
        }
        for place in range(100)
    ]
    shapes = shapes_of(fakes.definition({"id": "w", "steps": steps}).steps)
    assert shapes.size <= DRAWN


@st.composite
def _graphs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    count = draw(st.integers(1, 24))
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    arrows = draw(st.lists(ends, max_size=60))
    return count, sorted({(min(ends), max(ends)) for ends in arrows if ends[0] != ends[1]})


@given(_graphs())
@settings(max_examples=60, deadline=None)
def test_it_places_every_node_once_with_all_arrows_forward(graph: tuple[int, list[tuple[int, int]]]):
    count, arrows = graph
    arrangement = arrange(count, arrows)
    column_of = {node: place for place, column in enumerate(arrangement.columns) for node in column}
    placed = [node for column in arrangement.columns for node in column if node < count]
    assert sorted(placed) == list(range(count))
    assert set(arrangement.routes) == set(arrows)
    for (source, target), way in arrangement.routes.items():
        assert way[0] == source
        assert way[-1] == target
        assert [column_of[node] for node in way] == list(range(column_of[source], column_of[target] + 1))


@given(_graphs())
@settings(max_examples=30, deadline=None)
def test_it_overlaps_nothing_whatever_the_graph(graph: tuple[int, list[tuple[int, int]]]):
    count, arrows = graph
    before: dict[int, list[str]] = {}
    for source, target in arrows:
        before.setdefault(target, []).append(f"s{source}")
    _check(_layout(*(_service(f"s{node}", *before.get(node, ()), timeout=node + 1) for node in range(count))))


def test_it_does_not_mistake_a_waypoint_of_one_part_for_a_node_of_another():
    arrows = [(0, 4), (1, 3), (1, 6), (1, 10), (2, 5), (2, 6), (3, 6), (3, 11), (5, 6), (6, 7), (6, 9), (7, 10), (8, 9)]
    arrangement = arrange(12, arrows)
    assert set(arrangement.routes) == set(arrows)


def test_it_lays_out_in_plain_layers_beyond_the_limit():
    arrangement = arrange(500, [(node, node + 250) for node in range(250)])
    assert [len(column) for column in arrangement.columns] == [250, 250]


def test_it_finds_the_layer_by_the_longest_way():
    assert longest_paths(4, [(0, 1), (1, 2), (0, 2), (2, 3)]) == [0, 1, 2, 3]


def test_it_makes_the_layout_of_a_revision_once():
    drawings = Drawings(kept=1)
    definition = fakes.definition()
    first = drawings.layout_of(definition, key=(1, "w", 1))
    assert drawings.layout_of(fakes.definition(), key=(1, "w", 1)) is first
    other = fakes.definition({**fakes.ORDER, "steps": fakes.ORDER["steps"][:2]})
    assert len(drawings.layout_of(other, key=(1, "w", 1)).boxes) == 2
    drawings.layout_of(definition, key=(1, "w", 2))
    assert drawings.layout_of(definition, key=(1, "w", 1)) is not first


def test_it_paints_boxes_in_the_states_of_their_runs():
    layout = lay_out(shapes_of(fakes.definition().steps))
    runs = fakes.order_steps()
    picture = paint_runs(layout, runs, name="Order", now=fakes.NOW_US, address=step_row)
    nodes = {node.anchor: node for node in picture.nodes}
    retrying = nodes["node-payment.primary"]
    assert (retrying.icon, retrying.subtitle) == ("retrying", "retrying · 2 of 4")
    assert "attention" in retrying.css
    assert nodes["node-payment.backup"].since == fakes.NOW_US - 5_800_000
    assert nodes["node-validate-order"].label == "validate-order, completed, 1.0 s"
    assert nodes["node-create-shipment"].subtitle == "pending"
    assert nodes["node-checks"].onward == "node-payment"
    assert nodes["node-payment"].back == "node-checks"
    lit = [stroke for stroke in picture.strokes if "lit" in stroke.css]
    assert len(lit) == 3


def test_it_runs_no_clock_in_a_picture_of_what_has_ended():
    layout = lay_out(shapes_of(fakes.definition().steps))
    picture = paint_runs(layout, fakes.order_steps(), name="Order", now=None, address=step_row)
    assert all(node.since is None for node in picture.nodes)


def test_it_counts_the_iterations_of_a_loop_by_state():
    loop = {"id": "users", "type": "loop", "items": "${input.users}", "steps": [_service("charge")]}
    layout = _layout(loop)
    steps = [
        fakes.step("users", "running", 0, type="loop"),
        *(
            fakes.step(f"users[{place}].charge", status, 0, 1, id="charge", name="charge", parent="users", index=place)
            for place, status in enumerate(["completed", "completed", "failed", "running"])
        ),
    ]
    picture = paint_runs(layout, steps, name="w", now=fakes.NOW_US, address=step_row)
    charge = next(node for node in picture.nodes if node.anchor == "node-users.charge")
    assert [(count.icon, count.number) for count in charge.counts] == [("failed", 1), ("running", 1), ("completed", 2)]
    assert charge.label == "charge, 1 failed, 1 running, 2 completed"
    assert written_path("users[3].charge") == "users.charge"


def test_it_paints_a_definition_without_states():
    picture = paint_definition(lay_out(shapes_of(fakes.definition().steps)), name="Order")
    assert {node.icon for node in picture.nodes} == {""}
    assert next(node for node in picture.nodes if node.anchor == "node-payment").subtitle == "race"

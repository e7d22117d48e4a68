"""Where everything stands, in pixels: columns from left to right, containers as boxes round what is nested in them.

Heights and widths are known before anything is placed: what is nested is drawn first, then its container round it.
Within a column the order is given (layers.py), so placing is a least-squares question with an exact answer: each box
wants to stand level with its neighbours, none may overlap, and blocks that push against each other move as one (pool
adjacent violators). A few sweeps to and fro settle it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dashboard.graph.layers import Arrangement, arrange
from dashboard.graph.shape import Arrow, Shape, Shapes

MARGIN = 16
LEAF_HEIGHT = 52
LEAF_WIDTH = 168
LEAF_WIDEST = 264
LETTER = 7.8
SMALL_LETTER = 6.8
GAP_X = 38
TEXT_INSET = 14
GAP_Y = 18
LANE = 14
"""How much room an arrow takes that passes through a column."""
PAD = 16
HEAD = 58
SWEEPS = 6

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A shape with its place: the upper left corner and the size, in pixels."""

    shape: Shape
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Line:
    """An arrow with its way through `points`, left to right; the ends are the paths of shapes."""

    points: tuple[Point, ...]
    source: str
    target: str
    kind: str

    @property
    def d(self) -> str:
        """Return an SVG path through the points that leaves and reaches each of them level."""
        x, y = self.points[0]
        parts = [f"M{x:.1f} {y:.1f}"]
        for next_x, next_y in self.points[1:]:
            if abs(next_y - y) < 0.6:
                parts.append(f"H{next_x:.1f}")
            else:
                middle = (x + next_x) / 2
                parts.append(f"C{middle:.1f} {y:.1f} {middle:.1f} {next_y:.1f} {next_x:.1f} {next_y:.1f}")
                y = next_y
            x = next_x
        return "".join(parts)


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing without states: boxes, containers before what is nested in them, and lines."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def lay_out(drawn: Shapes) -> Layout:
    """Place a workflow's shapes."""
    bare = _draw(drawn.shapes, drawn.arrows)
    moved = _moved(bare, MARGIN, MARGIN)
    return replace(moved, width=round(bare.width + 2 * MARGIN), height=round(bare.height + 2 * MARGIN))


def _draw(shapes: Sequence[Shape], arrows: Sequence[Arrow]) -> Layout:
    """Place a list of shapes with its upper left corner at the origin."""
    inner = {place: _draw(shape.inside, shape.arrows) for place, shape in enumerate(shapes) if shape.inside}
    sizes = [_size(shape, inner.get(place)) for place, shape in enumerate(shapes)]
    placing = _Placing(arrange(len(shapes), [(arrow.source, arrow.target) for arrow in arrows]), sizes)
    boxes = [placing.box(place, shape) for place, shape in enumerate(shapes)]
    lines = [placing.line(arrow, shapes, boxes) for arrow in arrows]
    for place, nested in inner.items():
        box = boxes[place]
        moved = _moved(nested, box.x + (box.width - nested.width) / 2, box.y + HEAD)
        boxes.extend(moved.boxes)
        lines.extend(moved.lines)
    return Layout(placing.width, placing.height, tuple(boxes), tuple(lines))


def _size(shape: Shape, nested: Layout | None) -> Point:
    if nested is None:
        return min(LEAF_WIDEST, max(LEAF_WIDTH, _text_width(shape) + 2 * TEXT_INSET)), LEAF_HEIGHT
    return max(nested.width, min(LEAF_WIDEST, _text_width(shape))) + 2 * PAD, nested.height + HEAD + PAD


def _text_width(shape: Shape) -> int:
    """Return how wide the name is, or what the step does; the words of a state are no longer than `LEAF_WIDTH`."""
    return round(max(len(shape.name) * LETTER, (len(shape.note) + 1) * SMALL_LETTER))


def _moved(layout: Layout, x: float, y: float) -> Layout:
    boxes = tuple(replace(box, x=round(box.x + x, 1), y=round(box.y + y, 1)) for box in layout.boxes)
    lines = tuple(replace(line, points=tuple((px + x, py + y) for px, py in line.points)) for line in layout.lines)
    return replace(layout, boxes=boxes, lines=lines)


class _Placing:
    """The coordinates of one list's nodes and waypoints, from an arrangement and the nodes' sizes."""

    def __init__(self, arrangement: Arrangement, sizes: Sequence[Point]) -> None:
        self._arrangement = arrangement
        self._sizes = sizes
        self._lefts: dict[int, float] = {}
        self._widths: dict[int, float] = {}
        self._middles: dict[int, float] = {}
        self.width = self._place_columns()
        self.height = self._place_rows()

    def box(self, node: int, shape: Shape) -> Box:
        """Return the box of a node. Leaves fill their column, so that it reads as one; containers are centred."""
        width, height = self._sizes[node]
        column = self._widths[node]
        if not shape.inside and column <= LEAF_WIDEST:
            width = column
        x = self._lefts[node] + (column - width) / 2
        return Box(shape, round(x, 1), round(self._middles[node] - height / 2, 1), width, height)

    def line(self, arrow: Arrow, shapes: Sequence[Shape], boxes: Sequence[Box]) -> Line:
        """Return the line of an arrow, through its waypoints."""
        way = self._arrangement.routes[arrow.source, arrow.target]
        source, target = boxes[arrow.source], boxes[arrow.target]
        points = [(source.x + source.width, self._middles[arrow.source])]
        for node in way[1:-1]:
            left, middle = self._lefts[node], self._middles[node]
            points += [(left, middle), (left + self._widths[node], middle)]
        points.append((target.x, self._middles[arrow.target]))
        return Line(tuple(points), shapes[arrow.source].path, shapes[arrow.target].path, arrow.kind)

    def _place_columns(self) -> float:
        x = 0.0
        for column in self._arrangement.columns:
            width = max((self._sizes[node][0] for node in column if node < len(self._sizes)), default=LANE)
            for node in column:
                self._lefts[node], self._widths[node] = x, width
            x += width + GAP_X
        return max(0.0, x - GAP_X)

    def _place_rows(self) -> float:
        before: dict[int, list[int]] = {}
        after: dict[int, list[int]] = {}
        for way in self._arrangement.routes.values():
            for source, target in itertools.pairwise(way):
                after.setdefault(source, []).append(target)
                before.setdefault(target, []).append(source)
        columns = self._arrangement.columns
        for column in columns:
            self._settle(column, {})
        for sweep in range(SWEEPS):
            forward = sweep % 2 == 0
            for column in columns if forward else reversed(columns):
                self._settle(column, before if forward else after)
        return self._from_zero()

    def _settle(self, column: Sequence[int], neighbours: dict[int, list[int]]) -> None:
        """Place one column: as near as can be to where its neighbours want it, in order, without overlaps."""
        offsets = self._offsets(column)
        blocks: list[tuple[float, int]] = []
        for node, offset in zip(column, offsets, strict=True):
            levels = [self._middles[each] for each in neighbours.get(node, ())]
            wanted = sum(levels) / len(levels) if levels else self._middles.get(node, offset)
            blocks.append((wanted - offset, 1))
            while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
                (level, many), (other, more) = blocks.pop(), blocks.pop()
                blocks.append(((level * many + other * more) / (many + more), many + more))
        levels = [level for level, many in blocks for _ in range(many)]
        for node, level, offset in zip(column, levels, offsets, strict=True):
            self._middles[node] = level + offset

    def _offsets(self, column: Sequence[int]) -> list[float]:
        """Return how far below the first each node stands when they stand as close as they may."""
        offsets = [0.0]
        for upper, lower in itertools.pairwise(column):
            offsets.append(offsets[-1] + (self._tall(upper) + self._tall(lower)) / 2 + GAP_Y)
        return offsets

    def _tall(self, node: int) -> float:
        return self._sizes[node][1] if node < len(self._sizes) else LANE

    def _from_zero(self) -> float:
        upper = min((middle - self._tall(node) / 2 for node, middle in self._middles.items()), default=0.0)
        lower = max((middle + self._tall(node) / 2 for node, middle in self._middles.items()), default=0.0)
        for node in self._middles:
            self._middles[node] -= upper
        return lower - upper

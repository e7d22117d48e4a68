"""A layout painted with the states of step runs: what the templates of a graph show.

A box of one run says that run's state; one that stands for several (alike steps, the iterations of a loop) counts them
per state and wears the heaviest. Without runs it says what the step does: the picture of a definition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.graph.layout import LETTER, SMALL_LETTER, TEXT_INSET, Box, Layout, Line
from dashboard.graph.shape import Shape, written_path
from dashboard.words.anchors import line_anchor, node_anchor, step_anchor
from dashboard.words.states import heaviest, look
from dashboard.words.times import duration_words, elapsed_words, micros
from dashboard.words.values import short
from orchestration.engine.queries import StepView

Address = Callable[[str], str]

ICON = 17
PAGE_WIDTH = 1_240
COUNTS = 4


@dataclass(frozen=True, slots=True)
class Count:
    """How many runs of a box are in one state, and where that is written."""

    icon: str
    hue: str
    number: int
    x: float

    @property
    def text_x(self) -> float:
        """Return where the number begins, after the icon."""
        return self.x + ICON


@dataclass(frozen=True, slots=True)
class Node:
    """One box as it is drawn. `since` lets the page count on while its run lasts."""

    anchor: str
    href: str
    x: float
    y: float
    width: float
    height: float
    css: str
    title: str
    subtitle: str
    icon: str
    label: str
    container: bool = False
    stacked: bool = False
    counts: tuple[Count, ...] = ()
    since: int | None = None
    lasts: str = ""
    onward: str = ""
    back: str = ""

    @property
    def shade_x(self) -> float:
        """Return the left edge of the second frame behind a stack."""
        return self.x + 4

    @property
    def shade_y(self) -> float:
        """Return the upper edge of the second frame behind a stack."""
        return self.y + 4

    @property
    def round(self) -> int:
        """Return the radius of the corners."""
        return 12 if self.container else 9

    @property
    def text_x(self) -> float:
        """Return where the texts begin."""
        return self.x + TEXT_INSET

    @property
    def title_y(self) -> float:
        """Return the base line of the name."""
        return self.y + (24 if self.container else 22)

    @property
    def icon_x(self) -> float:
        """Return the left edge of the state's icon."""
        return self.text_x - 1

    @property
    def icon_y(self) -> float:
        """Return the upper edge of the state's icon."""
        return self.note_y - 11

    @property
    def note_x(self) -> float:
        """Return where the text after the icon begins."""
        return self.text_x + (ICON if self.icon and not self.counts else 0)

    @property
    def note_y(self) -> float:
        """Return the base line of the second line."""
        return self.title_y + 18


@dataclass(frozen=True, slots=True)
class Stroke:
    """One arrow as it is drawn."""

    anchor: str
    d: str
    css: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A graph as it is drawn, with a sentence for those who do not see it."""

    width: float
    height: float
    nodes: tuple[Node, ...]
    strokes: tuple[Stroke, ...]
    label: str

    @property
    def wide(self) -> bool:
        """Say whether it is so little too wide for a page that it is better shrunk than scrolled."""
        return PAGE_WIDTH < self.width <= PAGE_WIDTH * 1.16


def paint_definition(layout: Layout, *, name: str) -> Picture:
    """Paint a workflow as it is written down: no states."""
    return _paint(layout, {}, f"Steps of {name}", now=None, address=None)


def paint_runs(layout: Layout, runs: Iterable[StepView], *, name: str, now: int | None, address: Address) -> Picture:
    """Paint an execution. `now` is None once it ended; `address` says where a run's row is."""
    by_path: dict[str, list[StepView]] = {}
    for run in runs:
        by_path.setdefault(written_path(run.path), []).append(run)
    return _paint(layout, by_path, f"Steps of {name} and their states", now=now, address=address)


def _paint(
    layout: Layout, runs: Mapping[str, list[StepView]], label: str, *, now: int | None, address: Address | None
) -> Picture:
    onward, back = _neighbours(layout.lines)
    nodes = []
    for box in layout.boxes:
        mine = [run for path in box.shape.paths for run in runs.get(path, ())]
        ways = {"onward": onward.get(box.shape.path, ""), "back": back.get(box.shape.path, "")}
        nodes.append(_described(box, ways) if address is None else _painted(box, mine, ways, now=now, address=address))
    done = {path for path, mine in runs.items() if any(run.status == "completed" for run in mine)}
    strokes = tuple(_stroke(number, line, line.source in done) for number, line in enumerate(layout.lines))
    return Picture(layout.width, layout.height, tuple(nodes), strokes, label)


def _neighbours(lines: Sequence[Line]) -> tuple[dict[str, str], dict[str, str]]:
    """Return for each path the anchors of the boxes that arrows lead to and come from: the way of the arrow keys."""
    onward: dict[str, list[str]] = {}
    back: dict[str, list[str]] = {}
    for line in lines:
        onward.setdefault(line.source, []).append(node_anchor(line.target))
        back.setdefault(line.target, []).append(node_anchor(line.source))
    return {path: " ".join(each) for path, each in onward.items()}, {
        path: " ".join(each) for path, each in back.items()
    }


def _stroke(number: int, line: Line, lit: bool) -> Stroke:
    return Stroke(line_anchor(number), line.d, f"edge edge-{line.kind}{' lit' if lit else ''}")


def _described(box: Box, ways: Mapping[str, str]) -> Node:
    shape = box.shape
    return _node(
        box,
        ways,
        css="neutral plain",
        href=f"#{step_anchor(shape.path)}",
        icon="",
        subtitle=shape.note,
        label=f"{shape.name}, {shape.note}",
    )


def _painted(box: Box, runs: Sequence[StepView], ways: Mapping[str, str], *, now: int | None, address: Address) -> Node:
    shape = box.shape
    href = address(runs[0].path if runs else shape.path)
    if len(runs) == 1 and not shape.many:
        return _single(box, runs[0], ways, href=href, now=now)
    states = Counter(run.status for run in runs) or Counter({"pending": len(shape.paths)})
    state = heaviest(states)
    ordered = sorted(states.items(), key=lambda item: -look(item[0]).rank)
    many = states.total() > 1
    return _node(
        box,
        ways,
        css=_css(state),
        href=href,
        icon=look(state).icon,
        subtitle="" if many and not shape.inside else _summary(shape, ordered),
        label=", ".join([shape.name, *(f"{number} {look(each).word.lower()}" for each, number in ordered)]),
        counts=_counts(box, ordered) if many and not shape.inside else (),
    )


def _summary(shape: Shape, ordered: Sequence[tuple[str, int]]) -> str:
    """Say on one line how many runs are in which state, and what the box does."""
    if sum(number for _, number in ordered) == 1:
        words = look(ordered[0][0]).word.lower()
    else:
        words = ", ".join(f"{number} {look(each).word.lower()}" for each, number in ordered[:2])
    return f"{words} · {shape.note}" if shape.inside else words


def _counts(box: Box, ordered: Sequence[tuple[str, int]]) -> tuple[Count, ...]:
    x = box.x + TEXT_INSET - 1
    counts = []
    for state, number in ordered[:COUNTS]:
        counts.append(Count(look(state).icon, look(state).hue, number, round(x, 1)))
        x += ICON + len(str(number)) * LETTER + 10
    return tuple(counts)


def _single(box: Box, run: StepView, ways: Mapping[str, str], *, href: str, now: int | None) -> Node:
    shown = look(run.status)
    lasts, since = _lasting(run, now)
    said = [shown.word.lower()]
    if run.status == "retrying" or (run.attempts > 1 and run.status != "completed"):
        said.append(f"{run.attempts} of {run.max_attempts}")
    if box.shape.inside and box.shape.note != "parallel":
        said.append(box.shape.note)
    room = _room(box) - (_width(lasts) if lasts else 0)
    fitting = list(said)
    while len(fitting) > 1 and _width(" · ".join(fitting)) > room:
        fitting.pop()
    if _width(fitting[0]) > room:
        lasts, since = "", None
    return _node(
        box,
        ways,
        css=_css(run.status),
        href=href,
        icon=shown.icon,
        subtitle=" · ".join(fitting),
        label=", ".join([box.shape.name, *said, *([lasts] if lasts and since is None else [])]),
        since=since,
        lasts=lasts,
    )


def _lasting(run: StepView, now: int | None) -> tuple[str, int | None]:
    """Say how long a run took; or how long it lasts, with the instant to count on from."""
    started, ended = micros(run.started_at), micros(run.ended_at)
    if started is None or run.status in {"skipped", "cancelled"}:
        return "", None
    if ended is not None:
        return duration_words(ended - started), None
    if run.status in {"running", "compensating"} and now is not None:
        return elapsed_words(now - started), started
    return "", None


def _room(box: Box) -> float:
    """Return how much room the second line has after the state's icon."""
    return box.width - 2 * TEXT_INSET + 6 - ICON


def _width(words: str) -> float:
    return (len(words) + 1) * (SMALL_LETTER - 0.6)


def _css(state: str) -> str:
    return f"{look(state).hue} state-{state}"


def _node(box: Box, ways: Mapping[str, str], *, css: str, subtitle: str, **rest: Any) -> Node:
    shape = box.shape
    container, stacked = bool(shape.inside), shape.many or (shape.type == "loop" and not shape.inside)
    return Node(
        anchor=node_anchor(shape.path),
        x=box.x,
        y=box.y,
        width=box.width,
        height=box.height,
        css=f"{'box' if container else 'leaf'} {css}",
        title=short(shape.name, round((box.width - 2 * TEXT_INSET) / LETTER)),
        subtitle=short(subtitle, round((box.width - 2 * TEXT_INSET) / (SMALL_LETTER - 0.6))) if subtitle else "",
        container=container,
        stacked=stacked,
        onward=ways["onward"],
        back=ways["back"],
        **rest,
    )

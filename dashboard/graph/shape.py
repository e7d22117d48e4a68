"""What is drawn of a workflow: its steps as a tree of shapes with arrows, folded until a reader can take it in.

A reader is lost, and a browser slow, long before a graph of thousands of steps is drawn out. So steps that are alike
(same kind of call, same arrows) become one shape that stands for all of them and is painted with counts per state. If
that is not enough, steps of one kind in the same layer do, then nested steps are folded into their container, then
whole layers, then runs of layers; DRAWN at most remain. Every fold keeps arrows pointing forward.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dashboard.graph.layers import longest_paths

DRAWN = 400
COMFORTABLE = 48
ALIKE = 6
"""From how many alike siblings on they are drawn as one."""

DEPENDENCY, SUCCESS, FAILURE, MIXED = "dependency", "success", "failure", "mixed"

_INDEX = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow between two shapes of one list, by their places in it."""

    source: int
    target: int
    kind: str


@dataclass(frozen=True, slots=True)
class Shape:
    """One box: `paths` are the steps (as written down) that it stands for, `inside` what is drawn within it."""

    path: str
    name: str
    type: str
    note: str
    paths: tuple[str, ...]
    inside: tuple[Shape, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    many: bool = False

    @property
    def size(self) -> int:
        """Return how many boxes are drawn for this shape, itself included."""
        return 1 + sum(shape.size for shape in self.inside)


@dataclass(frozen=True, slots=True)
class Shapes:
    """A list of shapes and the arrows between them: a whole workflow, as it is drawn."""

    shapes: tuple[Shape, ...]
    arrows: tuple[Arrow, ...]

    @property
    def size(self) -> int:
        """Return how many boxes are drawn."""
        return sum(shape.size for shape in self.shapes)


def written_path(path: str) -> str:
    """Return the path of a step run as its step is written down: `users[3].charge` is `users.charge`."""
    return _INDEX.sub("", path)


def shapes_of(steps: Sequence[Any]) -> Shapes:
    """Return what is drawn of a definition's steps: at most DRAWN boxes."""
    drawn = Shapes(*_read(steps, ""))
    drawn = _each_list(drawn, lambda level: _fold(level, _alike(level), ALIKE))
    for fold in (_fold_layers_by_kind, _fold_nested, _fold_layers, _fold_runs_of_layers):
        if drawn.size <= COMFORTABLE or (drawn.size <= DRAWN and fold is not _fold_layers_by_kind):
            break
        drawn = fold(drawn)
    return drawn


def _read(steps: Sequence[Any], prefix: str) -> tuple[tuple[Shape, ...], tuple[Arrow, ...]]:
    places = {step.id: place for place, step in enumerate(steps)}
    arrows: dict[tuple[int, int], str] = {}
    for place, step in enumerate(steps):
        for name in step.dependencies:
            _draw(arrows, places[name], place, DEPENDENCY)
        for name in step.on_success:
            _draw(arrows, place, places[name], SUCCESS)
        for name in step.on_failure:
            _draw(arrows, place, places[name], FAILURE)
    shapes = tuple(_shape(step, prefix) for step in steps)
    return shapes, tuple(Arrow(source, target, kind) for (source, target), kind in arrows.items())


def _draw(arrows: dict[tuple[int, int], str], source: int, target: int, kind: str) -> None:
    known = arrows.get((source, target), kind)
    arrows[source, target] = kind if known == kind else MIXED


def _shape(step: Any, prefix: str) -> Shape:
    path = f"{prefix}{step.id}"
    inside, arrows = _read(step.steps, f"{path}.") if step.type in {"parallel", "loop"} else ((), ())
    return Shape(path, step.name or step.id, step.type, _note(step), (path,), inside, arrows)


def _note(step: Any) -> str:
    """Say on one line what a step does, as far as its definition tells."""
    says: dict[str, Callable[[], str]] = {
        "service": lambda: f"{step.service_name}.{step.method}",
        "notification": lambda: f"notify {step.channel}",
        "subflow": lambda: f"runs {step.workflow}",
        "condition": lambda: "decides",
        "delay": lambda: "delay",
        "wait": lambda: f"waits for {step.signal or step.event}",
        "parallel": lambda: {"race": "race", "best-effort": "best effort"}.get(step.mode, "parallel"),
        "loop": lambda: "while" if step.while_ is not None else "each item",
    }
    say = says.get(step.type)
    return say() if say else str(step.type)


def _each_list(level: Shapes, fold: Callable[[Shapes], Shapes]) -> Shapes:
    """Fold the nested lists first, then this one."""
    shapes = []
    for shape in level.shapes:
        inner = _each_list(Shapes(shape.inside, shape.arrows), fold) if shape.inside else Shapes((), ())
        shapes.append(replace(shape, inside=inner.shapes, arrows=inner.arrows))
    return fold(Shapes(tuple(shapes), level.arrows))


def _alike(level: Shapes) -> list[Hashable]:
    """Return for each leaf what makes it like its siblings: kind, and where its arrows come from and go."""
    sources: dict[int, list[tuple[int, str]]] = defaultdict(list)
    targets: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for arrow in level.arrows:
        sources[arrow.target].append((arrow.source, arrow.kind))
        targets[arrow.source].append((arrow.target, arrow.kind))
    return [
        (place,)
        if shape.inside
        else (shape.type, shape.note, tuple(sorted(sources[place])), tuple(sorted(targets[place])))
        for place, shape in enumerate(level.shapes)
    ]


def _fold_layers_by_kind(level: Shapes) -> Shapes:
    """Make the leaves of one kind in the same layer one shape."""

    def fold(inner: Shapes) -> Shapes:
        layer = _layers(inner)
        return _fold(inner, [_kind(shape, layer[place]) for place, shape in enumerate(inner.shapes)], 3)

    return _each_list(level, fold)


def _kind(shape: Shape, layer: int) -> Hashable:
    return (shape.path,) if shape.inside else (layer, shape.type, shape.note)


def _fold_nested(level: Shapes) -> Shapes:
    """Draw containers without what is in them."""
    shapes = tuple(
        replace(shape, paths=tuple(_leaves(shape)), inside=(), arrows=(), many=True) if shape.inside else shape
        for shape in level.shapes
    )
    return Shapes(shapes, level.arrows)


def _leaves(shape: Shape) -> Iterable[str]:
    if not shape.inside:
        yield from shape.paths
    for inner in shape.inside:
        yield from _leaves(inner)


def _fold_layers(level: Shapes) -> Shapes:
    """Make every layer one shape."""
    return _fold(level, list(_layers(level)), 2)


def _fold_runs_of_layers(level: Shapes) -> Shapes:
    """Make as many neighbouring layers one shape as it takes."""
    layer = _layers(level)
    length = -(-(max(layer) + 1) // DRAWN)
    return _fold(level, [each // length for each in layer], 2)


def _layers(level: Shapes) -> list[int]:
    return longest_paths(len(level.shapes), [(arrow.source, arrow.target) for arrow in level.arrows])


def _fold(level: Shapes, keys: Sequence[Hashable], least: int) -> Shapes:
    """Make shapes of one key one shape, wherever there are at least `least` of them."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        groups[key].append(place)
    shapes: list[Shape] = []
    new_place: dict[int, int] = {}
    for members in groups.values():
        for together in [members] if len(members) >= least else [[place] for place in members]:
            new_place.update(dict.fromkeys(together, len(shapes)))
            shapes.append(_together([level.shapes[place] for place in together]))
    arrows: dict[tuple[int, int], str] = {}
    for arrow in level.arrows:
        source, target = new_place[arrow.source], new_place[arrow.target]
        if source != target:
            _draw(arrows, source, target, arrow.kind)
    return Shapes(tuple(shapes), tuple(Arrow(*ends, kind) for ends, kind in arrows.items()))


def _together(members: Sequence[Shape]) -> Shape:
    if len(members) == 1:
        return members[0]
    first = members[0]
    paths = tuple(path for member in members for path in member.paths)
    notes = {member.note for member in members}
    name = f"{len(paths)} × {_stem([member.name for member in members])}"
    return Shape(first.path, name, first.type, first.note if len(notes) == 1 else "steps", paths, many=True)


def _stem(names: Sequence[str]) -> str:
    """Return what names have in common at their beginning, without a number that trails off."""
    low, high = min(names), max(names)
    length = next((place for place, letter in enumerate(low) if letter != high[place : place + 1]), len(low))
    return low[:length].rstrip("0123456789-_. ") or "steps"

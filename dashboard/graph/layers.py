"""In which column and in which order the nodes of a graph stand: by fast-sugiyama, or in plain layers when it is big.

Nodes are numbered from 0. An arrow that skips columns gets a waypoint in each of them, numbered on from the last node,
so that it can be led round what stands there.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import fast_sugiyama

NODES = 400
ARROWS = 2_000
"""Beyond these the layout is in plain layers."""

NAMED_FROM = 1_000_000_000

Ends = tuple[int, int]

for _name in ("rust-sugiyama", "connected_components"):
    # The library tells every phase of every layout, which is of no interest to anybody who runs the site.
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Arrangement:
    """`columns` from left to right, each from top to bottom; `routes` has each arrow's way from node to node."""

    columns: list[list[int]]
    routes: dict[Ends, list[int]]


def arrange(count: int, arrows: Sequence[Ends]) -> Arrangement:
    """Place `count` nodes; `arrows` are distinct, and no circle is among them."""
    if not arrows:
        return Arrangement([list(range(count))] if count else [], {})
    if count > NODES or len(arrows) > ARROWS:
        return _plain(count, arrows)
    return _sugiyama(count, arrows)


def longest_paths(count: int, arrows: Sequence[Ends]) -> list[int]:
    """Return each node's layer: the length of the longest way to it."""
    targets: list[list[int]] = [[] for _ in range(count)]
    missing = [0] * count
    for source, target in arrows:
        targets[source].append(target)
        missing[target] += 1
    layer = [0] * count
    free = deque(node for node in range(count) if not missing[node])
    while free:
        node = free.popleft()
        for target in targets[node]:
            layer[target] = max(layer[target], layer[node] + 1)
            missing[target] -= 1
            if not missing[target]:
                free.append(target)
    return layer


def _plain(count: int, arrows: Sequence[Ends]) -> Arrangement:
    layer = longest_paths(count, arrows)
    columns: list[list[int]] = [[] for _ in range(max(layer) + 1)]
    for node in range(count):
        columns[layer[node]].append(node)
    return Arrangement(columns, {ends: list(ends) for ends in arrows})


def _sugiyama(count: int, arrows: Sequence[Ends]) -> Arrangement:
    columns: list[list[int]] = []
    routes: dict[Ends, list[int]] = {}
    fresh = count
    for part in _connected(count, arrows):
        # Nodes lie far beyond the library's own waypoints; and as numbers, unlike texts, they are walked through in the
        # same order in every process, so that a drawing is always the same.
        named = [(source + NAMED_FROM, target + NAMED_FROM) for source, target in part]
        layouts: Any = fast_sugiyama.from_edges(named, dummy_vertices=True).to_list()
        ((positions, _, _, pieces),) = layouts
        numbers: dict[int, int] = {}
        for name, _ in positions:
            numbers[name] = name - NAMED_FROM if name >= NAMED_FROM else fresh
            fresh += name < NAMED_FROM
        _add_columns(columns, [(numbers[name], x, y) for name, (x, y) in positions])
        _add_routes(routes, count, [(numbers[source], numbers[target]) for source, target in pieces or ()])
    alone = sorted(set(range(count)) - {node for ends in arrows for node in ends})
    columns[0].extend(alone)
    _sort_alike(columns, routes)
    return Arrangement(columns, routes)


def _connected(count: int, arrows: Sequence[Ends]) -> list[list[Ends]]:
    """Return the arrows of each connected part, in the order of their first nodes.

    Given several parts at once the library numbers waypoints of one like nodes of another.
    """
    head = list(range(count))

    def find(node: int) -> int:
        while head[node] != node:
            head[node] = head[head[node]]
            node = head[node]
        return node

    for source, target in arrows:
        one, other = sorted((find(source), find(target)))
        head[other] = one
    parts: dict[int, list[Ends]] = {}
    for source, target in arrows:
        parts.setdefault(find(source), []).append((source, target))
    return [parts[first] for first in sorted(parts)]


def _sort_alike(columns: list[list[int]], routes: dict[Ends, list[int]]) -> None:
    """Where nodes could change places without crossing anything, stand them in the order in which they are written."""
    beside: dict[int, list[tuple[bool, int]]] = {}
    for way in routes.values():
        for source, target in pairwise(way):
            beside.setdefault(source, []).append((True, target))
            beside.setdefault(target, []).append((False, source))
    for column in columns:
        alike: dict[tuple[tuple[bool, int], ...], list[int]] = {}
        for place, node in enumerate(column):
            alike.setdefault(tuple(sorted(beside.get(node, ()))), []).append(place)
        for places in alike.values():
            for place, node in zip(places, sorted(column[place] for place in places), strict=True):
                column[place] = node


def _add_columns(columns: list[list[int]], places: list[tuple[int, float, float]]) -> None:
    """Put one connected part below the others. Its first layer is the one with the greatest y."""
    heights = sorted({round(y) for _, _, y in places}, reverse=True)
    column_of = {height: place for place, height in enumerate(heights)}
    columns.extend([] for _ in range(len(heights) - len(columns)))
    parts: list[list[tuple[float, int]]] = [[] for _ in heights]
    for node, x, y in places:
        parts[column_of[round(y)]].append((x, node))
    orders = [[node for _, node in sorted(part)] for part in parts]
    if _upside_down(orders):
        orders = [order[::-1] for order in orders]
    for column, order in zip(columns, orders, strict=False):
        column.extend(order)


def _upside_down(orders: list[list[int]]) -> bool:
    """Say whether most neighbours stand against the order in which they are written down; the mirror is as good."""
    steps = [(upper, lower) for order in orders for upper, lower in pairwise(order)]
    return sum(upper > lower for upper, lower in steps) > len(steps) / 2


def _add_routes(routes: dict[Ends, list[int]], count: int, pieces: list[Ends]) -> None:
    onward = {source: target for source, target in pieces if source >= count}
    for source, target in pieces:
        if source >= count:
            continue
        way = [source, target]
        while way[-1] >= count:
            way.append(onward[way[-1]])
        routes[source, way[-1]] = way

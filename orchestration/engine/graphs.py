"""Compiled graphs, kept per process: a revision never changes, so neither does its graph."""

from __future__ import annotations

import threading
from collections import OrderedDict

import orjson

from orchestration.domain.definition import parse_definition
from orchestration.domain.graph import Graph

KEPT = 512
_graphs: OrderedDict[int, Graph] = OrderedDict()
_changing = threading.Lock()


def find_graph(revision_id: int) -> Graph | None:
    """Return the graph of a revision if this process has it."""
    graph = _graphs.get(revision_id)
    if graph is not None:
        with _changing:
            if revision_id in _graphs:
                _graphs.move_to_end(revision_id)
    return graph


def graph_of(revision_id: int, document: str) -> Graph:
    """Return the graph of a revision, compiled from its document if this process has not seen it yet."""
    graph = find_graph(revision_id)
    if graph is not None:
        return graph
    graph = Graph.compile(parse_definition(orjson.loads(document)))
    with _changing:
        _graphs[revision_id] = graph
        while len(_graphs) > KEPT:
            _graphs.popitem(last=False)
    return graph

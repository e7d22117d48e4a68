"""Layouts that were made before. A revision never changes, so its layout is made once and kept while there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from dashboard.graph.layout import Layout, lay_out
from dashboard.graph.shape import shapes_of
from orchestration.domain.definition import Definition

KEPT = 256


class Drawings:
    """The layouts of the revisions that were looked at last."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._layouts: OrderedDict[Hashable, tuple[Definition, Layout]] = OrderedDict()
        self._lock = threading.Lock()

    def layout_of(self, definition: Definition, *, key: Hashable) -> Layout:
        """Return the layout of a definition; `key` names its revision."""
        with self._lock:
            known = self._layouts.get(key)
            if known is not None:
                self._layouts.move_to_end(key)
        # A workflow may have been thrown away and another of its name saved: the key alone does not tell.
        if known is not None and (known[0] is definition or known[0].steps == definition.steps):
            return known[1]
        layout = lay_out(shapes_of(definition.steps))
        with self._lock:
            self._layouts[key] = (definition, layout)
            while len(self._layouts) > self._kept:
                self._layouts.popitem(last=False)
        return layout

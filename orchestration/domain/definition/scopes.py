"""Which names an expression has at its place: the rules of WORKFLOWS.md, in one file."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

EVERYWHERE = frozenset({"input", "vars", "steps", "execution"})
TRIGGER_NAMES = frozenset({"event"})


class StepIds:
    """The ids of a list of steps and of those around it. Only `in` is asked of it."""

    __slots__ = ("_outer", "_own")

    def __init__(self, own: Collection[str], outer: StepIds | None) -> None:
        self._own = own
        self._outer = outer

    def __contains__(self, step_id: object) -> bool:
        ids: StepIds | None = self
        while ids is not None:
            if step_id in ids._own:
                return True
            ids = ids._outer
        return False


@dataclass(frozen=True, slots=True)
class Scope:
    """What can be named somewhere: `names`, and the steps whose ids may be written out. `depth` counts containers."""

    names: frozenset[str]
    step_ids: StepIds
    depth: int = 0

    def having(self, *names: str) -> Scope:
        """Return the scope with more names."""
        return replace(self, names=self.names.union(names))

    def inside(self, own: Collection[str]) -> Scope:
        """Return the scope of a container's nested steps, whose ids are `own`."""
        return replace(self, step_ids=StepIds(own, self.step_ids), depth=self.depth + 1)


def top_scope(ids: Collection[str]) -> Scope:
    """Return the scope of the steps that lie in no container."""
    return Scope(EVERYWHERE, StepIds(ids, None))

"""The steps of the second opinion: what they are made of, joins, and what a reset does. See opinion.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ENDED = frozenset({"completed", "failed", "skipped", "cancelled", "compensated", "compensation_failed"})
UNDONE = frozenset({"compensated", "compensation_failed"})


class Vars:
    """A first content, and what completed steps merged over it."""

    def __init__(self, base: dict[str, Any]) -> None:
        self.base = base
        self.merged: list[tuple[Step, dict[str, Any]]] = []

    def now(self) -> dict[str, Any]:
        content = dict(self.base)
        for _, values in self.merged:
            content.update(values)
        return content


class Step:
    """A step run."""

    def __init__(self, spec: dict[str, Any], among: StepList, place: int) -> None:
        self.spec = spec
        self.among = among
        self.place = (*among.place, place)
        self.path = among.prefix + spec["id"]
        self.type = spec["type"]
        self.arrows: list[tuple[Step, str]] = []
        self.body: Body | None = None
        self.token = 0
        self.clear()

    def clear(self) -> None:
        self.status = "pending"
        self.attempts = 0
        self.ready = False
        self.first_started: int | None = None
        self.number = 0
        self.input: Any = None
        self.output: Any = None
        self.error: dict[str, Any] | None = None
        self.last_error: dict[str, Any] | None = None
        self.in_flight = False
        self.child: Any = None
        self.undo_attempts = 0
        self.undo_input: Any = None
        self.undo_started = 0
        self.token += 1

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def optional(self) -> bool:
        return bool(self.spec.get("optional"))

    @property
    def unhandled(self) -> bool:
        return self.status == "failed" and not self.spec.get("on_failure") and not self.optional

    @property
    def calls(self) -> bool:
        return self.type in ("service", "notification")

    @property
    def knows_error(self) -> bool:
        return any(kind == "on_failure" for _, kind in self.arrows)

    def cause(self) -> dict[str, Any] | None:
        failed = [source for source, kind in self.arrows if kind == "on_failure" and source.status == "failed"]
        return min(failed, key=lambda source: source.number).error if failed else None

    def arrow(self, source: Step, kind: str) -> bool | None:
        """Tell whether an arrow is satisfied or dead; None while its source has not ended."""
        if not source.ended:
            return None
        if kind == "on_failure":
            return source.status == "failed" or (source.status == "skipped" and source.output is not None)
        return source.status == "completed"

    def verdict(self) -> bool | None:
        """Tell whether the join says run or skip; None for not yet."""
        if not self.arrows:
            return True
        told = [(kind, self.arrow(source, kind)) for source, kind in self.arrows]
        needed = [word for kind, word in told if kind == "dependency"]
        branches = [word for kind, word in told if kind != "dependency"]
        words = needed + branches
        all_ended = None not in words
        match self.spec.get("join", "all_success"):
            case "all_success":
                if False in needed or (branches and all(word is False for word in branches)):
                    return False
                return True if all(needed) and (not branches or True in branches) else None
            case "none_failed":
                spoiled = [
                    s for s, _ in self.arrows if s.status == "cancelled" or (s.status == "failed" and not s.optional)
                ]
                return False if spoiled else True if all_ended else None
            case "any_success":
                return (True in words) if all_ended else None
            case "first_success":
                return True if True in words else False if all_ended else None
        return True if all_ended else None


class StepList:
    """The steps of one list being run: the top level, the inside of a parallel, or one iteration."""

    def __init__(
        self, specs: list[dict[str, Any]], variables: Vars, container: Step | None = None, index: int | None = None
    ) -> None:
        self.vars = variables
        self.container = container
        self.index = index
        self.closed = False
        self.prefix, self.place = "", ()
        if container is not None:
            self.prefix = container.path + ("." if index is None else f"[{index}].")
            self.place = (*container.place, index or 0)
        self.steps = [Step(spec, self, place) for place, spec in enumerate(specs)]
        by_id = {step.spec["id"]: step for step in self.steps}
        for step in self.steps:
            step.arrows += [(by_id[source], "dependency") for source in step.spec.get("dependencies", ())]
            for kind in ("on_success", "on_failure"):
                for target in step.spec.get(kind, ()):
                    by_id[target].arrows.append((step, kind))

    @property
    def over(self) -> bool:
        return all(step.ended for step in self.steps)

    def first_failure(self) -> Step | None:
        failed = [step for step in self.steps if step.unhandled]
        return min(failed, key=lambda step: step.number) if failed else None

    def lists(self) -> Iterator[StepList]:
        """Return this list and all in it."""
        yield self
        for step in self.steps:
            if step.body is not None:
                for inner in step.body.lists:
                    yield from inner.lists()

    def live(self) -> Iterator[StepList]:
        """Return this list and those in it whose containers run."""
        yield self
        for step in self.steps:
            if step.body is not None and step.status == "running":
                # A loop that is tried again may have more open iterations than it may have in progress.
                still = [inner for inner in step.body.lists if not inner.closed]
                most = step.spec.get("parallel_limit", 1) if step.type == "loop" else len(still)
                for inner in still[:most]:
                    yield from inner.live()

    def view(self) -> dict[str, Any]:
        """Return `steps` as expressions see it."""
        view = self.container.among.view() if self.container is not None else {}
        for step in self.steps:
            seen: dict[str, Any] = {"status": step.status}
            if step.output is not None:
                seen["output"] = step.output
            if step.error is not None:
                seen["error"] = step.error
            view[step.spec["id"]] = seen
        return view

    # Resets: rules 15, 28, 30, 54, 55

    def reset(self, whole: set[Step] | None = None) -> None:
        """Reset what a retry runs again, and the steps in `whole` with all that follows them."""
        seeds = {step for step in self.steps if _runs_again(step)}
        whole = self.followers(whole or set())
        for step in self.followers(seeds | whole):
            self._reset(step, keeps=step in seeds and step not in whole)

    def followers(self, steps: set[Step]) -> set[Step]:
        found = set(steps)
        while True:
            more = {step for step in self.steps if step not in found and any(s in found for s, _ in step.arrows)}
            if not more:
                return found
            found |= more

    def _reset(self, step: Step, *, keeps: bool) -> None:
        if step.body is not None:
            if keeps:
                for inner in step.body.lists:
                    inner.reset()
            else:
                step.body = None
        self.vars.merged = [(source, values) for source, values in self.vars.merged if source is not step]
        step.clear()
        self.closed = False


class Body:
    """What a container began."""

    def __init__(self, base: dict[str, Any], items: list[Any] | None = None) -> None:
        self.base = base
        self.items = items
        self.shared = Vars(base)
        self.lists: list[StepList] = []
        self.results: dict[int, Any] = {}
        self.winner: Step | None = None


def _runs_again(step: Step) -> bool:
    if step.unhandled or step.status == "cancelled" or step.status in UNDONE:
        return True
    return step.status == "completed" and step.body is not None and _undone_within(step.body)


def _undone_within(body: Body) -> bool:
    return any(
        step.status in UNDONE or (step.body is not None and _undone_within(step.body))
        for inner in body.lists
        for step in inner.steps
    )

"""What hangs together in a definition: nesting, arrows, keys that exclude each other, names in templates.

The document itself is looked at, not the model, so that all problems come out at once; whatever has the wrong kind
here is passed over, for the model tells that. What follows from another error is not told: nothing is said of the
keys of a step without a valid type, nor of what lies too deep.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ..documents import MAX_PROBLEMS, join_path
from ..errors import Problem
from ..expressions import ExpressionInvalid, compile_expression
from ..instants import parse_instant
from ..limits import Limits
from ..templates import TemplateInvalid, compile_template
from .arrows import arrow_problems, failure_targets, ids_of
from .models import STEP_MODELS
from .scopes import Scope, top_scope
from .triggers import trigger_problems

_ONE_OF = {"loop": ("items", "while"), "delay": ("duration", "until"), "wait": ("signal", "event")}


class _Enough(Exception):
    """There are so many problems that nobody reads on."""


class Checker:
    """Walks through a definition once and gathers its problems. `cut` has the paths below which nothing is told."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.problems: list[Problem] = []
        self.cut: list[str] = []

    def definition(self, document: dict[str, Any]) -> None:
        """Check a whole definition."""
        with suppress(_Enough):
            self._definition(document)

    def _definition(self, document: dict[str, Any]) -> None:
        steps = document.get("steps")
        ids = ids_of(steps) if isinstance(steps, list) else {}
        scope = top_scope(ids)
        if isinstance(steps, list):
            self._steps(steps, ids, "steps", scope)
        config = document.get("config")
        if isinstance(config, dict):
            self._at_most(config, "parallel_limit", "config", self.limits.parallel_limit)
        if isinstance(document.get("output"), dict):
            self._template(document["output"], "output", scope)
        if isinstance(document.get("triggers"), list):
            self._extend(trigger_problems(document["triggers"], self.limits))

    def _add(self, path: str, code: str, message: str) -> None:
        self._extend((Problem(path, code, message),))

    def _extend(self, problems: Iterable[Problem]) -> None:
        for problem in problems:
            self.problems.append(problem)
            if len(self.problems) >= MAX_PROBLEMS:
                raise _Enough

    def _at_most(self, owner: dict[str, Any], key: str, path: str, most: int) -> None:
        value = owner.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and value > most:
            self._add(f"{path}.{key}", "value.range", f"must be at most {most}")

    # Steps --------------------------------------------------------------------------------------------------------

    def _steps(self, steps: list[Any], ids: dict[str, int], path: str, scope: Scope) -> None:
        if not steps:
            self._add(path, "value.range", "must have at least one step")
        self._extend(arrow_problems(steps, ids, path))
        handlers = failure_targets(steps)
        for index, step in enumerate(steps):
            if isinstance(step, dict):
                handles = isinstance(step.get("id"), str) and step["id"] in handlers
                self._step(step, f"{path}[{index}]", scope.having("error") if handles else scope)

    def _step(self, step: dict[str, Any], path: str, scope: Scope) -> None:
        self._expression(step, "condition", path, scope)
        if isinstance(step.get("output"), dict):
            self._template(step["output"], f"{path}.output", scope.having("output"))
        undo = step.get("compensate")
        if isinstance(undo, dict):
            self._input(undo, f"{path}.compensate", scope.having("output", "secrets"))
        kind = step.get("type")
        if isinstance(kind, str) and kind in STEP_MODELS:
            self._either(step, kind, path)
            check = _OWN_CHECKS.get(kind)
            if check is not None:
                check(self, step, path, scope)

    def _either(self, step: dict[str, Any], kind: str, path: str) -> None:
        first, second = _ONE_OF.get(kind, ("", ""))
        if first in step and second in step:
            self._add(f"{path}.{second}", "key.excluded", f"goes not together with {first}")
        elif first and first not in step and second not in step:
            self._add(f"{path}.{first}", "key.missing", f"one of {first} and {second} is needed")

    def _call(self, step: dict[str, Any], path: str, scope: Scope) -> None:
        self._input(step, path, scope.having("secrets"))

    def _notification(self, step: dict[str, Any], path: str, scope: Scope) -> None:
        self._call(step, path, scope)
        for key in ("to", "subject", "body"):
            if isinstance(step.get(key), str | list):
                self._template(step[key], f"{path}.{key}", scope)

    def _delay(self, step: dict[str, Any], path: str, scope: Scope) -> None:
        until = step.get("until")
        if not isinstance(until, str):
            return
        if "${" in until:
            self._template(until, f"{path}.until", scope)
            return
        try:
            parse_instant(until)
        except ValueError as error:
            self._add(f"{path}.until", "text.format", str(error))

    def _wait(self, step: dict[str, Any], path: str, scope: Scope) -> None:
        self._expression(step, "match", path, scope.having("event"))
        if "match" in step and "signal" in step and "event" not in step:
            self._add(f"{path}.match", "key.excluded", "goes with event, not with signal")

    def _loop(self, step: dict[str, Any], path: str, scope: Scope) -> None:
        if isinstance(step.get("items"), str | list):
            self._template(step["items"], f"{path}.items", scope)
        self._expression(step, "while", path, scope.having("index"))
        self._at_most(step, "max_iterations", path, self.limits.max_iterations)
        over_items = "items" in step or "while" not in step
        if not over_items and "parallel_limit" in step:
            self._add(f"{path}.parallel_limit", "key.excluded", "goes not together with while")
        self._container(step, path, scope.having("item", "index") if over_items else scope.having("index"))

    def _container(self, step: dict[str, Any], path: str, scope: Scope) -> None:
        self._at_most(step, "parallel_limit", path, self.limits.parallel_limit)
        nested = step.get("steps")
        ids = ids_of(nested) if isinstance(nested, list) else {}
        inner = scope.inside(ids)
        if step.get("result") is not None:
            self._template(step["result"], f"{path}.result", inner)
        if not isinstance(nested, list):
            return
        if inner.depth > self.limits.nesting:
            self._extend((nesting_problem(f"{path}.steps", self.limits),))
            self.cut.append(f"{path}.steps")
            return
        self._steps(nested, ids, f"{path}.steps", inner)

    # Expressions --------------------------------------------------------------------------------------------------

    def _input(self, step: dict[str, Any], path: str, scope: Scope) -> None:
        if isinstance(step.get("input"), dict | str):
            self._template(step["input"], f"{path}.input", scope)

    def _expression(self, step: dict[str, Any], key: str, path: str, scope: Scope) -> None:
        source = step.get(key)
        if not isinstance(source, str):
            return
        try:
            compile_expression(source, names=scope.names, step_ids=scope.step_ids, limits=self.limits)
        except ExpressionInvalid as error:
            hint = " (it is an expression by itself, without ${ })" if source.lstrip().startswith("${") else ""
            self._add(join_path(path, key), error.code, f"{error}{hint}")

    def _template(self, value: Any, path: str, scope: Scope) -> None:
        try:
            compile_template(value, names=scope.names, step_ids=scope.step_ids, path=path, limits=self.limits)
        except TemplateInvalid as error:
            self._extend(error.problems)


_OWN_CHECKS = {
    "service": Checker._call,
    "subflow": Checker._call,
    "notification": Checker._notification,
    "delay": Checker._delay,
    "wait": Checker._wait,
    "loop": Checker._loop,
    "parallel": Checker._container,
}


def count_steps(document: dict[str, Any]) -> int:
    """Return how many steps are written down, nested ones included, whatever else may be wrong with them."""
    count = 0
    lists = [document.get("steps")]
    while lists:
        steps = lists.pop()
        if isinstance(steps, list):
            count += len(steps)
            lists.extend(step.get("steps") for step in steps if isinstance(step, dict))
    return count


def nesting_problem(path: str, limits: Limits) -> Problem:
    """Return the problem of a container's `steps` that lie too deep."""
    return Problem(path, "nesting.limit", f"a step may lie in {limits.nesting} containers at most")

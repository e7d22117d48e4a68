"""A definition compiled once per revision: lists of nodes with indices, arrows both ways and compiled expressions.

A graph is shared by every run of its revision and never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from .definition import Definition
from .expressions import Expression, compile_expression
from .retry import RetryPolicy
from .templates import Template, compile_template

DEPENDENCY, ON_SUCCESS, ON_FAILURE = "dependency", "on_success", "on_failure"

Arrow = tuple[int, str]
"""The index of the node at the other end, and the arrow's kind."""


@dataclass(slots=True)
class Undo:
    """The compensation of a step: the call that undoes it."""

    service: str
    method: str
    input: Template | None
    timeout: int | None
    retry: RetryPolicy


@dataclass(slots=True)
class Node:
    """One step as it is written down: what the run needs to know of it, without looking anything up."""

    index: int
    id: str
    type: str
    step: Any
    join: str
    takes_slot: bool
    arrows_in: tuple[Arrow, ...] = ()
    arrows_out: tuple[Arrow, ...] = ()
    dependencies: int = 0
    branches: int = 0
    handled: bool = False
    optional: bool = False
    knows_error: bool = False
    timeout: int | None = None
    retry: RetryPolicy = field(default_factory=lambda: retry_policy(None))
    condition: Expression | None = None
    input: Template | None = None
    output: Template | None = None
    undo: Undo | None = None
    body: Steps | None = None
    mode: str = "all"
    limit: int | None = None
    result: Template | None = None
    items: Template | None = None
    test: Expression | None = None
    until: Template | None = None
    match: Expression | None = None

    @property
    def is_container(self) -> bool:
        """Tell whether the step runs nested steps of its own."""
        return self.body is not None


@dataclass(slots=True)
class Steps:
    """The nodes of one list of steps, and the order nearest to theirs in which every arrow points forward."""

    nodes: tuple[Node, ...]
    by_id: dict[str, Node]
    forward: tuple[int, ...]


class Graph:
    """A compiled definition."""

    __slots__ = ("definition", "output", "parallel_limit", "steps")

    def __init__(self, definition: Definition, steps: Steps, output: Template | None) -> None:
        self.definition = definition
        self.steps = steps
        self.output = output
        self.parallel_limit: int = definition.config.parallel_limit

    @classmethod
    def compile(cls, definition: Definition) -> Graph:
        """Compile a definition that was parsed, and so checked, before."""
        output = None if definition.output is None else compile_template(definition.output)
        return cls(definition, _compile_steps(definition.steps), output)


def retry_policy(retry: Any) -> RetryPolicy:
    """Return the policy of a definition's `retry`; None stands for its defaults."""
    if retry is None:
        return RetryPolicy(None, 1_000_000, "exponential", 2.0, 300_000_000, 0.2)
    full = retry.jitter == "full"
    return RetryPolicy(
        max_attempts=retry.max_attempts,
        delay=retry.delay,
        backoff=retry.backoff,
        multiplier=float(retry.multiplier),
        max_delay=retry.max_delay,
        jitter=0.0 if full else float(retry.jitter),
        full=full,
        deadline=retry.deadline,
        on=None if retry.on is None else frozenset(retry.on),
        never=frozenset(retry.never or ()),
    )


def _compile_steps(steps: Sequence[Any]) -> Steps:
    nodes = tuple(_compile_node(index, step) for index, step in enumerate(steps))
    by_id = {node.id: node for node in nodes}
    arrows_in: list[list[Arrow]] = [[] for _ in nodes]
    arrows_out: list[list[Arrow]] = [[] for _ in nodes]

    def draw(source: Node, target: Node, kind: str) -> None:
        arrows_out[source.index].append((target.index, kind))
        arrows_in[target.index].append((source.index, kind))

    for node in nodes:
        for name in dict.fromkeys(node.step.dependencies):
            draw(by_id[name], node, DEPENDENCY)
        for name in dict.fromkeys(node.step.on_success):
            draw(node, by_id[name], ON_SUCCESS)
        for name in dict.fromkeys(node.step.on_failure):
            draw(node, by_id[name], ON_FAILURE)
    for node in nodes:
        node.arrows_in = tuple(arrows_in[node.index])
        node.arrows_out = tuple(arrows_out[node.index])
        node.dependencies = sum(kind == DEPENDENCY for _, kind in node.arrows_in)
        node.branches = len(node.arrows_in) - node.dependencies
        node.knows_error = any(kind == ON_FAILURE for _, kind in node.arrows_in)
    return Steps(nodes, by_id, _forward(nodes))


def _forward(nodes: tuple[Node, ...]) -> tuple[int, ...]:
    missing = [len(node.arrows_in) for node in nodes]
    free = [node.index for node in nodes if not node.arrows_in]
    order: list[int] = []
    while free:
        index = heappop(free)
        order.append(index)
        for target, _ in nodes[index].arrows_out:
            missing[target] -= 1
            if not missing[target]:
                heappush(free, target)
    return tuple(order)


def _compile_node(index: int, step: Any) -> Node:
    node = Node(
        index=index,
        id=step.id,
        type=step.type,
        step=step,
        join=step.join,
        takes_slot=step.type in ("service", "notification"),
        handled=bool(step.on_failure),
        optional=step.optional,
        timeout=step.timeout,
        retry=retry_policy(step.retry),
        condition=None if step.condition is None else compile_expression(step.condition),
        output=_template(step.output),
        undo=None if step.compensate is None else _compile_undo(step.compensate),
    )
    _OWN_KEYS[step.type](node, step)
    return node


def _template(value: Any) -> Template | None:
    return None if value is None else compile_template(value)


def _compile_undo(call: Any) -> Undo:
    return Undo(call.service_name, call.method, _template(call.input), call.timeout, retry_policy(call.retry))


def _nothing(node: Node, step: Any) -> None:
    pass


def _call(node: Node, step: Any) -> None:
    node.input = _template(step.input)


def _message(node: Node, step: Any) -> None:
    given = {key: getattr(step, key) for key in ("to", "subject", "body", "input")}
    node.input = compile_template({key: value for key, value in given.items() if value is not None})


def _parallel(node: Node, step: Any) -> None:
    node.body, node.mode, node.limit = _compile_steps(step.steps), step.mode, step.parallel_limit
    node.result = _template(step.result)


def _loop(node: Node, step: Any) -> None:
    _parallel(node, step)
    node.limit = 1 if step.while_ is not None else step.parallel_limit
    node.items = _template(step.items)
    node.test = None if step.while_ is None else compile_expression(step.while_)


def _delay(node: Node, step: Any) -> None:
    node.until = _template(step.until)


def _wait(node: Node, step: Any) -> None:
    node.match = None if step.match is None else compile_expression(step.match)


_OWN_KEYS = {
    "service": _call,
    "notification": _message,
    "subflow": _call,
    "condition": _nothing,
    "parallel": _parallel,
    "loop": _loop,
    "delay": _delay,
    "wait": _wait,
}

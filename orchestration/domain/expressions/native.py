"""Evaluation of checked syntax trees as Python closures over JSON values, with a budget.

The CEL library converts every value that an expression names, and its `map` and `filter` copy the list they build at
every item. What workflows mostly say (paths, `has`, comparisons, arithmetic, `size`, `map`, `exists` …) is therefore
evaluated here, by the rules of the CEL specification; whatever deals in timestamps, durations, bytes, unsigned
numbers, types or messages is `Unsupported` here and left to the library. A property test holds the two together.

Values are what JSON knows: None, bool, int (64 bits, overflow is a fault), float, str, list, dict with text keys. A
closure takes the names it may use and gives the value or raises `Fault`. Folds count their steps, and whatever grows
with its operands (comparing, copying) counts too, against the budget that whoever calls puts under `BUDGET_KEY`: so
an expression ends within a fraction of a second whatever it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from .operators import (
    BINARY,
    CONVERSIONS,
    METHODS,
    Fault,
    add,
    contains_element,
    equal,
    index,
    matches,
    negate,
    size,
)
from .tree import Call, Constant, Entries, Fold, Items, Node, Select, count_nodes, path_of

Names = Mapping[str, Any]
Closure = Callable[[Names], Any]

BUDGET_KEY = "@budget"
STEPS = 250_000
"""How many items one evaluation may visit; what it copies or hands to the library is charged as so many items."""

_ELEMENTS_PER_STEP = 8
_CHARACTERS_PER_STEP = 128
_NODES_PER_STEP = 8
_LIBRARY_STEPS = 30
_PATTERN_STEPS = 1_000


class Unsupported(Exception):
    """The expression needs the CEL library for its evaluation."""


def build(node: Node) -> Closure:
    """Return the closure that evaluates a tree; raise Unsupported if it takes what JSON does not have."""
    path = path_of(node)
    if path is not None:
        return _path(*path)
    if isinstance(node, Constant):
        return _constant(node)
    if isinstance(node, Select):
        return _select(node)
    if isinstance(node, Call):
        return _call(node)
    if isinstance(node, Items):
        return _items(node)
    if isinstance(node, Entries):
        return _entries(node)
    if isinstance(node, Fold):
        return _fold(node)
    raise Unsupported(node.name)


def _path(name: str, keys: tuple[str, ...]) -> Closure:
    if name.startswith("."):
        raise Unsupported(name)

    def whole(names: Names) -> Any:
        try:
            return names[name]
        except KeyError:
            raise Fault(f"there is no {name} here") from None

    def walk(names: Names) -> Any:
        try:
            value = names[name]
            for key in keys:
                value = value[key]
        except (KeyError, TypeError):
            raise _lost(names, name, keys) from None
        return value

    return walk if keys else whole


def _lost(names: Names, name: str, keys: tuple[str, ...]) -> Fault:
    if name not in names:
        return Fault(f"there is no {name} here")
    value, place = names[name], name
    for key in keys:
        if not isinstance(value, Mapping):
            return Fault(f"{place} is no object, it has no key {key!r}")
        if key not in value:
            return Fault(f"{place} has no key {key!r}")
        value, place = value[key], f"{place}.{key}"
    return Fault(f"{place} is not there")


def _constant(node: Constant) -> Closure:
    if node.foreign:
        raise Unsupported("a literal that JSON does not have")
    value = node.value
    return lambda names: value


def _select(node: Select) -> Closure:
    operand, key = build(node.operand), node.key

    def test(names: Names) -> bool:
        value = operand(names)
        if isinstance(value, Mapping):
            return key in value
        raise Fault(f"has() asks for key {key!r} of something that is no object")

    def select(names: Names) -> Any:
        value = operand(names)
        if not isinstance(value, Mapping):
            raise Fault(f"something that is no object has no key {key!r}")
        if key not in value:
            raise Fault(f"there is no key {key!r}")
        return value[key]

    return test if node.test else select


def _items(node: Items) -> Closure:
    parts = [build(part) for part in node.items]
    return lambda names: [part(names) for part in parts]


def _entries(node: Entries) -> Closure:
    keys = [key.value if isinstance(key, Constant) and not key.foreign else None for key, _ in node.entries]
    if node.message or not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
        raise Unsupported("a map with keys that are no plain texts, or a message")
    parts = [(key, build(value)) for key, (_, value) in zip(keys, node.entries, strict=True)]
    return lambda names: {key: part(names) for key, part in parts}


def _call(node: Call) -> Closure:
    function = node.function
    args = node.args if node.target is None else (node.target, *node.args)
    special = _SPECIAL.get(function)
    if special is not None:
        return special(*map(build, args))
    if function in BINARY and len(args) == 2:
        return _binary(BINARY[function], *map(build, args))
    if function == "matches" and len(args) == 2:
        return _matches(*map(build, args))
    if function in METHODS and len(args) == 2 and node.target is not None:
        return _charged(METHODS[function], *map(build, args))
    if function in CONVERSIONS and node.target is None and len(args) == 1:
        return _converted(CONVERSIONS[function], build(args[0]))
    if function == "size" and len(args) == 1:
        return _unary(size, build(args[0]))
    raise Unsupported(function)


def _unary(operation: Callable[[Any], Any], operand: Closure) -> Closure:
    return lambda names: operation(operand(names))


def _binary(operation: Callable[[Any, Any], Any], left: Closure, right: Closure) -> Closure:
    return lambda names: operation(left(names), right(names))


def _charged(operation: Callable[[Any, Any], Any], left: Closure, right: Closure) -> Closure:
    def apply(names: Names) -> Any:
        a, b = left(names), right(names)
        _charge_copy(names, a, b)
        return operation(a, b)

    return apply


def _matches(text: Closure, pattern: Closure) -> Closure:
    def apply(names: Names) -> bool:
        a, b = text(names), pattern(names)
        _charge_copy(names, a, b)
        _charge(names, _PATTERN_STEPS if isinstance(b, str) and "{" in b else 2 * _LIBRARY_STEPS)
        return bool(matches(a, b))

    return apply


def _converted(conversion: Callable[[Any], Any], operand: Closure) -> Closure:
    def apply(names: Names) -> Any:
        value = operand(names)
        _charge(names, _LIBRARY_STEPS)
        return conversion(value)

    return apply


def _measured(operation: Callable[[Any, Any, Callable[[int], None]], Any], left: Closure, right: Closure) -> Closure:
    return lambda names: operation(left(names), right(names), partial(_charge, names))


def _charge_copy(names: Names, *values: Any) -> None:
    steps = 0
    for value in values:
        if type(value) is str:
            steps += len(value) // _CHARACTERS_PER_STEP
        elif type(value) is list:
            steps += len(value) // _ELEMENTS_PER_STEP
    if steps:
        _charge(names, steps)


def _charge(names: Names, steps: int) -> None:
    budget = names[BUDGET_KEY]
    budget[0] -= steps
    if budget[0] < 0:
        raise Fault(f"the expression takes more than {STEPS} steps")


def _conditional(condition: Closure, then: Closure, otherwise: Closure) -> Closure:
    def choose(names: Names) -> Any:
        value = condition(names)
        if value is True:
            return then(names)
        if value is False:
            return otherwise(names)
        raise Fault("the condition before ? is no bool")

    return choose


def _logical(decisive: bool, sign: str, left: Closure, right: Closure) -> Closure:
    """Build `&&` (decided by false) or `||` (by true): a side that decides wins over an error of the other."""

    def decide(names: Names) -> bool:
        try:
            value = left(names)
        except Fault as fault:
            if _settles(right, names, decisive):
                return decisive
            raise fault from None
        if value is decisive:
            return bool(decisive)
        if value is True or value is False:
            value = right(names)
            if value is True or value is False:
                return value is True
        elif _settles(right, names, decisive):
            return decisive
        raise Fault(f"{sign} stands between values that are no bools")

    return decide


def _settles(operand: Closure, names: Names, decisive: bool) -> bool:
    try:
        return operand(names) is decisive
    except Fault:
        return False


def _not(operand: Closure) -> Closure:
    def invert(names: Names) -> bool:
        value = operand(names)
        if value is True or value is False:
            return value is False
        raise Fault("! stands before a value that is no bool")

    return invert


_SPECIAL: dict[str, Callable[..., Closure]] = {
    "_&&_": partial(_logical, False, "&&"),
    "_||_": partial(_logical, True, "||"),
    "_?_:_": _conditional,
    "!_": _not,
    "-_": partial(_unary, negate),
    "_[_]": partial(_binary, index),
    "_+_": partial(_charged, add),
    "_==_": partial(_measured, equal),
    "_!=_": partial(_measured, lambda a, b, charge: not equal(a, b, charge)),
    "@in": partial(_measured, contains_element),
}


# Folds ------------------------------------------------------------------------------------------------------------


def _fold(node: Fold) -> Closure:
    step = node.step
    if not isinstance(step, Call) or node.second:
        raise Unsupported("an unknown kind of fold")
    walk = _Walk(build(node.over), node.variable, 1 + count_nodes(step) // _NODES_PER_STEP)
    start = node.start.value if isinstance(node.start, Constant) else None
    if step.function in ("_&&_", "_||_"):
        return partial(_quantify, walk, build(step.args[1]), step.function == "_||_")
    if step.function == "_?_:_" and start == 0:
        return partial(_exactly_one, walk, build(step.args[0]))
    if step.function == "_?_:_":
        return partial(_collect, walk, build(step.args[0]), build(_collected(step.args[1])))
    return partial(_collect, walk, None, build(_collected(step)))


def _collected(node: Node) -> Node:
    """Return x of `accumulator + [x]`."""
    if isinstance(node, Call) and node.function == "_+_" and isinstance(node.args[1], Items):
        return node.args[1].items[0]
    raise Unsupported("an unknown kind of fold")


@dataclass(frozen=True, slots=True)
class _Walk:
    """What a fold walks through, under which name it has each item, and what an item costs."""

    over: Closure
    variable: str
    steps: int

    def begin(self, names: Names) -> tuple[list[Any] | Mapping[str, Any], dict[str, Any]]:
        """Return the items (of an object: its keys) and the names for what is evaluated for each of them."""
        items = self.over(names)
        if not isinstance(items, list | Mapping):
            raise Fault("only lists and objects can be walked through")
        _charge(names, len(items) * self.steps)
        return items, dict(names)


def _quantify(walk: _Walk, predicate: Closure, decisive: bool, names: Names) -> bool:
    items, inner = walk.begin(names)
    fault: Fault | None = None
    for inner[walk.variable] in items:
        try:
            value = predicate(inner)
        except Fault as error:
            fault = fault or error
            continue
        if value is decisive:
            return bool(decisive)
        if value is not True and value is not False:
            fault = fault or Fault("a condition inside all() or exists() is no bool")
    if fault is not None:
        raise fault
    return not decisive


def _exactly_one(walk: _Walk, predicate: Closure, names: Names) -> bool:
    items, inner = walk.begin(names)
    count = 0
    for inner[walk.variable] in items:
        count += _holds(predicate(inner))
    return count == 1


def _collect(walk: _Walk, predicate: Closure | None, transform: Closure, names: Names) -> list[Any]:
    items, inner = walk.begin(names)
    if predicate is None:
        return [transform(inner) for inner[walk.variable] in items]
    return [transform(inner) for inner[walk.variable] in items if _holds(predicate(inner))]


def _holds(value: Any) -> bool:
    if value is True or value is False:
        return value is True
    raise Fault("a condition inside filter(), map() or exists_one() is no bool")

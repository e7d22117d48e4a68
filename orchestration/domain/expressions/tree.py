"""The syntax tree of an expression, read out of what the CEL library serializes, and what can be learnt from it.

The library parses and checks; its compiled expressions serialize to the protocol buffers of the CEL specification
(`cel.expr.CheckedExpr`, or `ParsedExpr` for one that was not type-checked). The messages are few and small, so they
are decoded here. A tree is at most some dozen levels deep: the parser bounds it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Reads = Mapping[str, "Reads | None"]
"""What is read below a name: key -> what is read below that key, None for all of it."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal. `foreign` marks those that JSON does not have: unsigned numbers and bytes."""

    value: Any
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Ident:
    """A name, with a leading dot if it was written so."""

    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.key`, or `has(operand.key)` where `test` is set."""

    operand: Node
    key: str
    test: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator; `target` is what a method was called on."""

    function: str
    target: Node | None
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list literal."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entries:
    """A map literal, or a message where it has a name."""

    message: str
    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """What the macros `all`, `exists`, `exists_one`, `map` and `filter` become: a fold over `over`."""

    variable: str
    over: Node
    accumulator: str
    start: Node
    condition: Node
    step: Node
    result: Node
    second: str = ""


Node = Constant | Ident | Select | Call | Items | Entries | Fold

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def decode(serialized: bytes) -> Node:
    """Return the tree of a serialized CEL expression (`google.protobuf.Any` around one of the two messages)."""
    envelope = dict(_fields(serialized))
    checked = envelope[1].endswith(b"CheckedExpr")
    return _expr(dict(_fields(envelope[2]))[4 if checked else 2])


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        kind = tag & 7
        value: Any
        if kind == _VARINT:
            value, position = _varint(data, position)
        elif kind == _LENGTH:
            length, position = _varint(data, position)
            value = data[position : position + length]
            position += length
        else:
            length = 8 if kind == _FIXED64 else 4
            value = data[position : position + length]
            position += length
        yield tag >> 3, value


def _varint(data: bytes, position: int) -> tuple[int, int]:
    byte = data[position]
    if byte < 0x80:
        return byte, position + 1
    value, shift = 0, 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _expr(data: bytes) -> Node:
    for number, value in _fields(data):
        reader = _READERS.get(number)
        if reader is not None:
            return reader(value)
    return Constant(None)


def _constant(data: bytes) -> Node:
    for number, value in _fields(data):
        if number == 2:
            return Constant(bool(value))
        if number == 3:
            return Constant(value - (1 << 64) if value >> 63 else value)
        if number == 5:
            return Constant(struct.unpack("<d", value)[0])
        if number == 6:
            return Constant(value.decode("utf-8", "surrogatepass"))
        if number in (4, 7, 8, 9):
            return Constant(value, foreign=True)
    return Constant(None)


def _ident(data: bytes) -> Node:
    return Ident(dict(_fields(data))[1].decode())


def _select(data: bytes) -> Node:
    fields = dict(_fields(data))
    return Select(_expr(fields[1]), fields[2].decode(), bool(fields.get(3)))


def _call(data: bytes) -> Node:
    target: Node | None = None
    function, args = "", []
    for number, value in _fields(data):
        if number == 1:
            target = _expr(value)
        elif number == 2:
            function = value.decode()
        else:
            args.append(_expr(value))
    return Call(function, target, tuple(args))


def _items(data: bytes) -> Node:
    return Items(tuple(_expr(value) for number, value in _fields(data) if number == 1))


def _entries(data: bytes) -> Node:
    message, entries = "", []
    for number, value in _fields(data):
        if number == 1:
            message = value.decode()
        else:
            entry = dict(_fields(value))
            key = _expr(entry[3]) if 3 in entry else Constant(entry.get(2, b"").decode())
            entries.append((key, _expr(entry[4])))
    return Entries(message, tuple(entries))


def _fold(data: bytes) -> Node:
    fields = dict(_fields(data))
    return Fold(
        variable=fields[1].decode(),
        over=_expr(fields[2]),
        accumulator=fields[3].decode(),
        start=_expr(fields[4]),
        condition=_expr(fields[5]),
        step=_expr(fields[6]),
        result=_expr(fields[7]),
        second=fields.get(8, b"").decode(),
    )


_READERS = {3: _constant, 4: _ident, 5: _select, 6: _call, 7: _items, 8: _entries, 9: _fold}


# What is learnt from a tree ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class Findings:
    """What an expression mentions: free names with what it reads below them, functions, ids of steps written out."""

    reads: dict[str, Any] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    step_ids: set[str] = field(default_factory=set)
    folds: int = 0
    sums: int = 0
    foreign: bool = False


def examine(tree: Node) -> Findings:
    """Return what the expression mentions."""
    findings = Findings()
    _examine(tree, frozenset(), findings)
    return findings


def path_of(node: Node) -> tuple[str, tuple[str, ...]] | None:
    """Return (name, keys) of `name.key["key"]…`, None for any other node."""
    keys: list[str] = []
    while True:
        if isinstance(node, Select) and not node.test:
            keys.append(node.key)
            node = node.operand
        elif isinstance(node, Call) and node.function == "_[_]":
            operand, key = node.args
            if not isinstance(key, Constant) or not isinstance(key.value, str) or key.foreign:
                return None
            keys.append(key.value)
            node = operand
        elif isinstance(node, Ident):
            return node.name, tuple(reversed(keys))
        else:
            return None


def _examine(node: Node, bound: frozenset[str], findings: Findings) -> None:
    path = path_of(Select(node.operand, node.key, False) if isinstance(node, Select) else node)
    if path is not None:
        _note_path(*path, bound, findings)
    elif isinstance(node, Constant):
        findings.foreign |= node.foreign
    elif isinstance(node, Select):
        _examine(node.operand, bound, findings)
    elif isinstance(node, Call):
        findings.functions.add(node.function)
        findings.sums += node.function == "_+_" and not _is_accumulator(node.args[0])
        for part in (node.target, *node.args):
            if part is not None:
                _examine(part, bound, findings)
    elif isinstance(node, Items):
        for part in node.items:
            _examine(part, bound, findings)
    elif isinstance(node, Entries):
        findings.foreign |= bool(node.message)
        for key, value in node.entries:
            _examine(key, bound, findings)
            _examine(value, bound, findings)
    elif isinstance(node, Fold):
        findings.folds += 1
        _examine(node.over, bound, findings)
        inner = bound | {node.variable, node.second, node.accumulator}
        for part in (node.start, node.condition, node.step, node.result):
            _examine(part, inner, findings)


def _is_accumulator(node: Node) -> bool:
    return isinstance(node, Ident) and node.name.startswith("@")


def count_nodes(node: Node) -> int:
    """Return how many nodes a tree has, which is what evaluating it costs apart from folds."""
    count, rest = 0, [node]
    while rest:
        part = rest.pop()
        count += 1
        if isinstance(part, Select):
            rest.append(part.operand)
        elif isinstance(part, Call):
            rest.extend(part.args if part.target is None else (part.target, *part.args))
        elif isinstance(part, Items):
            rest.extend(part.items)
        elif isinstance(part, Entries):
            rest.extend(value for _, value in part.entries)
        elif isinstance(part, Fold):
            rest.extend((part.over, part.step))
    return count


def _note_path(name: str, keys: tuple[str, ...], bound: frozenset[str], findings: Findings) -> None:
    if name in bound:
        return
    if name.startswith("."):
        findings.foreign = True
        name = name[1:]
    if name == "steps" and keys:
        findings.step_ids.add(keys[0])
    reads = findings.reads
    for key in (name, *keys[:-1]) if keys else ():
        below = reads.setdefault(key, {})
        if below is None:
            return
        reads = below
    reads[keys[-1] if keys else name] = None

"""A batch on PostgreSQL as one statement: the parts that it needs, and its rows as columns of joined texts.

Columns are sent as texts and taken apart in the database: the driver's own arrays cost more than the rest of a commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from orchestration.engine import store_postgres_sql as sql
from orchestration.engine.store import Batch

_PARTS = {
    "children": sql.CHILDREN,
    "entries": sql.ENTRIES_PART,
    "steps": sql.STEPS,
    "rows": sql.ROWS,
    "heard": sql.FORGET,
    "answers": sql.ANSWERS,
    "messages": sql.MESSAGES,
    "pokes": sql.POKES,
    "listening": sql.LISTEN,
    "deaf": sql.UNLISTEN,
    "feed": sql.FEED,
}


@lru_cache(maxsize=256)
def batch_statement(names: tuple[str, ...]) -> bytes:
    """Return the statement that is made of these parts."""
    parts = ",".join([sql.BATCH_HEAD, *(_PARTS[name] for name in names)])
    changed = "(SELECT count(*) FROM rows)" if "rows" in names else "0"
    return f"{parts} {sql.BATCH_TAIL.format(changed=changed)}".encode()


def _texts(values: Iterable[str | None]) -> str:
    return sql.TEXT_SEPARATOR.join([value or sql.NOTHING for value in values])


def _foreign(values: Iterable[str | None]) -> str:
    """Join texts that people or services made, which may hold the separator itself."""
    return _texts(value and value.replace(sql.TEXT_SEPARATOR, " ").replace("\0", " ") for value in values)


def _numbers(values: Iterable[int | None]) -> str:
    return ",".join(["-" if value is None else str(int(value)) for value in values])


Encoder = Callable[[Iterable[Any]], str]


def _columns(prefix: str, rows: Iterable[Sequence[Any]], encoders: Sequence[tuple[str, Encoder]]) -> dict[str, str]:
    columns = zip(*rows, strict=True)
    return {f"{prefix}_{name}": encode(column) for (name, encode), column in zip(encoders, columns, strict=True)}


_CHILD = (
    ("id", _texts), ("team", _numbers), ("workflow", _numbers), ("revision", _numbers), ("priority", _numbers),
    ("depth", _numbers), ("parent", _texts), ("attempt", _texts), ("root", _texts), ("input", _texts),
    ("steps", _numbers), ("by", _foreign), ("correlation", _foreign), ("created", _numbers),
)  # fmt: skip
_ENTRY = (
    ("execution", _texts), ("seq", _numbers), ("at", _numbers), ("type", _texts), ("step", _texts), ("data", _texts),
)  # fmt: skip
_STEP = (
    ("execution", _texts), ("path", _texts), ("top", _numbers), ("type", _texts), ("status", _texts),
    ("attempts", _numbers), ("started", _numbers), ("ended", _numbers), ("error", _foreign),
)  # fmt: skip
_ROW = (
    ("id", _texts), ("epoch", _numbers), ("status", _texts), ("output", _texts), ("error", _texts), ("seq", _numbers),
    ("attempt", _numbers), ("done", _numbers), ("started", _numbers), ("ended", _numbers), ("release", _numbers),
    ("wake", _numbers), ("handed", _numbers), ("quarantined", _numbers),
)  # fmt: skip
_MESSAGE = (("execution", _texts), ("kind", _texts), ("key", _texts), ("payload", _texts))


def encode(batch: Batch, pokes: list[str]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return the names of the parts that the batch needs, and the statement's parameters."""
    parameters: dict[str, Any] = {"shift": batch.shift_id, "number": batch.number, "at": batch.at}
    names: list[str] = []

    def add(name: str, prefix: str, rows: Iterable[Sequence[Any]], encoders: Sequence[tuple[str, Encoder]]) -> None:
        names.append(name)
        parameters.update(_columns(prefix, rows, encoders))

    if batch.children:
        add("children", "c", batch.children, _CHILD)
    if batch.entries:
        add("entries", "e", batch.entries, _ENTRY)
    if batch.steps:
        add("steps", "s", batch.steps.values(), _STEP)
    if batch.rows:
        add("rows", "r", [_row_tuple(row) for row in batch.rows.values()], _ROW)
    if batch.heard:
        add("heard", "h", [(each,) for each in batch.heard], (("id", _numbers),))
    if batch.answers:
        add("answers", "a", batch.answers, (("id", _numbers), ("outcome", _texts)))
    if batch.messages:
        add("messages", "m", batch.messages, _MESSAGE)
    if pokes:
        add("pokes", "p", [(each,) for each in pokes], (("id", _texts),))
    if batch.listening:
        add("listening", "l", batch.listening, (("execution", _texts), ("topic", _foreign), ("team", _numbers)))
    if batch.deaf:
        add("deaf", "d", batch.deaf, (("execution", _texts), ("topic", _foreign)))
    if batch.leaves_a_trace:
        names.append("feed")
        parameters["touched"] = batch.touched_text()
    return tuple(names), parameters


def _row_tuple(row: Any) -> tuple[Any, ...]:
    return (
        row.execution_id, row.epoch, row.status, row.output, row.error, row.seq, row.attempt, row.steps_done,
        row.started_at, row.ended_at, row.release, row.wake_at, row.handed_over, row.quarantined,
    )  # fmt: skip

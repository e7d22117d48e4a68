"""The values that an experiment goes through at a place: `services.payment.instances=1..6`, `load=0.5,1,1.5`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestration.domain.documents import parse_document
from orchestration.domain.errors import DocumentInvalid, OrchestrationError

from .places import changed, keys_of
from .problems import unfit

MOST_VALUES = 200
"""Values of one axis at most; a longer one is a slip of the pen."""

_RANGE = re.compile(r"(-?[0-9.]*[0-9])\.\.(-?[0-9.]*[0-9])(?:[:/]([0-9.]*[0-9]))?")


@dataclass(frozen=True, slots=True)
class Axis:
    """A place in the scenario and the values that it takes, in their order."""

    path: str
    values: tuple[Any, ...]


def read_axis(text: str) -> Axis:
    """Return the axis of `PATH=VALUES`. Raises ExperimentInvalid for a text that is none."""
    path, sign, values = text.partition("=")
    if not sign or not values.strip():
        raise unfit(text, "say PATH=VALUES, like services.payment.instances=1..6 or load=0.5,1,1.5")
    return axis_of(path.strip(), values.strip())


def axis_of(path: str, values: Any) -> Axis:
    """Return an axis from a list of values, or a text: `1..6`, `10..50:10` (in steps of 10), `5,10,20`, `100ms,1s`.

    Raises ExperimentInvalid for a path or values that are none.
    """
    keys_of(path)
    found = _values(path, values) if isinstance(values, str) else list(values)
    if not found:
        raise unfit(path, "has no values")
    if len(found) > MOST_VALUES:
        raise unfit(path, f"has {len(found)} values, {MOST_VALUES} are allowed; take larger steps: 10..1000:10")
    return Axis(path, tuple(found))


def grid(document: dict[str, Any], axes: Sequence[Axis]) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Return every combination of the axes' values with the document that it makes, the last axis fastest."""
    points = []
    for values in itertools.product(*(each.values for each in axes)):
        turned = document
        for axis, value in zip(axes, values, strict=True):
            turned = changed(turned, axis.path, value)
        points.append((values, turned))
    return points


def _values(path: str, text: str) -> list[Any]:
    found = _RANGE.fullmatch(text)
    if found is not None:
        return _range(path, found[1], found[2], found[3])
    return [_value(path, each.strip()) for each in text.split(",")]


def _range(path: str, first: str, last: str, step: str | None) -> list[Any]:
    try:
        begin, end, by = (float(each) for each in (first, last, step or "1"))
    except ValueError:
        raise unfit(path, f"{first}..{last} is no range of numbers") from None
    if by <= 0 or end < begin:
        raise unfit(path, f"{first}..{last} goes upwards, in steps above 0")
    count = int((end - begin) / by + 1e-9) + 1
    if count > MOST_VALUES:
        raise unfit(
            path, f"{first}..{last} has {count} values, {MOST_VALUES} are allowed; take larger steps: 10..1000:10"
        )
    values = [round(begin + place * by, 12) for place in range(count)]
    whole = "." not in first + last + (step or "")
    return [int(each) for each in values] if whole else values


def _value(path: str, text: str) -> Any:
    try:
        return parse_document(text)
    except (DocumentInvalid, OrchestrationError) as error:
        raise unfit(path, f"{text!r} is no value: {error}") from error

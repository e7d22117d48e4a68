"""When two JSON values are the same, when one contains another, and how a value is shown in a reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

SHOWN = 400


def equal(left: Any, right: Any) -> bool:
    """Tell whether two JSON values are equal. Numbers go by value (1 is 1.0), and true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping):
        return (
            isinstance(right, Mapping)
            and left.keys() == right.keys()
            and all(equal(value, right[key]) for key, value in left.items())
        )
    if _is_list(left):
        return _is_list(right) and len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


def includes(whole: Any, part: Any) -> bool:
    """Tell whether `whole` contains `part`: objects may have more keys at any depth, everything else is equal."""
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(
            key in whole and includes(whole[key], value) for key, value in part.items()
        )
    if _is_list(part):
        return _is_list(whole) and len(whole) == len(part) and all(map(includes, whole, part))
    return equal(whole, part)


def same_members(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Tell whether two lists have equal members, each as often, in any order."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for member in left:
        place = next((place for place, other in enumerate(rest) if equal(member, other)), None)
        if place is None:
            return False
        del rest[place]
    return True


def is_within(part: Sequence[Any], whole: Sequence[Any]) -> int | None:
    """Return the place of the first member of `part` that does not follow in `whole`, None if all do in this order."""
    rest = iter(whole)
    return next((place for place, member in enumerate(part) if member not in rest), None)


def shown(value: Any) -> str:
    """Return a value as a reason shows it: compact JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str, separators=(", ", ": "))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)

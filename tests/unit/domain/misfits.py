"""Values that do not fit, to be put anywhere into a document, and how words that are not ours are told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

BAD: tuple[Any, ...] = (
    None,
    [],
    {},
    "",
    "x" * 3_000,
    "!!",
    -1,
    0,
    1.5,
    10**30,
    1e308,
    True,
    [None],
    ["a"] * 200,
    {"a": 1},
    [["a"]],
    "\x00",
)
_FOREIGN = re.compile(
    r"\b(Input|String|Tuple|List|Dict|Dictionary|Object|Field|Value|Extra inputs|should|anyOf|oneOf|discriminator|"
    r"pydantic|must match \^)"
)
Place = tuple[str | int, ...]


def places(document: Any, at: Place = ()) -> Iterator[Place]:
    """Yield where something stands in a document, but for the document itself."""
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in inner:
        yield (*at, key)
        if isinstance(value, dict | list):
            yield from places(value, (*at, key))


def put(document: Any, at: Place, value: Any) -> Any:
    """Return a copy of a document with `value` at a place."""
    changed = deepcopy(document)
    here = changed
    for key in at[:-1]:
        here = here[key]
    here[at[-1]] = value
    return changed


def foreign_words(message: str) -> bool:
    """Say whether a message has words of a library in it."""
    return _FOREIGN.search(message) is not None

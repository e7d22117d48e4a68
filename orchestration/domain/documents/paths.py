"""Paths of places in a document, as problems name them: `steps[2].retry.max_delay`."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST_KEY = 100


def join_path(path: str, key: str | int) -> str:
    """Return the path of a key (text) or an element (number) of what is at `path`; very long keys are cut."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if len(key) > LONGEST_KEY:
        key = f"{key[:LONGEST_KEY]}…"
    return f"{path}.{key}" if path else key


def path_from(keys: Iterable[str | int], path: str = "") -> str:
    """Return the path that a sequence of keys and numbers leads to."""
    for key in keys:
        path = join_path(path, key)
    return path

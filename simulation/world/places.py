"""Where in a definition a step run stands."""

from __future__ import annotations

import re

_INDEX = re.compile(r"\[\d+\]")


def place_of(path: str) -> str:
    """Return a step run's path without the numbers of iterations: its place in the definition."""
    return _INDEX.sub("", path)

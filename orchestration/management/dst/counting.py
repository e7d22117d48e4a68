"""What went wrong on purpose, by kind, and the trace of all that happened."""

from __future__ import annotations

import hashlib
from collections import Counter

from .timetable import Timetable


class Faults:
    """Counts the faults that were put in."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, kind: str) -> None:
        """Count one."""
        self.counts[kind] += 1


class Trace:
    """A line for everything that happened, with its virtual instant."""

    def __init__(self, timetable: Timetable) -> None:
        self.lines: list[str] = []
        self._timetable = timetable

    def note(self, text: str) -> None:
        """Add a line."""
        self.lines.append(f"{self._timetable.now / 1_000_000:.6f} {text}")

    def digest(self) -> str:
        """Return what tells this trace from every other."""
        return hashlib.blake2b("\n".join(self.lines).encode(), digest_size=16).hexdigest()

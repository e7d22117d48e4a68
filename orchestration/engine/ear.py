"""A shift's ear: what there is to look for, and where to look first."""

from __future__ import annotations

import asyncio

HINTS_MOST = 4


class Ear:
    """Hears rings and the shift's own news until the next look. Only the loop's thread touches it."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._hints: set[int] = set()

    def rung(self, hint: str = "") -> None:
        """Hear that there is something to look for; `hint` is the workflow of which something was started."""
        if hint.isdecimal() and len(self._hints) < HINTS_MOST:
            self._hints.add(int(hint))
        self._news.set()

    def begin_to_look(self) -> frozenset[int]:
        """Note that what was heard so far is being looked for; return the hints."""
        hints = frozenset(self._hints)
        self._hints.clear()
        self._news.clear()
        return hints

    async def listen(self, seconds: float) -> None:
        """Return when something is heard, or was since the last look began; after `seconds` anyway."""
        timer = asyncio.get_running_loop().call_later(seconds, self._news.set)
        try:
            await self._news.wait()
        finally:
            timer.cancel()

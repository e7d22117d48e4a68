"""What one socket still has to be sent: by element, the last word wins.

However much happens, an outbox holds each element once; beyond PARTS elements it is emptied and the socket gets a
snapshot when it can take one. A frame is at most FRAME_PARTS elements and FRAME_CHARACTERS long; the orders of lists go
with the last frame of what was waiting, when every element that they name has been sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.live.frames import Frame, Shown

PARTS = 4_000
FRAME_PARTS = 250
FRAME_CHARACTERS = 400_000


class Outbox:
    """A bounded, merging queue of one."""

    def __init__(self, parts: int = PARTS) -> None:
        self._most = parts
        self._parts: dict[str, Shown] = {}
        self._orders: dict[str, tuple[str, ...]] = {}
        self._version = ""
        self._seq = 0
        self._news = False
        self.overflowed = False

    def __bool__(self) -> bool:
        return self._news or self.overflowed

    def __len__(self) -> int:
        return len(self._parts)

    def put(self, frame: Frame) -> None:
        """Merge a frame in; what it says replaces what was waiting to be said of the same elements."""
        if self.overflowed:
            return
        self._parts.update(frame.parts)
        self._orders.update(frame.orders)
        self._version, self._seq = frame.version, frame.seq
        self._news = True
        if len(self._parts) > self._most:
            self.clear()
            self.overflowed = True

    def clear(self) -> None:
        """Forget everything that was waiting."""
        self._parts.clear()
        self._orders.clear()
        self._news = self.overflowed = False

    def take(self) -> Frame:
        """Return the next frame and forget it. Its version is empty while more of the same is waiting."""
        taken: dict[str, Shown] = {}
        room = FRAME_CHARACTERS
        for id, shown in self._parts.items():
            room -= len(shown.html)
            if taken and (room < 0 or len(taken) >= FRAME_PARTS):
                break
            taken[id] = shown
        for id in taken:
            del self._parts[id]
        if self._parts:
            return Frame(taken, {}, "", self._seq)
        orders: Mapping[str, tuple[str, ...]] = dict(self._orders)
        self._orders.clear()
        self._news = False
        return Frame(taken, orders, self._version, self._seq)

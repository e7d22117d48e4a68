"""Pages that follow the feed without a socket, and readings that a test sets by hand."""

from __future__ import annotations

import threading
from typing import Any

from dashboard.live.following import Wish
from dashboard.live.frames import Frame
from dashboard.live.parts import Part
from dashboard.live.topics import Have, PageTopic, Reading
from dashboard.presenters.now import Sentence
from orchestration.engine.queries import Change, Changes


class Page:
    """A page that keeps what it is told, and what it shows by then."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.shown: dict[str, str] = {}
        self.orders: dict[str, tuple[str, ...]] = {}
        self.version = ""
        self.seq = -1

    def offer(self, frame: Frame) -> None:
        """Take a frame in."""
        self.frames.append(frame)
        self.shown.update({id: shown.html for id, shown in frame.parts.items()})
        self.orders.update(frame.orders)
        if frame.version:
            self.version, self.seq = frame.version, frame.seq


def part(id: str, text: str, box: str = "") -> Part:
    """Return a part that shows a sentence."""
    return Part(id, "_sentence.html", Sentence(text, "good", "completed"), box)


class Desk:
    """What a page would read: set by the test, read by the feed's threads."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.seq = 0
        self.reads = 0
        self.broken: Exception | None = None
        self.again_after: float | None = None
        self._lock = threading.Lock()

    def write(self, *parts: Part, seq: int | None = None) -> None:
        """Set what is read from now on."""
        with self._lock:
            self.parts = list(parts)
            self.seq = self.seq + 1 if seq is None else seq

    def read(self) -> Reading:
        """Return how the page is now."""
        with self._lock:
            self.reads += 1
            if self.broken is not None:
                raise self.broken
            return Reading(list(self.parts), self.seq, frozenset({"e"}), self.again_after)

    def wish(self, *, have: Have | None = None, interval: float = 0.01, key: str = "page") -> Wish:
        """Return the wish to follow what is on the desk."""
        return Wish((key,), lambda: PageTopic((key,), team_id=1, interval=interval, read=self.read), have or Have())


class News:
    """A journal's changes, as the engine's queries tell them."""

    def __init__(self) -> None:
        self.items: list[Change] = []
        self.asked = 0
        self.broken: Exception | None = None

    def tell(self, execution_id: str = "e", team_id: int = 1, seq: int = 1) -> None:
        """Let an execution change."""
        self.items.append(Change(execution_id, team_id, "w", seq))

    def after(self, position: int | None) -> Changes:
        """Return what changed after a position."""
        self.asked += 1
        if self.broken is not None:
            raise self.broken
        if position is None:
            return Changes(len(self.items), ())
        return Changes(len(self.items), tuple(self.items[position:]))


def texts(page: Page) -> dict[str, Any]:
    """Return the sentences that a page shows, by id."""
    return {id: html.split("<span>")[1].split("</span>")[0] for id, html in page.shown.items()}

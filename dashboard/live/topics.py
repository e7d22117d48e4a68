"""What pages look at: each topic is read once per change, and handed to every socket that follows it.

`PageTopic` is one page (an execution, the first page, the services): it is read anew and compared with what it was.
`RowsTopic` is a team's list of executions: rows that a page shows are replaced where they are, never moved, and what
else would belong into the page's list is counted.

A topic is worked on in three steps: `begin` (on the loop) says what to read, the job that it returns reads and renders
(in a thread, one at a time for each topic), `tell` (on the loop again) hands out what came of it. Each reading is
followed by a pause SHARE times as long, so that a giant execution cannot hold up the others; a topic whose picture
changes with time alone says when (`again_at`).
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dashboard import reading
from dashboard.live.frames import Board, Frame, Shown
from dashboard.live.parts import Part, arrivals_part, row_part, strip_part
from dashboard.presenters.executions import COUNT_CAP
from dashboard.presenters.filters import ExecutionFilter
from dashboard.words.times import micros
from orchestration import clock
from orchestration.engine.queries import Change, ExecutionSummary

SHARE = 3
SLOWEST = 5.0
LIST_SECONDS = 0.25
COUNTS_SECONDS = 1.0
CHANGED = 500
"""How many changed executions one reading of a list looks up; the rest has its turn in the next."""


class Follower(Protocol):
    """Who follows a topic: a socket."""

    def offer(self, frame: Frame) -> None:
        """Take in what changed. Never waits."""


Job = Callable[[], Any]
Services = frozenset[tuple[int, str]]
"""Services by team and name."""


class Topic(ABC):
    """One thing that pages look at."""

    def __init__(self, key: Hashable, interval: float) -> None:
        self.key = key
        self.dirty = True
        self.busy = False
        self.again_at: float | None = None
        self.followers: dict[Follower, Any] = {}
        self._interval = interval
        self._next_at = 0.0

    def join(self, follower: Follower, have: Any) -> None:
        """Let a socket follow; `have` is what its page has already."""
        self.followers[follower] = have

    def leave(self, follower: Follower) -> None:
        """Let a socket follow no more."""
        self.followers.pop(follower, None)

    def due(self, now: float) -> bool:
        """Say whether the topic has to be read now (monotonic seconds)."""
        timely = self.again_at is not None and now >= self.again_at
        return not self.busy and (self.dirty or timely) and now >= self._next_at

    def paced(self, began: float, ended: float) -> None:
        """Note that a reading took from `began` to `ended`: it sets the pace of the next."""
        pause = max(self._interval, min((ended - began) * SHARE, SLOWEST))
        self._next_at = ended + pause

    @abstractmethod
    def hear(self, changes: Sequence[Change]) -> None:
        """Note what changed in executions; the topic is dirty if that concerns it."""

    @abstractmethod
    def begin(self) -> Job:
        """Return the reading that has to be done, and count what was heard so far as seen to."""

    @abstractmethod
    def tell(self, result: Any) -> None:
        """Hand out what a reading came to."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a page is now. `watched` are the executions whose changes concern it, None: all of the team's.

    `seq` is the length of the one journal that all of the page is folded from, -1 where there is none: then two pages
    that were rendered at different times are never taken for the same.
    """

    parts: Iterable[Part]
    seq: int = -1
    watched: frozenset[str] | None = None
    again_after: float | None = None


@dataclass(frozen=True, slots=True)
class Have:
    """What a page has: the version of its last frame, or the journal's length as of when it was rendered."""

    version: str = ""
    seq: int = -1


class PageTopic(Topic):
    """One page."""

    def __init__(self, key: Hashable, *, team_id: int, interval: float, read: Callable[[], Reading]) -> None:
        super().__init__(key, interval)
        self._team_id = team_id
        self._read = read
        self._board = Board(secrets.token_hex(4))
        self._watched: frozenset[str] | None = None
        self._newcomers: dict[Follower, Have] = {}

    def join(self, follower: Follower, have: Any) -> None:
        """Let a socket follow; what its page lacks is handed out with the next reading."""
        super().join(follower, have)
        self._newcomers[follower] = have
        self.dirty = True

    def leave(self, follower: Follower) -> None:
        """Let a socket follow no more."""
        super().leave(follower)
        self._newcomers.pop(follower, None)

    def hear(self, changes: Sequence[Change]) -> None:
        """Note whether one of the executions that the page shows changed."""
        for change in changes:
            if change.team_id == self._team_id and (self._watched is None or change.execution_id in self._watched):
                self.dirty = True
                return

    def begin(self) -> Job:
        """Return the reading of the page."""
        self.dirty = False
        return self._refresh

    def _refresh(self) -> tuple[Frame, Reading]:
        found = self._read()
        return self._board.put(found.parts, seq=found.seq), found

    def tell(self, result: Any) -> None:
        """Hand out what changed; to newcomers what their page lacks."""
        frame, found = result
        self._watched = found.watched
        self.again_at = None if found.again_after is None else clock.monotonic() + found.again_after
        newcomers, self._newcomers = self._newcomers, {}
        for follower in list(self.followers):
            if follower in newcomers:
                follower.offer(self._lacking(newcomers[follower]))
            elif frame:
                follower.offer(frame)

    def _lacking(self, have: Have) -> Frame:
        missed = self._board.since(have.version) if have.version else None
        if missed is not None:
            return missed
        whole = self._board.whole()
        # The page was rendered from the same journal: all that it lacks is the version to count on from.
        return Frame({}, {}, whole.version, whole.seq) if have.seq == self._board.seq >= 0 else whole


class ServicesTopic(PageTopic):
    """A page about the registry: of all services of a team, or of the one called `name`.

    The registry's events say when it is to be read anew. What has no event (circuits, heartbeats) is looked at from
    time to time: the reading says when.
    """

    def __init__(
        self, key: Hashable, *, team_id: int, name: str | None, interval: float, read: Callable[[], Reading]
    ) -> None:
        super().__init__(key, team_id=team_id, interval=interval, read=read)
        self._name = name

    def hear(self, changes: Sequence[Change]) -> None:
        """Executions do not concern it."""

    def hear_services(self, changed: Services | None) -> None:
        """Note whether one of the services that the page shows changed."""
        if changed is None or any(
            team_id == self._team_id and self._name in (None, service) for team_id, service in changed
        ):
            self.dirty = True


@dataclass(slots=True)
class RowsHave:
    """What a list's page shows: rows by id with their `seq`, the filter, and the instant where the list ends."""

    chosen: ExecutionFilter
    rows: dict[str, int]
    oldest: int
    strip: bool
    arrived: set[str] = field(default_factory=set)

    def note(self, summary: ExecutionSummary) -> bool:
        """Count an execution that is not on the page if it would be by now; say whether that changed the count."""
        before = len(self.arrived)
        created = micros(summary.created_at) or 0
        if self.chosen.cursor or (self.oldest and created <= self.oldest):
            return False
        if not self.chosen.accepts(summary):
            self.arrived.discard(summary.id)
        elif len(self.arrived) < COUNT_CAP:
            self.arrived.add(summary.id)
        return len(self.arrived) != before


@dataclass(frozen=True, slots=True)
class _Rows:
    changed: dict[str, tuple[ExecutionSummary, Shown]]
    first: dict[ExecutionFilter, tuple[ExecutionSummary, ...]]
    strips: dict[ExecutionFilter, Shown]


class RowsTopic(Topic):
    """A team's list of executions."""

    def __init__(self, key: Hashable, *, team_id: int) -> None:
        super().__init__(key, LIST_SECONDS)
        self._team_id = team_id
        self._changed: dict[str, int] = {}
        self._newcomers: set[Follower] = set()
        self._told: set[Follower] = set()
        self._counted_at = 0.0
        self._counts_old = False

    def join(self, follower: Follower, have: Any) -> None:
        """Let a socket follow; its rows are looked up with the next reading."""
        super().join(follower, have)
        self._newcomers.add(follower)
        self.dirty = True

    def leave(self, follower: Follower) -> None:
        """Let a socket follow no more."""
        super().leave(follower)
        self._newcomers.discard(follower)

    def hear(self, changes: Sequence[Change]) -> None:
        """Note which of the team's executions changed."""
        mine = {change.execution_id: change.seq for change in changes if change.team_id == self._team_id}
        if mine:
            self._changed.update(mine)
            self._counts_old = True
            self.dirty = True

    def begin(self) -> Job:
        """Return the reading of what changed, and of what newcomers look at."""
        ids = list(self._changed)[:CHANGED]
        for each in ids:
            del self._changed[each]
        fresh = [self.followers[each] for each in self._newcomers]
        ids = list(dict.fromkeys([*ids, *(row for have in fresh for row in have.rows)]))
        filters = {have.chosen for have in fresh if not have.chosen.cursor}
        now = clock.monotonic()
        counting = self._counts_old and now - self._counted_at >= COUNTS_SECONDS
        strips: set[ExecutionFilter] = set()
        if counting or fresh:
            self._counted_at, self._counts_old = now, self._counts_old and not counting
            strips = {have.chosen for have in self.followers.values() if have.strip}
        self.dirty = bool(self._changed)
        self.again_at = self._counted_at + COUNTS_SECONDS if self._counts_old else None
        self._told = set(self._newcomers)
        return lambda: self._read(ids, filters, strips)

    def _read(self, ids: list[str], filters: set[ExecutionFilter], strips: set[ExecutionFilter]) -> _Rows:
        summaries = reading.read_summaries(team_id=self._team_id, ids=ids)
        rows = reading.rows_of(summaries)
        shown = {
            each.id: (each, Shown(row.anchor, row_part(row).html())) for each, row in zip(summaries, rows, strict=True)
        }
        first = {chosen: reading.read_first(team_id=self._team_id, chosen=chosen) for chosen in filters}
        made = reading.read_strips(team_id=self._team_id, filters=strips)
        return _Rows(shown, first, {chosen: Shown("strip", strip_part(each).html()) for chosen, each in made.items()})

    def tell(self, result: Any) -> None:
        """Hand each page the rows that it shows, and how many would be new to it."""
        for follower, have in list(self.followers.items()):
            newcomer = follower in self._told
            parts = self._parts_for(have, result, newcomer=newcomer)
            if parts or newcomer:
                follower.offer(Frame(parts))
        self._newcomers -= self._told

    def _parts_for(self, have: RowsHave, result: _Rows, *, newcomer: bool) -> dict[str, Shown]:
        parts: dict[str, Shown] = {}
        counted = newcomer
        for summary, shown in result.changed.values():
            if summary.id not in have.rows:
                counted = have.note(summary) or counted
            elif not newcomer or have.rows[summary.id] != summary.seq:
                have.rows[summary.id] = summary.seq
                parts[shown.id] = shown
        for summary in result.first.get(have.chosen, ()) if newcomer else ():
            if summary.id not in have.rows:
                counted = have.note(summary) or counted
        if counted:
            line = arrivals_part(reading.arrivals(have.chosen, len(have.arrived)))
            parts[line.id] = Shown(line.id, line.html())
        if have.strip and have.chosen in result.strips:
            parts["strip"] = result.strips[have.chosen]
        return parts

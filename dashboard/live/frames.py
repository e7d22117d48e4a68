"""What is handed to sockets: parts that changed, in the order in which lists have them now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dashboard.live.parts import Part


@dataclass(frozen=True, slots=True)
class Shown:
    """A part as it is shown: its HTML, and whether that is SVG."""

    id: str
    html: str
    svg: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """Changes of one page.

    `orders` has, for each list that changed, the ids in it; `version` is where the page is then.
    """

    parts: Mapping[str, Shown] = field(default_factory=dict)
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    version: str = ""
    seq: int = 0

    def __bool__(self) -> bool:
        return bool(self.parts or self.orders)


class Board:
    """What a page shows at present, part by part, each with the version in which it last changed.

    A part is rendered only when its model changed. Versions count up by one with every change of anything; `token`
    tells this board's versions from those of another process or another time.
    """

    def __init__(self, token: str) -> None:
        self.token = token
        self.number = 0
        self.seq = 0
        self._parts: dict[str, tuple[Part, Shown, int]] = {}
        self._orders: dict[str, tuple[tuple[str, ...], int]] = {}

    @property
    def version(self) -> str:
        """Return where the page is."""
        return f"{self.token}.{self.number}"

    def put(self, parts: Iterable[Part], *, seq: int) -> Frame:
        """Take in how the page is now; return what changed."""
        number = self.number + 1
        self.seq = seq
        orders: dict[str, list[str]] = {box: [] for box in self._orders}
        before, self._parts = self._parts, {}
        for part in parts:
            known = before.get(part.id)
            if known is not None and known[0] == part:
                self._parts[part.id] = known
            else:
                self._parts[part.id] = (part, Shown(part.id, part.html(), part.svg), number)
            if part.box:
                orders.setdefault(part.box, []).append(part.id)
        for box, ids in orders.items():
            if box not in self._orders or self._orders[box][0] != tuple(ids):
                self._orders[box] = (tuple(ids), number)
        changed = self._after(number - 1)
        if changed:
            self.number = number
        return Frame(changed.parts, changed.orders, self.version, seq)

    def whole(self) -> Frame:
        """Return everything."""
        return self._after(0)

    def since(self, version: str) -> Frame | None:
        """Return what changed after a version; None if it is none of this board's."""
        token, _, number = version.partition(".")
        if token != self.token or not number.isdigit() or int(number) > self.number:
            return None
        return self._after(int(number))

    def _after(self, number: int) -> Frame:
        return Frame(
            {id: shown for id, (_, shown, at) in self._parts.items() if at > number},
            {box: ids for box, (ids, at) in self._orders.items() if at > number},
            self.version,
            self.seq,
        )

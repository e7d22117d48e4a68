"""Which instances count as gone because they are silent, and when silence proves nothing.

An instance that sends heartbeats does so every third of its `ttl`. One that was silent for longer than its `ttl` is
inactive, and after a further time it is taken out. Two things make silence prove nothing:

* Whoever listens may just have come back. Nothing is concluded before it has listened for two of the instance's `ttl`.
* When more than half are late at once, the fault is more likely ours (a network that is cut, a door that is shut) than
  that of all of them: then nobody's state changes, and it is said why. Late is who was silent for half of its `ttl`:
  when the first of them exceeds its time, all that were cut off at the same moment are late by this measure, however
  their heartbeats were spread, and one that sends them as it should never is.

Whose fault it is, is asked twice. Each owner (a team) is judged by itself: a team most of whose instances are silent
has most likely lost its own network, keeps its states for that, and holds up nobody else. And all are judged together:
when more than half of all instances are late, and more than half of those of most owners, it is the platform that hears
nothing, and nobody's state changes, small owners' neither, whose silence alone would not be doubted.

All times are microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .health import too_many_at_once
from .lifecycle import INACTIVE

WINDOWS = 2
LEAST = 3


@dataclass(frozen=True, slots=True)
class Watched:
    """An instance that sends heartbeats: its status, when it was heard last, and since when it is inactive if it is."""

    id: str
    status: str
    seen: int
    ttl: int
    deregister_after: int
    inactive_since: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whose time is over: `silent` are to become inactive, `gone` to be taken out.

    With `doubt` neither is anybody, though `late` of `of` instances are late.
    """

    silent: tuple[Watched, ...] = ()
    gone: tuple[Watched, ...] = ()
    doubt: bool = False
    late: int = 0
    of: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on each owner; with `doubt` none of them is carried out, though `late` of `of` instances are late."""

    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    doubt: bool = False
    late: int = 0
    of: int = 0


def judge_owners(
    watched: Mapping[int, Sequence[Watched]], *, now: int, since: Mapping[int, int], least: int = LEAST
) -> Judgement:
    """Return the verdict on each owner's instances, and whether what is seen of all of them is to be doubted.

    `since` is since when each owner has been listened to without a break, `least` as of `judge_silence`.
    """
    verdicts = {
        owner: judge_silence(theirs, now=now, since=since[owner], least=least) for owner, theirs in watched.items()
    }
    late, of = (sum(getattr(each, name) for each in verdicts.values()) for name in ("late", "of"))
    present = [each for each in verdicts.values() if each.of]
    struck = [each for each in present if 2 * each.late > each.of]
    silent = any(each.silent or each.doubt for each in verdicts.values())
    doubt = silent and too_many_at_once(late, of, least=least) and 2 * len(struck) > len(present)
    return Judgement(verdicts, doubt, late, of)


def judge_silence(watched: Iterable[Watched], *, now: int, since: int, least: int = LEAST) -> Verdict:
    """Return whose time is over at `now`, for one who has listened without a break since `since`.

    `least` is how many have to be late at once before silence is doubted.
    """
    known = [each for each in watched if now - since >= WINDOWS * each.ttl]
    lately = [each for each in known if _was_there_lately(each, now)]
    late = sum(1 for each in lately if now - each.seen > each.ttl // 2)
    silent = tuple(each for each in known if each.status != INACTIVE and now - each.seen > each.ttl)
    if silent and too_many_at_once(late, len(lately), least=least):
        return Verdict(doubt=True, late=late, of=len(lately))
    return Verdict(silent, _gone(known, now), late=late, of=len(lately))


def _was_there_lately(each: Watched, now: int) -> bool:
    """Say whether the instance counts among those that may fall silent: it is there, or fell silent just now."""
    return each.status != INACTIVE or (each.inactive_since is not None and now - each.inactive_since < each.ttl)


def _gone(known: Sequence[Watched], now: int) -> tuple[Watched, ...]:
    return tuple(
        each
        for each in known
        if each.status == INACTIVE
        and each.inactive_since is not None
        and now - each.inactive_since > each.deregister_after
    )

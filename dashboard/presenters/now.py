"""The first page: one sentence that says how things stand, what needs a look, and what runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dashboard.presenters.emptiness import Emptiness
from dashboard.presenters.executions import ExecutionRow, execution_row
from dashboard.presenters.services import ServiceRow, service_row
from dashboard.words.states import UNHAPPY
from orchestration.engine.queries import ExecutionSummary
from orchestration.registry.queries import ServiceView


@dataclass(frozen=True, slots=True)
class Sentence:
    """How things stand: `hue` and `icon` say whether anything is wrong."""

    text: str
    hue: str
    icon: str


@dataclass(frozen=True, slots=True)
class NowPage:
    """Everything that the first page shows."""

    sentence: Sentence
    attention: tuple[ExecutionRow, ...]
    recent: tuple[ExecutionRow, ...]
    empty: Emptiness


def now_page(
    *,
    counts: Mapping[str, int],
    attention: Sequence[ExecutionSummary],
    recent: Sequence[ExecutionSummary],
    services: Sequence[ServiceView],
    empty: Emptiness,
    now: int,
) -> NowPage:
    """Return the page. `attention` are the executions of the last day that need a look; `now` is in microseconds."""
    return NowPage(
        sentence=sentence(counts, attention, [service_row(each) for each in services]),
        attention=tuple(_attention_row(each, now) for each in attention[:SHOWN]),
        recent=tuple(execution_row(each, now=now) for each in recent),
        empty=empty,
    )


def _attention_row(summary: ExecutionSummary, now: int) -> ExecutionRow:
    # The same execution may stand in both lists of the page: each of its rows needs an id of its own.
    return replace(execution_row(summary, now=now), anchor=f"attention-{summary.id}")


def sentence(
    counts: Mapping[str, int], attention: Sequence[ExecutionSummary], services: Sequence[ServiceRow]
) -> Sentence:
    """Say how things stand, what is wrong first."""
    wrong: list[str] = []
    ill = sum(row.look.hue != "good" for row in services)
    if ill:
        wrong.append(f"{ill} of {_several(len(services), 'service')} {'is' if ill == 1 else 'are'} not well")
    failed = sum(each.status in FAILED for each in attention)
    if failed:
        some = f"{failed} executions or more" if failed >= CAP else _several(failed, "execution")
        wrong.append(f"{some} failed in the last 24 hours")
    moving = [f"{counts[state]:,} {word}" for state, word in _MOVING.items() if counts.get(state)]
    said = wrong + moving
    if not said:
        ran = any(counts.values())
        return Sentence("All is quiet: nothing runs, nothing failed.", "good", "completed") if ran else NOTHING_YET
    text = ", ".join(said)
    icon, hue = ("failed", "bad") if wrong else ("running", "running")
    return Sentence(f"{text[0].upper()}{text[1:]}.", hue, icon)


NOTHING_YET = Sentence("Nothing has run yet.", "neutral", "pending")
SHOWN = 10
CAP = 50
"""As many executions are looked at; that many failures may be more."""
FAILED = frozenset({"failed", "compensation_failed"})
_MOVING = {"running": "running", "compensating": "compensating", "paused": "paused", "pending": "waiting for a place"}
NEEDS_A_LOOK = UNHAPPY
"""The states of executions that the first page lists."""


def _several(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

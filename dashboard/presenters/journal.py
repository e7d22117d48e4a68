"""Journal entries as rows: what happened, to which step, and the one detail that matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.words.anchors import event_anchor
from dashboard.words.reasons import REASON_WORDS
from dashboard.words.states import look
from dashboard.words.times import duration_words, micros
from dashboard.words.values import error_sentence, short
from orchestration.engine.queries import JournalEntry

_STATE_OF = {
    "started": "running",
    "resumed": "running",
    "signalled": "completed",
    "reset": "pending",
    "postponed": "waiting",
    "retried": "running",
}
_REASONS = {
    "join": "what it comes after ended another way",
    "condition": "its condition does not hold",
    **REASON_WORDS,
}
AGAIN = frozenset({"retrying", "postponed"})
_SUBJECTS = {"workflow": "Workflow", "step": "Step"}


@dataclass(frozen=True, slots=True)
class EventRow:
    """One entry of the journal."""

    anchor: str
    seq: int
    at: datetime
    what: str
    step: str
    detail: str
    icon: str
    hue: str


def event_row(entry: JournalEntry) -> EventRow:
    """Return a journal entry as it is shown."""
    subject, _, verb = entry.type.partition(".")
    shown = look(_STATE_OF.get(verb, verb))
    words = f"{_SUBJECTS.get(subject, subject.capitalize())} {verb.replace('_', ' ')}".strip()
    return EventRow(
        anchor=event_anchor(entry.seq),
        seq=entry.seq,
        at=entry.at,
        what=words,
        step=entry.step,
        detail=_detail(verb, entry.data, micros(entry.at) or 0),
        icon=shown.icon if verb else "unknown",
        hue=shown.hue if verb else "neutral",
    )


def _detail(verb: str, data: Mapping[str, Any], at: int) -> str:
    said: list[str] = []
    if isinstance(data.get("attempt"), int) and verb in {"started", "retrying", "postponed"}:
        said.append(f"attempt {data['attempt']}")
    error = data.get("error")
    if isinstance(error, Mapping):
        said.append(error_sentence(error))
    if isinstance(data.get("until"), int) and data["until"] > at:
        said.append(f"{'again in' if verb in AGAIN else 'for'} {duration_words(data['until'] - at)}")
    texts = [data.get(key) for key in ("name", "step", "message")]
    if data.get("by"):
        texts.append(f"by {data['by']}")
    if "reason" in data:
        texts.append(_REASONS.get(data["reason"], data["reason"]))
    said.extend(short(text) for text in texts if isinstance(text, str) and text)
    return " · ".join(said)

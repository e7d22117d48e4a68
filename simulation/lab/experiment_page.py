"""An experiment's answer as its page shows it: one sentence, then pictures with their tables, and the reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from dashboard.words.states import Look

from .looks import VERDICTS
from .queries import RunDetail


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: a text, and how it looks where it is a verdict."""

    text: str
    look: Look | None


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: its name, what its columns are called, and its rows, each named by its first cell."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the answer: sentences, then either a picture (SVG), or a table, or both."""

    title: str
    said: tuple[str, ...]
    svg: SafeString | None
    table: Grid | None


_WAITING: Mapping[str, tuple[str, str, str]] = {
    "queued": ("pending", "It waits for a worker.", "neutral"),
    "running": ("running", "The first replications run.", "running"),
    "cancelled": ("cancelled", "It was cancelled before anything could be told.", "neutral"),
    "failed": ("failed", "It cannot be answered as it is asked.", "bad"),
}


def experiment_sentence(run: RunDetail) -> tuple[Look, str]:
    """Return the answer in a sentence, as it stands, and what else belongs to it."""
    strong = [each["text"] for each in _blocks(run) if each["block"] == "said" and each["strong"]]
    state = run.summary.state
    if not strong or state == "failed":
        return Look(*_WAITING.get(state, ("unknown", "Nothing was told.", "neutral"))), ""
    look = VERDICTS.get(run.summary.verdict)
    usual = Look("running", "", "running") if run.summary.active else Look("completed", "", "neutral")
    of = look or usual
    return Look(of.icon, _sentence(strong[0]), of.hue), " ".join(map(_sentence, strong[1:]))


def sections_of(blocks: Sequence[Mapping[str, Any]]) -> tuple[Section, ...]:
    """Return an answer's blocks as parts of a page: sentences go with the picture or the table that they lead to."""
    found: list[Section] = []
    said: list[str] = []
    for each in blocks:
        if each["block"] == "said":
            if not each["strong"]:
                said.append(_sentence(each["text"]))
            continue
        svg, table = None, _grid(each) if each["block"] == "table" else None
        if each["block"] == "picture":
            # Drawn by `simulation.charts`, which escapes every word in it.
            svg = mark_safe(each["svg"])
            table = None if each["table"] is None else _grid(each["table"])
        _add(found, Section(each["caption"], tuple(said), svg, table))
        said = []
    if said:
        found.append(Section("What else is to be said", tuple(said), None, None))
    return tuple(found)


def _add(found: list[Section], part: Section) -> None:
    """Put a part behind the others; a picture and the table that follows it are one."""
    before = found[-1] if found else None
    if before is not None and before.table is None and before.svg is not None and part.svg is None and not part.said:
        found[-1] = replace(before, table=part.table)
    else:
        found.append(part)


def _blocks(run: RunDetail) -> Sequence[Mapping[str, Any]]:
    blocks: Sequence[Mapping[str, Any]] = (run.result or {}).get("blocks", ())
    return blocks


def _grid(table: Mapping[str, Any]) -> Grid:
    rows = tuple((row[0], tuple(Cell(each, VERDICTS.get(each)) for each in row[1:])) for row in table["rows"])
    return Grid(table["caption"], tuple(table["columns"]), rows)


def _sentence(text: str) -> str:
    """Return a sentence with a capital letter and a full stop, where it begins with a word of ours."""
    return text if text.endswith((".", "?")) else f"{text}."

"""The answer to which set-up is the cheapest, with the cheaper neighbours and why they will not do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulation.blocks import Block, Picture, Said, Table
from simulation.charts import bars
from simulation.statistics.comparison import PASS

from .answers import Answer
from .axes import Axis
from .cheapest import Candidate, Found, find
from .costs import money
from .promised import promised, promised_json
from .trials import Trials

_WORDS = {PASS: "keeps all promises", "fail": "breaks a promise", "impossible": "cannot work"}


def cheapest(trials: Trials, document: dict[str, Any], axes: Sequence[Axis], replications: int | None = None) -> Answer:
    """Return the cheapest set-up along the axes. Raises as `cheapest.find` does."""
    found = find(trials, document, axes, replications)
    asked = " ".join(f"--cheapest '{axis.path}={','.join(map(str, axis.values))}'" for axis in axes)
    blocks = _blocks(document, found)
    data = {
        "axes": [{"path": axis.path, "values": list(axis.values)} for axis in axes],
        "winner": None if found.winner is None else _json(found, found.winner),
        "rejected": [_json(found, each) for each in found.rejected],
        "tried": [_json(found, each) for each in found.tried],
        "why_none": found.why or None,
    }
    return Answer("cheapest", asked, document, trials.seed, blocks, data, found.winner is not None)


def _blocks(document: dict[str, Any], found: Found) -> list[Block]:
    blocks: list[Block] = []
    winner = found.winner
    if winner is None:
        blocks.append(Said(f"No set-up in this range keeps the promises: {found.why}", strong=True))
    else:
        blocks.append(
            Said(
                f"The cheapest is {_named(found, winner)}, {money(document, winner.cost)}: {winner.verdict.why}.",
                strong=True,
            )
        )
        blocks += [
            Said(f"Rejected though cheaper ({money(document, each.cost)}), {_named(found, each)}: {_why(each)}.")
            for each in found.rejected
        ]
        if not found.rejected:
            blocks.append(Said("There is no cheaper neighbour: every number is at the least of its range."))
        confirmed = winner.verdict.replications
        if confirmed:
            blocks.append(Said(f"Winner and neighbours were confirmed with fresh luck, {confirmed} replications each."))
    if found.tried:
        blocks += [_picture(found), tried_table([axis.path for axis in found.axes], _rows(document, found.tried))]
    if winner is not None and winner.verdict.summary is not None:
        blocks += promised(winner.verdict.summary, "the cheapest")
    return blocks


def tried_table(paths: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Table:
    """Return the table of set-ups that were tried: their numbers, cost, replications, verdict, and why."""
    return Table("All that was tried", (", ".join(paths), "cost", "replications", "verdict", "why"), tuple(rows))


def _picture(found: Found) -> Picture:
    """Return what each set-up that was tried costs, with its verdict in words, the cheapest first."""
    label = f"What each set-up that was tried costs an hour, by {', '.join(axis.path for axis in found.axes)}"
    told = sorted({(each.cost, each.values, each.verdict.word) for each in (*found.tried, *found.rejected)})
    won = None if found.winner is None else found.winner.values
    rows = [
        (f"{', '.join(map(str, values))}: {'cheapest, ' if values == won else ''}{word}", cost, cost, cost, False)
        for cost, values, word in told
    ]
    most = max(cost for _, cost, *_ in rows)
    return Picture(label, bars(rows, unit="", label=label, most=most))


def _rows(document: dict[str, Any], candidates: Sequence[Candidate]) -> list[tuple[str, ...]]:
    return [
        (
            ", ".join(map(str, each.values)),
            money(document, each.cost),
            str(each.verdict.replications) if each.verdict.replications else "none needed",
            each.verdict.word,
            each.verdict.why,
        )
        for each in candidates
    ]


def _why(candidate: Candidate) -> str:
    word = _WORDS.get(candidate.verdict.word, "cannot be told apart from the promise")
    return f"{word}: {candidate.verdict.why}"


def _named(found: Found, candidate: Candidate) -> str:
    return ", ".join(f"{axis.path} = {value}" for axis, value in zip(found.axes, candidate.values, strict=True))


def _json(found: Found, candidate: Candidate) -> dict[str, Any]:
    return {
        "values": {axis.path: value for axis, value in zip(found.axes, candidate.values, strict=True)},
        "cost": candidate.cost,
        "verdict": candidate.verdict.word,
        "why": candidate.verdict.why,
        "replications": candidate.verdict.replications,
        "promised": None if candidate.verdict.summary is None else promised_json(candidate.verdict.summary),
    }

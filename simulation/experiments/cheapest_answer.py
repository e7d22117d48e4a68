"""The answer to which set-up is the cheapest, with the cheaper neighbours and why they will not do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulation.blocks import Block, Said, Table
from simulation.statistics.comparison import PASS

from .answers import Answer
from .axes import Axis
from .cheapest import Candidate, Found, find
from .costs import money
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
        blocks.append(_table(document, "All that was tried", found, found.tried))
    return blocks


def _table(document: dict[str, Any], caption: str, found: Found, candidates: Sequence[Candidate]) -> Table:
    rows = tuple(
        (
            ", ".join(map(str, each.values)),
            money(document, each.cost),
            str(each.verdict.replications) if each.verdict.replications else "none needed",
            each.verdict.word,
            each.verdict.why,
        )
        for each in candidates
    )
    return Table(caption, (", ".join(axis.path for axis in found.axes), "cost", "replications", "verdict", "why"), rows)


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
    }

"""What a set-up's promises come to beside an experiment's own answer: a verdict for each, and the bottleneck."""

from __future__ import annotations

from typing import Any

from simulation.blocks import Block, Said, Table
from simulation.scenarios.summary import Judgement, Summary

from .answers import figure

COLUMNS = ("promise", "verdict", "found", "more replications")


def promised(summary: Summary, of: str) -> list[Block]:
    """Return the verdict on each promise of a set-up, and its bottleneck; `of` says which set-up it is."""
    blocks: list[Block] = [Said(f"Bottleneck of {of}: {summary.bottleneck}.")]
    if summary.judgements:
        blocks.append(Table(f"Promises of {of}", COLUMNS, tuple(map(_row, summary.judgements))))
    return blocks


def promised_json(summary: Summary) -> dict[str, Any]:
    """Return the same for programs."""
    return {
        "bottleneck": summary.bottleneck,
        "slos": [
            {
                "workload": each.workload,
                "measure": each.measure,
                "promised": each.promised,
                "verdict": each.word,
                "got": None if each.figure is None else each.figure.as_json(),
                "more_replications": each.more,
            }
            for each in summary.judgements
        ],
    }


def _row(each: Judgement) -> tuple[str, ...]:
    told = f"{each.promised:.2%}" if each.measure == "completed" else f"{each.promised:g} s"
    more = f"about {each.more}" if each.more else "–"
    return f"{each.workload} {each.measure} {told}", each.word, figure(each.measure, each.figure), more

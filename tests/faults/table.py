"""The table at the end of `make faults`, and the list of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HEAD = ("fault", "on", "what", "trials", "lost", "twice", "repeated", "zombies", "p50 s", "p99 s", "time s", "")


def table(outcomes: Sequence[dict[str, Any]]) -> str:
    """Return the outcomes as a table for a terminal, with the notes below it."""
    rows = [HEAD, *(_row(each) for each in outcomes)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "-" * max(len(line) for line in lines))
    notes = [f"{each['number']} on {each['kind']}: {note}" for each in outcomes for note in each["notes"]]
    left = [f"{each['number']} on {each['kind']}: skipped, {each['skipped']}" for each in outcomes if each["skipped"]]
    sums = [sum(each[name] for each in outcomes) for name in ("trials", "lost", "twice", "repeated", "zombies")]
    total = "{} trials: {} executions lost, {} ended twice, {} effects repeated, {} zombie writes".format(*sums)
    wrong = [each["number"] for each in outcomes if each["wrong"]]
    verdict = f"NOT as it must be: {', '.join(wrong)}" if wrong else "Everything is as it must be."
    return "\n".join([*lines, "", *notes, *left, "", total, verdict])


def _row(outcome: dict[str, Any]) -> tuple[str, ...]:
    state = "skipped" if outcome["skipped"] else "FAILED" if outcome["wrong"] else "good"
    counts = [str(outcome[name]) for name in ("trials", "lost", "twice", "repeated", "zombies")]
    times = ["" if outcome[name] is None else f"{outcome[name]:.2f}" for name in ("p50", "p99")]
    return (
        outcome["number"],
        outcome["kind"],
        outcome["title"],
        *counts,
        *times,
        str(outcome["seconds"]),
        state,
    )


def names() -> str:
    """Return the catalogue as a list: number, title, trials in the quick and in the full set, and on what."""
    from tests.faults.runner import surroundings

    with surroundings("sqlite"):
        from tests.faults.catalogue import FAULTS

        return "\n".join(
            f"{each.number:12} quick {each.quick:3}  full {each.full:4}  {'/'.join(sorted(each.on)):16}  {each.title}"
            for each in FAULTS.values()
        )

"""The services of a data pipeline: extract, validate, transform, load, report. They really work on the rows.

Scripted by the input: a `source` that ends in `-missing` cannot be read (422), a `destination` that ends in `-flaky`
answers 503 twice, one that ends in `-down` always.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import Any

from loadtests.farm.behaviour import Asked, Method, Refusal

ROWS = 40
REGIONS = ("north", "east", "south", "west")
RULES = ("trim", "uppercase", "round")
FLAKY_ANSWERS = 2


def extract(asked: Asked) -> dict[str, Any]:
    """Read the rows of a source: the same ones every time, some of them broken."""
    asked.need("source")
    source = asked.text("source")
    if source.endswith("-missing"):
        raise Refusal(422, "source_missing", f"there is no {source}", retryable=False)
    rows = [_row(source, number) for number in range(1, ROWS + 1)]
    return {"extracted_data": rows, "format": asked.text("format", "csv")}


def validate(asked: Asked) -> dict[str, Any]:
    """Keep the rows whose amount is a number above 0."""
    good = [row for row in asked.items("data") if isinstance(row, dict) and (_amount(row) or 0.0) > 0.0]
    return {"validated_data": good, "rejected": len(asked.items("data")) - len(good)}


def transform(asked: Asked) -> dict[str, Any]:
    """Apply the rules, in the order in which they are given."""
    rules = [str(rule) for rule in asked.items("rules")]
    unknown = [rule for rule in rules if rule not in RULES]
    if unknown:
        raise Refusal(422, "rule_unknown", f"unknown rule {unknown[0]}; known are {', '.join(RULES)}", retryable=False)
    return {"transformed_data": [_transformed(row, rules) for row in asked.items("data")]}


def load(asked: Asked) -> dict[str, Any]:
    """Write the rows to their destination, and say how much that was."""
    asked.need("destination")
    destination = asked.text("destination")
    if destination.endswith("-down") or (destination.endswith("-flaky") and asked.tries < FLAKY_ANSWERS):
        raise Refusal(503, "database_busy", f"{destination} takes nothing at the moment", retryable=True)
    totals: dict[str, float] = defaultdict(float)
    rows = asked.items("data")
    for row in rows:
        totals[str(row.get("region", "")).strip().lower()] += _amount(row) or 0.0
    rounded = {region: round(total, 2) for region, total in sorted(totals.items())}
    return {
        "processing_metrics": {"rows": len(rows), "destination": destination, "load_id": asked.mark("LOAD")},
        "processing_summary": rounded,
    }


def generate(asked: Asked) -> dict[str, Any]:
    """Put metrics and summary into a few lines that people read."""
    metrics, summary = asked.input.get("metrics"), asked.input.get("summary")
    if not isinstance(metrics, dict):
        raise Refusal(422, "incomplete", "metrics is missing", retryable=False)
    lines = [f"{metrics.get('rows', 0)} rows went to {metrics.get('destination', 'nowhere')}"]
    if isinstance(summary, dict):
        lines += [f"{region}: {total}" for region, total in summary.items()]
    return {"report": {"report_id": asked.mark("REP"), "lines": lines}}


def _row(source: str, number: int) -> dict[str, Any]:
    drawn = hashlib.blake2b(f"{source}/{number}".encode(), digest_size=4).digest()
    amount = "" if drawn[0] < 20 else f"{(drawn[1] * 256 + drawn[2]) / 100:.3f}"
    return {"id": number, "region": f" {REGIONS[drawn[3] % len(REGIONS)]} ", "amount": amount}


def _amount(row: dict[str, Any]) -> float | None:
    try:
        return float(row.get("amount", ""))
    except (TypeError, ValueError):
        return None


def _transformed(row: Any, rules: list[str]) -> dict[str, Any]:
    new = dict(row) if isinstance(row, dict) else {"value": row}
    for rule in rules:
        if rule == "trim":
            new = {name: value.strip() if isinstance(value, str) else value for name, value in new.items()}
        elif rule == "uppercase":
            new["region"] = str(new.get("region", "")).upper()
        elif rule == "round":
            new["amount"] = round(_amount(new) or 0.0, 2)
    return new


PIPELINE: dict[str, dict[str, Method]] = {
    "data-extractor": {"extract": Method(extract, 0.6, 1.6)},
    "data-validator": {"validate": Method(validate, 0.2, 0.6)},
    "data-transformer": {"transform": Method(transform, 0.5, 1.5)},
    "data-loader": {"load": Method(load, 0.4, 1.2)},
    "report-generator": {"generate": Method(generate, 0.1, 0.4)},
}

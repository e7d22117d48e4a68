"""What a set-up costs an hour, by the scenario's own table of prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .places import value_at

WORKER = "workers.count"


def prices_of(document: Mapping[str, Any], turned: Sequence[str] = ()) -> dict[str, float]:
    """Return the price of one more at each place that has one.

    Without a table every instance and worker costs 1, and so does one more of what is turned.
    """
    table = document.get("costs")
    if table is None:
        prices = dict.fromkeys([*(f"services.{name}.instances" for name in document["services"]), *turned], 1.0)
        return {**prices, WORKER: 1.0} if document.get("workers") else prices
    prices = {f"services.{name}.instances": float(price) for name, price in table.get("services", {}).items()}
    if "worker" in table:
        prices[WORKER] = float(table["worker"])
    return {**prices, **{path: float(price) for path, price in table.get("places", {}).items()}}


def cost_of(document: dict[str, Any], turned: Sequence[str] = ()) -> float:
    """Return what a set-up costs an hour: at each priced place the price times the number there (left out: 1)."""
    total = 0.0
    for path, price in prices_of(document, turned).items():
        if path == WORKER and not document.get("workers"):
            continue
        number = value_at(document, path)
        total += price * (1 if number is None else number)
    return round(total, 9)


def money(document: Mapping[str, Any], cost: float) -> str:
    """Return a cost as people read it."""
    table = document.get("costs")
    if table is None:
        return f"{cost:g} in all, every one at 1"
    return f"{cost:.6g} {table.get('currency', '')}".rstrip() + " an hour"

"""The demo's executions: one for each ending that a person should have seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Example:
    """An execution to start: its workflow, and what is different from the workflow's own example input."""

    name: str
    workflow: str
    different: Mapping[str, Any]


EXAMPLES = (
    Example("smooth", "order-processing", {"order_id": "ORD-1001"}),
    Example("retried", "order-processing", {"order_id": "ORD-1002-flaky"}),
    Example("declined", "order-processing", {"order_id": "ORD-1003", "payment_method": "declined"}),
    Example(
        "undeliverable",
        "order-processing",
        {"order_id": "ORD-1004", "shipping_address": {"street": "1 Nowhere", "city": "Farland", "zip": "00000"}},
    ),
    Example("bounced", "order-processing", {"order_id": "ORD-1005", "customer_email": "nobody@bounce.test"}),
    Example("voucher", "order-processing", {"order_id": "ORD-1006", "payment_method": "voucher"}),
    Example("answer-lost", "order-processing", {"order_id": "ORD-1007-lost"}),
    Example("loaded", "data-processing", {}),
    Example("second-round", "data-processing", {"target_database": "warehouse-flaky"}),
    Example("no-source", "data-processing", {"data_source": "s3://sales/november-missing"}),
)


def inputs(examples: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[Example, dict[str, Any]]]:
    """Yield the demo's executions with their inputs; `examples` are the workflows' own, by id."""
    for example in EXAMPLES:
        yield example, {**examples[example.workflow], **example.different}

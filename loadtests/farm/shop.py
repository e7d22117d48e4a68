"""The services of a shop: inventory, payment, shipping, notification.

Scripted by the input, so that every ending can be asked for:

| input | what happens |
|---|---|
| `order_id` ends in `-flaky` | `inventory.validate` answers 503 twice |
| `order_id` ends in `-slow` | everything takes eight times as long |
| `order_id` ends in `-lost` | `shipping.create` ships, and its first answer is lost on the way |
| an item's `quantity` over 100 | `inventory.reserve` answers 409 `out_of_stock` |
| `payment_method` is `declined` | `payment.authorize` answers 402 `card_declined` |
| `payment_method` is `voucher` | the provider acorn does not take it (422), birch does |
| the address's `zip` is `00000` | `shipping.create` answers 422 `undeliverable` |
| the customer's mail ends in `@bounce.test` | `notification.send` answers 422 `mailbox_unknown` |
"""

from __future__ import annotations

from typing import Any

from loadtests.farm.behaviour import Asked, Method, Refusal

MOST_OF_ONE_ITEM = 100
FLAKY_ANSWERS = 2


def validate(asked: Asked) -> dict[str, Any]:
    """Say whether the order makes sense and its items are known."""
    asked.need("order_id")
    if asked.text("order_id").endswith("-flaky") and asked.tries < FLAKY_ANSWERS:
        raise Refusal(503, "warming_up", "the inventory is warming up", retryable=True)
    known = [item for item in asked.items("items") if isinstance(item, dict) and item.get("product_id")]
    return {"valid": True, "available": bool(known), "item_count": sum(_quantity(item) for item in known)}


def reserve(asked: Asked) -> dict[str, Any]:
    """Put the items aside."""
    asked.need("order_id")
    for item in asked.items("items"):
        if _quantity(item) > MOST_OF_ONE_ITEM:
            raise Refusal(409, "out_of_stock", f"not enough of {item.get('product_id')} in stock")
    return {"reservation_id": asked.mark("RES"), "reserved": True}


def release(asked: Asked) -> dict[str, Any]:
    """Put the reserved items back."""
    asked.need("reservation_id")
    return {"released": asked.text("reservation_id")}


def authorize(asked: Asked) -> dict[str, Any]:
    """Have the provider that the input names hold the money back. What is never charged lapses by itself."""
    asked.need("order_id", "amount", "provider")
    means, provider = asked.text("payment_method", "credit_card"), asked.text("provider")
    if means == "declined":
        raise Refusal(402, "card_declined", f"{provider} declined the card", retryable=False)
    if means == "voucher" and provider == "acorn":
        raise Refusal(422, "means_unknown", "acorn does not take vouchers", retryable=False)
    return {"authorization_id": asked.mark("AUT"), "provider": provider, "amount": asked.number("amount")}


def void(asked: Asked) -> dict[str, Any]:
    """Let the money go that was held back."""
    asked.need("authorization_id")
    return {"voided": asked.text("authorization_id")}


def charge(asked: Asked) -> dict[str, Any]:
    """Take the money that was held back."""
    asked.need("authorization_id", "amount")
    return {
        "payment_id": asked.mark("PAY"),
        "transaction_id": asked.mark("TXN"),
        "amount": asked.number("amount"),
        "status": "completed",
    }


def refund(asked: Asked) -> dict[str, Any]:
    """Give the money back."""
    asked.need("payment_id")
    return {"refund_id": asked.mark("REF"), "payment_id": asked.text("payment_id")}


def create(asked: Asked) -> dict[str, Any]:
    """Hand the parcel to the carrier."""
    asked.need("order_id", "address")
    address = asked.input["address"]
    if not isinstance(address, dict) or address.get("zip") == "00000":
        raise Refusal(422, "undeliverable", "no carrier delivers there", retryable=False)
    return {"shipment_id": asked.mark("SHP"), "carrier": "hedgehog", "days": 2}


def cancel(asked: Asked) -> dict[str, Any]:
    """Stop the parcel."""
    asked.need("shipment_id")
    return {"cancelled": asked.text("shipment_id")}


def send(asked: Asked) -> dict[str, Any]:
    """Write to the customer."""
    asked.need("customer")
    if asked.text("customer").endswith("@bounce.test"):
        raise Refusal(422, "mailbox_unknown", f"nobody reads {asked.text('customer')}", retryable=False)
    return {"message_id": asked.mark("MSG"), "sent": True}


def _first_answer_is_lost(asked: Asked) -> bool:
    return asked.text("order_id").endswith("-lost")


def _quantity(item: Any) -> int:
    value = item.get("quantity", 1) if isinstance(item, dict) else 0
    return value if isinstance(value, int) else 0


SHOP: dict[str, dict[str, Method]] = {
    "inventory": {
        "validate": Method(validate, 0.2, 0.6),
        "reserve": Method(reserve, 0.4, 1.0),
        "release": Method(release, 0.2, 0.5),
    },
    "payment": {
        # Nothing is held back for whoever hangs up before: a race that has a winner leaves the loser alone.
        "authorize": Method(authorize, 0.6, 2.0, stops_when_left=True),
        "void": Method(void, 0.1, 0.3),
        "charge": Method(charge, 0.3, 0.9),
        "refund": Method(refund, 0.3, 0.8),
    },
    "shipping": {
        "create": Method(create, 0.4, 1.2, cuts_reply=_first_answer_is_lost),
        "cancel": Method(cancel, 0.2, 0.5),
    },
    "notification": {"send": Method(send, 0.05, 0.2)},
}

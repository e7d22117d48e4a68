"""The farm as a caller sees it, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from loadtests.farm.ledger import Ledger
from loadtests.farm.server import SERVICES, Farm, application
from tests.waiting import wait_for_async

ORDER = {"order_id": "ORD-1", "items": [{"product_id": "P", "quantity": 1}]}
PAYMENT = {"order_id": "ORD-1", "amount": 5, "provider": "acorn"}
SHIP = {"order_id": "ORD-1", "address": {"zip": "12345"}}


class Caller:
    """Calls the farm's methods and asks for its record."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def post(self, method: str, given: Any, key: str = "e/step") -> tuple[int, Any]:
        headers = {"Idempotency-Key": key} if key else {}
        service, _, name = method.partition(".")
        async with self.session.post(f"{self.url}/{service}/{name}", json=given, headers=headers) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> Any:
        async with self.session.get(self.url + path) as answer:
            return await answer.json()

    async def outcomes(self, **query: str) -> list[str]:
        async with self.session.get(f"{self.url}/__calls", params=query) as answer:
            return [call["outcome"] for call in (await answer.json())["calls"]]


@pytest.fixture
def pace() -> float:
    """Return the factor on the farm's latencies."""
    return 0.0


@pytest.fixture
async def farm(pace: float) -> AsyncIterator[Caller]:
    """Serve a farm that keeps its record in memory."""
    runner = web.AppRunner(application(Farm(Ledger(), pace=pace)), handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        yield Caller(session, f"http://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()


async def test_it_gives_the_first_answer_to_a_repeated_key_and_applies_nothing(farm: Caller):
    first = await farm.post("inventory.reserve", ORDER)
    assert first == await farm.post("inventory.reserve", ORDER)
    assert await farm.outcomes() == ["applied", "replayed"]


async def test_it_applies_anew_for_another_key(farm: Caller):
    _, one = await farm.post("inventory.reserve", ORDER, "e1/reserve")
    _, other = await farm.post("inventory.reserve", ORDER, "e2/reserve")
    assert one["reservation_id"] != other["reservation_id"]


async def test_it_refuses_a_key_that_was_used_for_another_input(farm: Caller):
    await farm.post("inventory.reserve", ORDER)
    status, answer = await farm.post("inventory.reserve", {**ORDER, "order_id": "ORD-2"})
    assert (status, answer["error"]["code"], answer["error"]["retryable"]) == (422, "key_reused", False)


async def test_it_fails_a_flaky_order_twice(farm: Caller):
    flaky = {**ORDER, "order_id": "ORD-1-flaky"}
    assert [(await farm.post("inventory.validate", flaky))[0] for _ in range(4)] == [503, 503, 200, 200]
    assert await farm.outcomes() == ["failed", "failed", "applied", "replayed"]


@pytest.mark.parametrize(
    ("method", "given", "status", "code"),
    [
        ("payment.authorize", {**PAYMENT, "payment_method": "declined"}, 402, "card_declined"),
        ("payment.authorize", {**PAYMENT, "payment_method": "voucher"}, 422, "means_unknown"),
        ("shipping.create", {**SHIP, "address": {"zip": "00000"}}, 422, "undeliverable"),
        ("inventory.reserve", {**ORDER, "items": [{"product_id": "P", "quantity": 101}]}, 409, "out_of_stock"),
        ("notification.send", {"customer": "a@bounce.test"}, 422, "mailbox_unknown"),
        ("inventory.release", {}, 422, "incomplete"),
        ("data-extractor.extract", {"source": "s3://x-missing"}, 422, "source_missing"),
        ("data-loader.load", {"data": [], "destination": "w-down"}, 503, "database_busy"),
        ("inventory.count", {}, 404, "method_unknown"),
        ("inventory.reserve", [], 400, "not_an_object"),
    ],
)
async def test_it_refuses_as_it_is_told_to(farm: Caller, method: str, given: Any, status: int, code: str):
    answered, answer = await farm.post(method, given)
    assert (answered, answer["error"]["code"]) == (status, code)


async def test_it_ships_once_when_the_answer_is_lost(farm: Caller):
    lost = {**SHIP, "order_id": "ORD-1-lost"}
    with pytest.raises(aiohttp.ClientError):
        await farm.post("shipping.create", lost)
    status, answer = await farm.post("shipping.create", lost)
    assert status == 200
    assert answer["shipment_id"].startswith("SHP-")
    assert await farm.outcomes() == ["cut", "replayed"]
    assert (await farm.get("/__summary"))["applied_twice"] == []


async def test_every_service_answers_for_its_health(farm: Caller):
    assert [await farm.get(f"/{service}/health") for service in SERVICES] == [{"status": "ok"}] * 9
    assert (await farm.get("/nobody/health"))["error"]["code"] == "service_unknown"


async def test_the_pipeline_really_works_on_its_rows(farm: Caller):
    _, extracted = await farm.post("data-extractor.extract", {"source": "s3://a"})
    _, validated = await farm.post("data-validator.validate", {"data": extracted["extracted_data"]})
    assert len(validated["validated_data"]) + validated["rejected"] == 40
    asked = {"data": validated["validated_data"], "rules": ["trim", "round", "uppercase"]}
    _, transformed = await farm.post("data-transformer.transform", asked)
    assert {row["region"] for row in transformed["transformed_data"]} <= {"NORTH", "EAST", "SOUTH", "WEST"}
    _, loaded = await farm.post("data-loader.load", {"data": transformed["transformed_data"], "destination": "w"})
    assert loaded["processing_metrics"]["rows"] == len(validated["validated_data"])
    asked = {"metrics": loaded["processing_metrics"], "summary": loaded["processing_summary"]}
    _, reported = await farm.post("report-generator.generate", asked)
    assert reported["report"]["lines"][0].endswith("rows went to w")


class TestWithLatency:
    """What depends on a call lasting for a while."""

    @pytest.fixture
    def pace(self) -> float:
        return 0.5

    async def test_it_holds_nothing_back_for_a_caller_who_hung_up(self, farm: Caller):
        call = asyncio.create_task(farm.post("payment.authorize", PAYMENT))
        await wait_for_async(farm.outcomes, what="the call to come in")
        call.cancel()
        await wait_for_async(lambda: _has(farm, "abandoned"), what="the call to be given up")
        status, _ = await farm.post("payment.authorize", PAYMENT)
        assert status == 200
        assert await farm.outcomes() == ["abandoned", "applied"]

    async def test_it_reserves_for_a_caller_who_hung_up(self, farm: Caller):
        call = asyncio.create_task(farm.post("inventory.reserve", ORDER))
        await wait_for_async(farm.outcomes, what="the call to come in")
        call.cancel()
        await wait_for_async(lambda: _has(farm, "applied"), what="the reservation")

    async def test_two_calls_at_once_with_one_key_share_one_effect(self, farm: Caller):
        both = await asyncio.gather(*(farm.post("inventory.reserve", ORDER) for _ in range(2)))
        assert both[0] == both[1]
        assert sorted(await farm.outcomes()) == ["applied", "replayed"]


async def _has(farm: Caller, outcome: str) -> bool:
    return outcome in await farm.outcomes()

"""Services that live in this process."""

from __future__ import annotations

import asyncio
import math
import threading
from datetime import UTC, datetime

import pytest

from orchestration import clock
from orchestration.domain.errors import StepError
from orchestration.registry import local
from orchestration.registry.client import Accepted, CallFailed, Reply, ServiceCall
from orchestration.registry.local import ACCEPTED, CallContext, ServiceError, register_local, unregister_local

from .conftest import TEAM

OTHER_TEAM = 2
NAME = "local-stock"


@pytest.fixture(autouse=True)
def _forget():
    yield
    for team in (None, TEAM, OTHER_TEAM):
        unregister_local(team_id=team, name=NAME)


def offer(function, *, method: str = "take", team_id: int | None = None, blocking: bool = False) -> None:
    register_local(team_id=team_id, name=NAME, method=method, function=function, blocking=blocking)


def call(method: str = "take", *, team_id: int = TEAM, timeout: int | None = 5_000_000, **changes) -> ServiceCall:
    return ServiceCall(team_id=team_id, service=NAME, method=method, timeout=timeout, **changes)


def error_of(outcome) -> StepError:
    assert isinstance(outcome, CallFailed), outcome
    return outcome.error


async def test_it_calls_a_sync_function(client):
    offer(lambda input: {"twice": input["n"] * 2})
    assert await client.call(call(input={"n": 21})) == Reply({"twice": 42})


async def test_it_awaits_an_async_function(client):
    async def take(input):
        await asyncio.sleep(0)
        return {"n": input["n"]}

    offer(take)
    assert await client.call(call(input={"n": 1})) == Reply({"n": 1})


async def test_it_awaits_what_a_plain_function_hands_on(client):
    async def later(input):
        return {"later": True}

    offer(lambda input: later(input) if input is not None else None)
    assert await client.call(call()) == Reply({"later": True})


async def test_it_runs_a_blocking_function_in_a_thread(client):
    offer(lambda input: {"thread": threading.current_thread().name}, blocking=True)
    assert await client.call(call()) == Reply({"thread": "python-service"})


async def test_it_registers_by_decorator():
    @local.service(NAME)
    def reserve(input):
        return {}

    @local.service(NAME, "release")
    async def give_back(input, context):
        return {}

    assert local.find_local(TEAM, NAME, "reserve") is not None
    assert local.find_local(TEAM, NAME, "release") is not None
    assert local.find_local(TEAM, NAME, "give_back") is None


def test_it_refuses_to_block_on_an_async_function():
    async def take(input): ...

    with pytest.raises(ValueError, match="async"):
        offer(take, blocking=True)


async def test_it_tells_the_function_of_the_call(client):
    seen: list[CallContext] = []

    def take(input, context):
        seen.append(context)

    offer(take)
    made = call(attempt=3, idempotency_key="e/s", callback="http://h/cb", traceparent="00-a-b-01")
    assert await client.call(made) == Reply(None)
    assert seen == [CallContext(TEAM, NAME, "take", 3, "e/s", "http://h/cb", "00-a-b-01")]


async def test_it_takes_accepted_for_an_answer(client):
    offer(lambda input: ACCEPTED)
    assert await client.call(call(callback="http://h/cb")) == Accepted()


async def test_it_prefers_the_teams_own_function(client):
    offer(lambda input: {"of": "everybody"})
    offer(lambda input: {"of": "everybody"}, method="other")
    offer(lambda input: {"of": "team"}, team_id=TEAM)
    assert await client.call(call()) == Reply({"of": "team"})
    assert await client.call(call("other")) == Reply({"of": "everybody"})
    assert await client.call(call(team_id=OTHER_TEAM)) == Reply({"of": "everybody"})


async def test_it_does_not_show_one_team_the_others_service(client):
    offer(lambda input: {}, team_id=TEAM)
    assert error_of(await client.call(call(team_id=OTHER_TEAM))).code == "service_not_found"


async def test_it_says_when_there_is_no_such_method(client):
    offer(lambda input: {})
    assert error_of(await client.call(call("unknown"))).code == "method_not_found"


async def test_it_forgets_what_is_unregistered(client):
    offer(lambda input: {})
    offer(lambda input: {}, method="other")
    unregister_local(team_id=None, name=NAME, method="take")
    assert error_of(await client.call(call())).code == "method_not_found"
    unregister_local(team_id=None, name=NAME)
    assert error_of(await client.call(call("other"))).code == "service_not_found"


async def test_it_reports_what_the_service_says(client):
    def take(input):
        raise ServiceError("sold_out", "none left", retryable=False, retry_after=1.5, details={"sku": "x"})

    offer(take)
    outcome = await client.call(call())
    assert outcome == CallFailed(StepError("sold_out", "none left", False, {"sku": "x"}), 1_500_000)


@pytest.mark.parametrize(
    ("asked", "expected"), [(None, None), (-1, None), (math.nan, None), (math.inf, 900_000_000), (1e9, 900_000_000)]
)
async def test_it_bounds_what_the_service_asks_for(client, asked, expected):
    def take(input):
        raise ServiceError("busy", retry_after=asked)

    offer(take)
    outcome = await client.call(call())
    assert isinstance(outcome, CallFailed)
    assert outcome.retry_after == expected


async def test_it_keeps_an_error_with_details_that_are_no_json(client):
    def take(input):
        raise ServiceError("odd", "odd details", details={"when": object()})

    offer(take)
    assert error_of(await client.call(call())) == StepError("odd", "odd details", None, {})


@pytest.mark.parametrize("fault", [ValueError("bad"), KeyError("k"), SystemExit(1), StopIteration(), TimeoutError()])
@pytest.mark.parametrize("blocking", [False, True])
async def test_it_survives_a_function_that_breaks(client, fault, blocking: bool):
    def take(input):
        raise fault

    offer(take, blocking=blocking)
    assert error_of(await client.call(call())).code == "http_500"


async def test_it_does_not_take_the_functions_own_timeout_for_its_deadline(client):
    async def take(input):
        raise TimeoutError("mine")

    offer(take)
    assert error_of(await client.call(call())).code == "http_500"


async def test_it_ends_an_async_function_at_the_deadline(client):
    ended = []

    async def take(input):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    offer(take)
    started = clock.monotonic()
    assert error_of(await client.call(call(timeout=100_000))).code == "timeout"
    assert clock.monotonic() - started < 1
    assert ended == [True]


async def test_it_leaves_a_thread_behind_at_the_deadline(client):
    release = threading.Event()
    offer(lambda input: release.wait(10) and None, blocking=True)
    assert error_of(await client.call(call(timeout=100_000))).code == "timeout"
    release.set()


async def test_it_bounds_the_threads_of_blocking_functions(make_client):
    client = make_client(python_threads=2)
    release, running = threading.Event(), threading.Semaphore(0)

    def take(input):
        running.release()
        release.wait(10)

    offer(take, blocking=True)
    calls = [asyncio.create_task(client.call(call())) for _ in range(5)]
    late = error_of(await client.call(call(timeout=200_000)))
    assert late.code == "timeout"
    assert running.acquire(timeout=1)
    assert running.acquire(timeout=1)
    assert not running.acquire(blocking=False)
    release.set()
    assert set(await asyncio.gather(*calls)) == {Reply(None)}


async def test_it_passes_a_cancellation_on(client):
    reached, ended = asyncio.Event(), asyncio.Event()

    async def take(input):
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    offer(take)
    running = asyncio.create_task(client.call(call()))
    await asyncio.wait_for(reached.wait(), 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended.is_set()


@pytest.mark.parametrize(
    "output",
    [
        [1],
        "text",
        7,
        {"n": math.nan},
        {"n": math.inf},
        {"n": 2**60},
        {1: "key"},
        {"d": datetime(2030, 1, 1, tzinfo=UTC)},
        {"o": object()},
        {"s": "\ud800"},
        {"s": "\0"},
        {"b": b"bytes"},
        ACCEPTED.__class__,
    ],
)
async def test_it_refuses_an_output_that_json_cannot_carry(client, output):
    offer(lambda input: output)
    assert error_of(await client.call(call())).code == "invalid_output"


async def test_it_refuses_an_output_that_contains_itself_or_is_too_deep(client):
    loop: dict = {}
    loop["self"] = loop
    offer(lambda input: loop)
    assert error_of(await client.call(call())).code == "invalid_output"
    deep: dict = {}
    for _ in range(100):
        deep = {"d": deep}
    offer(lambda input: deep)
    assert error_of(await client.call(call())).code == "invalid_output"


async def test_it_refuses_an_output_that_is_too_long(client):
    offer(lambda input: {"t": "x" * 1_100_000})
    assert error_of(await client.call(call())).code == "too_large"


async def test_it_keeps_input_and_output_apart_from_the_functions_own(client):
    kept = {"list": [1]}

    def take(input):
        input["changed"] = True
        return kept

    offer(take)
    given = {"n": 1}
    outcome = await client.call(call(input=given))
    kept["list"].append(2)
    assert given == {"n": 1}
    assert outcome == Reply({"list": [1]})


async def test_it_carries_nulls_and_many_brackets(client):
    output = {"none": None, "rows": [[number, {"n": None}] for number in range(100)]}
    offer(lambda input: output)
    assert await client.call(call()) == Reply(output)

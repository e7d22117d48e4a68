"""Calls under a policy: when they are made, when they are put off, and to whom they go. Over real sockets."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from asgiref.sync import sync_to_async

from orchestration import clock
from orchestration.domain.calling.policy import parse_policy
from orchestration.registry import operations
from orchestration.registry.client import CallFailed, Outcome, Postponed, Reply, ServiceCall, ServiceClient
from orchestration.registry.models import CallingState, Instance, PlaceLease
from orchestration.teams.operations import default_team
from tests.waiting import wait_for_async

from .conftest import SERVICE, TEAM
from .servers import Handler, Service, answer

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = 1_000_000
TOUCHY = {"breaker": {"failures": 0.5, "minimum_calls": 3, "open_for": "400ms"}, "ramp": {"over": 0}}


class Moody:
    """A service that answers with the status it is told, once its gate is open, and counts what is under way."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.calls = self.under_way = self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, _: web.Request) -> web.Response:
        self.calls += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.gate.wait()
        finally:
            self.under_way -= 1
        return web.json_response({}, status=self.status, headers=self.headers)


def call_of(**changes: Any) -> ServiceCall:
    return ServiceCall(**{"team_id": TEAM, "service": SERVICE, "method": "m", "timeout": 5 * SECOND, **changes})


def reason_of(outcome: Outcome) -> str:
    assert isinstance(outcome, Postponed), outcome
    return outcome.reason


@pytest.fixture
async def moody(serve: Callable[[Handler], Awaitable[Service]]) -> Moody:
    service = Moody()
    await serve(service)
    return service


@pytest.fixture
def go_by(directory) -> Callable[[dict[str, Any]], None]:
    """Give the service in the directory a policy."""

    def put(document: dict[str, Any]) -> None:
        (known,) = directory.known.values()
        directory.put(*(each.url for each in known.endpoints), policy=parse_policy(document))

    return put


async def fail(client: ServiceClient, moody: Moody, times: int = 3) -> None:
    moody.status = 500
    for _ in range(times):
        assert isinstance(await client.call(call_of()), CallFailed)


async def test_it_leaves_a_failing_service_alone_and_comes_back_with_one_call(client, moody, go_by):
    go_by(TOUCHY)
    await fail(client, moody)
    assert reason_of(await client.call(call_of())) == "circuit_open"
    assert moody.calls == 3
    moody.status = 200
    moody.gate.clear()

    async def trial() -> bool:
        waiting.append(asyncio.create_task(client.call(call_of())))
        await asyncio.sleep(0)
        return moody.under_way == 1

    waiting: list[asyncio.Task[Outcome]] = []
    await wait_for_async(trial, what="the trial")
    assert reason_of(await client.call(call_of())) == "circuit_open"
    moody.gate.set()
    outcomes = await asyncio.gather(*waiting)
    assert sum(isinstance(each, Reply) for each in outcomes) == 1
    assert moody.calls == 4
    assert isinstance(await client.call(call_of()), Reply)


async def test_it_lets_in_whom_the_policy_names_and_nobody_else(client, moody, go_by):
    go_by({"callers": ["orders", "refunds"]})
    assert isinstance(await client.call(call_of(caller="refunds")), Reply)
    outcome = await client.call(call_of(caller="reports"))
    assert isinstance(outcome, CallFailed)
    assert (outcome.error.code, outcome.error.details) == ("denied", {"reason": "caller"})
    assert "may be called by orders, refunds, not by 'reports'" in outcome.error.message
    assert moody.calls == 1


async def test_what_was_lost_with_its_worker_spends_no_retry_budget(client, moody, go_by):
    go_by({"retry_budget": {"ratio": 0.0, "minimum_per_second": 0.001, "cap": 1}})
    for _ in range(20):
        assert isinstance(await client.call(call_of(attempt=2, after_loss=True)), Reply)
    spent = [await client.call(call_of(attempt=2)) for _ in range(2)]
    assert reason_of(spent[-1]) == "retry_budget"


async def test_it_says_when_it_makes_sense_to_ask_again(client, moody, go_by):
    go_by(TOUCHY)
    await fail(client, moody)
    first, second = [await client.call(call_of()) for _ in range(2)]
    assert isinstance(first, Postponed)
    assert isinstance(second, Postponed)
    assert 0 < first.after < second.after <= SECOND  # type: ignore[operator]


async def test_it_does_not_take_a_refusal_for_a_failure(client, moody, go_by):
    go_by(TOUCHY)
    moody.status = 404
    for _ in range(10):
        assert isinstance(await client.call(call_of()), CallFailed)


async def test_it_takes_a_missed_deadline_for_a_failure_but_not_a_cancellation(client, moody, go_by):
    go_by(TOUCHY)
    moody.gate.clear()
    for number in range(1, 6):
        cancelled = asyncio.create_task(client.call(call_of()))
        await wait_for_async(lambda number=number: _true(moody.calls == number), what="a call under way")
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
    for _ in range(3):
        assert isinstance(await client.call(call_of(timeout=50_000)), CallFailed)
    assert reason_of(await client.call(call_of())) == "circuit_open"


async def _true(fact: bool) -> bool:
    return fact


async def test_it_makes_retries_only_as_far_as_the_budget_goes(client, moody, go_by):
    go_by({"retry_budget": {"cap": 2, "minimum_per_second": 0, "ratio": 0.5}})
    for _ in range(2):
        assert isinstance(await client.call(call_of(attempt=2)), Reply)
    # Two retries, of which each paid for half a one.
    assert isinstance(await client.call(call_of(attempt=3)), Reply)
    assert reason_of(await client.call(call_of(attempt=2))) == "retry_budget"
    assert isinstance(await client.call(call_of(attempt=1)), Reply)


@pytest.mark.parametrize("status", [429, 503])
async def test_it_leaves_a_service_alone_that_asks_for_it(client, moody, go_by, status: int):
    go_by({})
    moody.status, moody.headers = status, {"Retry-After": "7"}
    assert isinstance(await client.call(call_of()), CallFailed)
    outcome = await client.call(call_of())
    assert reason_of(outcome) == "rate_limit"
    assert 6 * SECOND < outcome.after <= 7 * SECOND  # type: ignore[union-attr, operator]
    assert moody.calls == 1


async def test_it_uses_the_policys_timeout_where_nobody_chose_one(client, moody, go_by):
    go_by({"timeout": "60ms"})
    moody.gate.clear()
    outcome = await client.call(call_of(timeout=20 * SECOND, default_timeout=True))
    assert isinstance(outcome, CallFailed)
    assert (outcome.error.code, outcome.error.message) == ("timeout", "no answer within 0.06 s")
    chosen = asyncio.create_task(client.call(call_of(timeout=20 * SECOND)))
    await wait_for_async(lambda: _true(moody.under_way == 1), what="the call")
    moody.gate.set()
    assert isinstance(await chosen, Reply)


async def test_it_leaves_out_an_instance_whose_calls_fail(make_client, directory):
    sick, well = Moody(), Moody()
    sick.status = 500
    async with Service(sick) as one, Service(well) as other, Service(well) as third:
        policy = parse_policy({"outliers": {"failures": 2, "at_most": 0.5}, "breaker": {"enabled": False}})
        directory.put(one.url, other.url, third.url, policy=policy)
        client = make_client()
        outcomes = [await client.call(call_of()) for _ in range(30)]
    assert sick.calls == 2
    assert sum(isinstance(each, Reply) for each in outcomes) == 28


async def test_it_leaves_out_only_the_instance_that_asks_for_it(make_client, directory):
    shy, well = Moody(), Moody()
    shy.status, shy.headers = 503, {"Retry-After": "60"}
    async with Service(shy) as one, Service(well) as other, Service(well) as third:
        directory.put(one.url, other.url, third.url)
        client = make_client()
        for _ in range(12):
            await client.call(call_of())
    assert (shy.calls, well.calls) == (1, 11)


@pytest.mark.parametrize("balance", ["least-connections", "weighted"])
async def test_it_sends_calls_where_fewer_are_under_way(make_client, directory, balance: str):
    stuck, free = Moody(), Moody()
    stuck.gate.clear()
    async with Service(stuck) as one, Service(free) as other:
        directory.put(one.url, other.url, policy=parse_policy({"balance": balance}))
        client = make_client()
        waiting: list[asyncio.Task[Outcome]] = []

        async def one_is_stuck() -> bool:
            waiting.append(asyncio.create_task(client.call(call_of(timeout=20 * SECOND))))
            await asyncio.sleep(0.005)
            return stuck.under_way == 1

        await wait_for_async(one_is_stuck, what="a call to be stuck")
        before = free.calls
        for _ in range(10):
            assert isinstance(await client.call(call_of()), Reply)
        assert free.calls == before + 10
        stuck.gate.set()
        await asyncio.gather(*waiting)


async def test_it_goes_by_the_steps_word_for_the_balance(make_client, directory):
    async with Service(answer({"of": 1})) as one, Service(answer({"of": 2})) as other:
        directory.put(one.url, other.url, policy=parse_policy({"balance": "weighted"}))
        client = make_client()
        outcomes = [await client.call(call_of(balance="round-robin")) for _ in range(10)]
    assert Counter(str(each) for each in outcomes).most_common()[0][1] == 5


# What processes share, through rows -----------------------------------------------------------------------------------


@pytest.fixture
def team() -> int:
    return default_team().id


@pytest.fixture
async def workers() -> AsyncIterator[Callable[[], ServiceClient]]:
    """Return a maker of clients that stand for worker processes: they share nothing but the database."""
    made: list[ServiceClient] = []

    def make() -> ServiceClient:
        made.append(ServiceClient())
        return made[-1]

    yield make
    for client in made:
        await client.close()


@sync_to_async
def register(team: int, url: str, policy: dict[str, Any]) -> str:
    view = operations.register(team_id=team, name=SERVICE, address=url)
    operations.update_policy(team_id=team, name=SERVICE, changes=policy)
    return view.id


async def test_it_opens_the_circuit_for_all_workers_and_one_of_them_makes_the_trial(team: int, workers):
    moody = Moody()
    async with Service(moody) as service:
        await register(team, service.url, TOUCHY)
        clients = [workers() for _ in range(4)]
        for client in clients:
            assert isinstance(await client.call(call_of(team_id=team)), Reply)
        moody.status = 500
        # Its own window has one good call in it already.
        for _ in range(3):
            await clients[0].call(call_of(team_id=team))
        assert reason_of(await clients[0].call(call_of(team_id=team))) == "circuit_open"

        async def everybody_knows() -> bool:
            rows = CallingState.objects.filter(state="open")
            return await rows.aexists()

        await wait_for_async(everybody_knows, what="the circuit to be written down")
        calls = moody.calls
        moody.gate.clear()
        waiting: list[asyncio.Task[Outcome]] = []

        async def trial_is_made() -> bool:
            waiting.extend(asyncio.create_task(each.call(call_of(team_id=team))) for each in clients[1:])
            await asyncio.sleep(0.02)
            row = await CallingState.objects.aget()
            return row.state == "half-open" and moody.under_way >= 1

        known = [wait_for_async(lambda each=each: _is_postponed(each, team), what="news") for each in clients[1:]]
        await asyncio.gather(*known)
        calls = moody.calls
        await wait_for_async(trial_is_made, what="a trial")
        assert moody.calls == calls + 1, "one trial of all workers"
        moody.status = 200
        moody.gate.set()
        outcomes = await asyncio.gather(*waiting)
        assert sum(isinstance(each, Reply) for each in outcomes) >= 1
        for client in clients:
            await wait_for_async(lambda each=client: _is_reply(each, team), what="the circuit to be closed for all")


async def _is_postponed(client: ServiceClient, team: int) -> bool:
    # Cancelled soon: a call that does pass must not wait for the service.
    outcome = await client.call(call_of(team_id=team, timeout=20_000))
    return isinstance(outcome, Postponed)


async def _is_reply(client: ServiceClient, team: int) -> bool:
    return isinstance(await client.call(call_of(team_id=team)), Reply)


async def test_it_never_has_more_calls_under_way_than_the_limit_over_all_workers(team: int, workers):
    moody = Moody()
    moody.gate.clear()
    async with Service(moody) as service:
        await register(team, service.url, {"concurrency": {"limit": 5}})
        clients = [workers() for _ in range(3)]
        calls = [asyncio.create_task(each.call(call_of(team_id=team))) for _ in range(10) for each in clients]

        async def full() -> bool:
            return moody.under_way == 5

        await wait_for_async(full, what="all places to be taken")
        done, _ = await asyncio.wait(calls, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        assert {reason_of(each.result()) for each in done} == {"concurrency_limit"}
        moody.gate.set()
        outcomes = await asyncio.gather(*calls)
        assert sum(isinstance(each, Reply) for each in outcomes) >= 5
        assert moody.most == 5
        assert (await PlaceLease.objects.filter(until__gt=clock.now_us()).acount()) <= 3


async def test_it_uses_a_limit_to_the_full_and_gives_the_places_back(team: int, workers):
    moody = Moody()
    async with Service(moody) as service:
        await register(team, service.url, {"concurrency": {"limit": 2}})
        client = workers()
        moody.gate.clear()
        calls = [asyncio.create_task(client.call(call_of(team_id=team))) for _ in range(40)]
        await wait_for_async(lambda: _true(moody.under_way == 2), what="both places to be taken")
        moody.gate.set()
        outcomes = await asyncio.gather(*calls)
        assert sum(isinstance(each, Reply) for each in outcomes) == 40
        assert moody.most == 2
        await client.close()
        assert not await PlaceLease.objects.aexists()


async def test_it_never_begins_more_calls_than_the_rate_allows_over_all_workers(team: int, workers):
    moody = Moody()
    async with Service(moody) as service:
        await register(team, service.url, {"rate": {"per_second": 20, "burst": 3}})
        clients = [workers() for _ in range(3)]
        begun = clock.monotonic()
        calls = [each.call(call_of(team_id=team)) for _ in range(20) for each in clients]
        outcomes = await asyncio.gather(*calls)
        took = clock.monotonic() - begun
    replies = sum(isinstance(each, Reply) for each in outcomes)
    assert 3 <= replies <= 3 + 20 * took + 1
    assert {reason_of(each) for each in outcomes if not isinstance(each, Reply)} <= {"rate_limit"}


async def test_it_has_an_instance_probed_at_once_whose_calls_fail(team: int, workers):
    moody = Moody()
    moody.status = 500
    async with Service(moody) as service:
        instance = await register(team, service.url, {"outliers": {"failures": 2}})
        later = clock.to_datetime(clock.now_us() + 3600 * SECOND)
        await Instance.objects.filter(pk=instance).aupdate(probe_at=later)
        client = workers()
        for _ in range(2):
            await client.call(call_of(team_id=team))

        async def due() -> bool:
            return (await Instance.objects.aget(pk=instance)).probe_at < later  # type: ignore[operator]

        await wait_for_async(due, what="the instance to be due for a probe")


async def test_it_goes_by_a_policy_that_changes_while_calls_are_under_way(team: int, workers):
    moody = Moody()
    moody.gate.clear()
    async with Service(moody) as service:
        await register(team, service.url, {})
        client = workers()
        calls = [asyncio.create_task(client.call(call_of(team_id=team))) for _ in range(3)]
        await wait_for_async(lambda: _true(moody.under_way == 3), what="three calls under way")
        await sync_to_async(operations.update_policy)(team_id=team, name=SERVICE, changes={"concurrency": {"limit": 3}})
        assert reason_of(await client.call(call_of(team_id=team))) == "concurrency_limit"
        moody.gate.set()
        await asyncio.gather(*calls)
        assert isinstance(await client.call(call_of(team_id=team)), Reply)


async def test_it_puts_a_call_off_whose_instances_went_while_it_waited(team: int, workers):
    moody = Moody()
    moody.gate.clear()
    async with Service(moody) as service:
        instance = await register(team, service.url, {"concurrency": {"limit": 1}})
        client = workers()
        first = asyncio.create_task(client.call(call_of(team_id=team)))
        await wait_for_async(lambda: _true(moody.under_way == 1), what="a call under way")
        waiting = asyncio.create_task(client.call(call_of(team_id=team)))
        await asyncio.sleep(0)
        await sync_to_async(operations.drain)(team_id=team, instance_id=instance)
        assert reason_of(await client.call(call_of(team_id=team))) == "no_healthy_instance"
        moody.gate.set()
        assert isinstance(await first, Reply)
        assert reason_of(await waiting) == "no_healthy_instance"

"""Health checks over real sockets, into the real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from aiohttp import web
from asgiref.sync import sync_to_async
from django.db import connection

from orchestration import clock
from orchestration.domain.health import Health, Thresholds, judge
from orchestration.registry import expiry, operations, probe_rows, probes, queries, reports, retention
from orchestration.registry.local import register_local, unregister_local
from orchestration.registry.models import HealthChange, Instance
from orchestration.teams.operations import default_team

from .servers import RawServer, Service, answer

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _quick(settings):
    settings.PODIUM = replace(
        settings.PODIUM, probe_seconds=10, probe_timeout_seconds=0.3, probe_rise=2, probe_fall=3, probe_parallel=20
    )


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Awaitable[Service]]]:
    async with AsyncExitStack() as stack:

        async def begin(handler) -> Service:
            return await stack.enter_async_context(Service(handler))

        yield begin


@sync_to_async
def register(url: str, **changes) -> queries.InstanceView:
    return operations.register(**{"team_id": default_team().id, "name": "inventory", "address": url, **changes})


@sync_to_async
def view_of(instance_id: str) -> queries.InstanceView:
    return queries.get_instance(team_id=default_team().id, instance_id=instance_id)


@sync_to_async
def due_at(instance_id: str) -> datetime | None:
    return Instance.objects.get(pk=instance_id).probe_at


async def rounds(instance_id: str, times: int) -> list[str]:
    """Make the instance due and ask it, so often; return its health after each."""
    states = []
    for _ in range(times):
        now = clock.now()
        await Instance.objects.filter(pk=instance_id).aupdate(probe_at=now)
        await probes.probe_due(now)
        states.append((await view_of(instance_id)).health)
    return states


async def test_it_finds_an_instance_healthy(start):
    service = await start(answer({"status": "ok"}))
    view = await register(service.url)
    assert await rounds(view.id, 3) == ["unknown", "healthy", "healthy"]
    request, body = service.requests[0]
    assert (request.method, request.path, body) == ("GET", "/health", b"")
    seen = await view_of(view.id)
    assert seen.health_detail == ""
    assert seen.probed_at is not None
    assert seen.health_changed_at is not None
    assert seen.health_changed_at < seen.probed_at


async def test_it_asks_below_the_base_path(start):
    service = await start(answer({}))
    view = await register(f"{service.url}/stock", health_path="/ready")
    await rounds(view.id, 1)
    assert service.requests[0][0].path == "/stock/ready"


@pytest.mark.parametrize(("status", "detail"), [(500, "http_500"), (404, "http_404"), (302, "http_302")])
async def test_it_finds_an_instance_unhealthy_after_three_bad_answers(start, status: int, detail: str):
    service = await start(answer(b"", status, Location="http://127.0.0.1:1/"))
    view = await register(service.url)
    assert await rounds(view.id, 3) == ["unknown", "unknown", "unhealthy"]
    assert (await view_of(view.id)).health_detail == detail
    assert len(service.requests) == 3


async def test_it_takes_two_good_answers_to_rise_again(start):
    status = {"now": 503}

    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status["now"])

    view = await register((await start(handle)).url)
    await rounds(view.id, 3)
    status["now"] = 200
    assert await rounds(view.id, 1) == ["unhealthy"]
    status["now"] = 503
    assert await rounds(view.id, 1) == ["unhealthy"]
    status["now"] = 200
    assert await rounds(view.id, 2) == ["unhealthy", "healthy"]


async def test_it_calls_silence_by_its_class():
    async def hang(reader, writer) -> None:
        await reader.read()

    async with RawServer(hang) as server:
        view = await register(server.url)
        started = clock.monotonic()
        await rounds(view.id, 1)
        assert clock.monotonic() - started < 2
        assert (await view_of(view.id)).health_detail == "timeout"


async def test_it_is_not_held_up_by_a_dripping_answer():
    async def drip(reader, writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"a: b\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with RawServer(drip) as server:
        view = await register(server.url)
        started = clock.monotonic()
        await rounds(view.id, 1)
        assert clock.monotonic() - started < 2
        assert (await view_of(view.id)).health_detail == "timeout"


async def test_it_calls_a_refused_connection_by_its_class(unused_tcp_port: int):
    view = await register(f"http://127.0.0.1:{unused_tcp_port}")
    await rounds(view.id, 1)
    assert (await view_of(view.id)).health_detail == "connection"


async def test_it_does_not_ask_where_calls_may_not_go(start, settings):
    service = await start(answer({}))
    view = await register(service.url)
    settings.PODIUM = replace(settings.PODIUM, outbound_allow=("public",))
    await rounds(view.id, 1)
    assert (await view_of(view.id)).health_detail == "denied"
    assert service.requests == []


async def test_it_asks_python_instances_by_what_is_loaded(settings):
    settings.PODIUM = replace(settings.PODIUM, python_services=("demo",))
    view = await register("python:demo", name="local-probe")
    await rounds(view.id, 1)
    assert (await view_of(view.id)).health_detail == "not_loaded"
    register_local(team_id=None, name="local-probe", method="m", function=lambda input: {})
    try:
        assert await rounds(view.id, 2) == ["unknown", "healthy"]
    finally:
        unregister_local(team_id=None, name="local-probe")


async def test_it_asks_only_what_is_due(start):
    service = await start(answer({}))
    view = await register(service.url)
    now = clock.now()
    await sync_to_async(expiry.run_due)(now=now)
    assert await sync_to_async(probes.any_due)(now=now)
    assert (await probes.probe_due(now)).asked == 1
    assert not await sync_to_async(probes.any_due)(now=now)
    assert (await probes.probe_due(now)).asked == 0
    # A newcomer that answered is confirmed sooner.
    due = await due_at(view.id)
    assert due is not None
    assert now + 1.7 * SECOND < due < clock.now() + 2.3 * SECOND
    assert (await probes.probe_due(due)).asked == 1
    later = await due_at(view.id)
    assert later is not None
    assert due + 8.9 * SECOND < later < max(due, clock.now()) + 11.1 * SECOND


async def test_it_does_not_ask_an_instance_without_a_health_path(start):
    service = await start(answer({}))
    view = await register(service.url, health_path="")
    assert await due_at(view.id) is None
    assert (await probes.probe_due(clock.now() + 100 * SECOND)).asked == 0


async def test_it_asks_each_once_where_passes_overlap(start):
    service = await start(answer({}))
    for number in range(30):
        await register(f"{service.url}/{number}")
    now = clock.now()
    done = await asyncio.gather(*(probes.probe_due(now) for _ in range(3)))
    assert sum(each.asked for each in done) == 30
    assert sorted(request.path for request, _ in service.requests) == sorted(f"/{n}/health" for n in range(30))


async def test_it_asks_no_more_at_once_than_it_may(start, settings):
    settings.PODIUM = replace(settings.PODIUM, probe_parallel=4, probe_timeout_seconds=5)
    running, most, enough = 0, 0, asyncio.Event()

    async def handle(_: web.Request) -> web.Response:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if most == 4:
            enough.set()
        await enough.wait()
        running -= 1
        return web.Response()

    service = await start(handle)
    for number in range(12):
        await register(f"{service.url}/{number}")
    done = await asyncio.wait_for(probes.probe_due(clock.now()), 10)
    assert (done.asked, done.passed, most) == (12, 12, 4)


async def test_it_overwrites_nothing_that_changed_in_between(start):
    release, reached = asyncio.Event(), asyncio.Event()

    async def handle(_: web.Request) -> web.Response:
        reached.set()
        await release.wait()
        return web.Response(status=500)

    view = await register((await start(handle)).url)
    running = asyncio.create_task(probes.probe_due(clock.now()))
    await asyncio.wait_for(reached.wait(), 5)
    await Instance.objects.filter(pk=view.id).aupdate(health="healthy", health_row=2)
    release.set()
    await running
    assert (await view_of(view.id)).health == "healthy"


async def test_it_does_not_bring_a_deregistered_instance_back(start):
    release, reached = asyncio.Event(), asyncio.Event()

    async def handle(_: web.Request) -> web.Response:
        reached.set()
        await release.wait()
        return web.Response()

    view = await register((await start(handle)).url)
    running = asyncio.create_task(probes.probe_due(clock.now()))
    await asyncio.wait_for(reached.wait(), 5)
    await sync_to_async(operations.deregister)(team_id=default_id(), instance_id=view.id)
    release.set()
    assert (await running).asked == 1
    assert not await Instance.objects.filter(pk=view.id).aexists()


async def test_it_keeps_health_over_a_registration_in_the_middle(start):
    service = await start(answer({}))
    view = await register(service.url)
    await rounds(view.id, 2)
    again = await register(service.url, version="2")
    assert (again.health, again.version) == ("healthy", "2")


def test_it_runs_as_a_task():
    assert probes.run_due() == {"asked": 0, "passed": 0, "changed": 0, "silent": 0, "gone": 0}


async def test_it_writes_in_groups(start, settings):
    settings.PODIUM = replace(settings.PODIUM, probe_parallel=50)
    service = await start(answer({}))
    for number in range(60):
        await register(f"{service.url}/{number}", health_path="/health")
    verdicts = await sync_to_async(_verdicts)()
    statements: list[str] = []

    def note(execute, sql, params, many, context):
        statements.append(sql)
        return execute(sql, params, many, context)

    def write() -> int:
        with connection.execute_wrapper(note):
            return probe_rows.write_down(verdicts)

    assert await sync_to_async(write)() == 0
    assert len([sql for sql in statements if sql.startswith("UPDATE")]) == 1
    assert await Instance.objects.filter(health_row=1).acount() == 60


def _verdicts() -> list[probe_rows.Verdict]:
    now = clock.now()
    judged = judge(Health(), passed=True, thresholds=Thresholds())
    return [probe_rows.Verdict(target, judged, "", now) for target in probe_rows.claim_due(now)]


def default_id() -> int:
    return TEAM_IDS[0]


TEAM_IDS: list[int] = []


@pytest.fixture(autouse=True)
def _team(transactional_db):
    TEAM_IDS[:] = [default_team().id]


async def test_it_asks_on_the_terms_of_the_service(start):
    service = await start(answer(b"", 500))
    view = await register(service.url)
    policy = {"probe": {"fall": 1, "interval": "2m", "timeout": "250ms"}}
    await sync_to_async(operations.update_policy)(team_id=default_id(), name="inventory", changes=policy)
    before = clock.now()
    assert await rounds(view.id, 2) == ["unhealthy", "unhealthy"]
    due = await due_at(view.id)
    assert due is not None
    assert before + 50 * SECOND < due < clock.now() + 190 * SECOND


async def test_it_keeps_the_past_of_an_instances_health(start):
    status = {"now": 200}

    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status["now"])

    view = await register((await start(handle)).url)
    before = await sync_to_async(queries.latest_index)()
    await rounds(view.id, 4)
    status["now"] = 500
    await rounds(view.id, 5)
    marks = await sync_to_async(queries.health_history)(team_id=default_id(), instance_id=view.id)
    assert [(each.health, each.detail) for each in marks] == [("healthy", ""), ("unhealthy", "http_500")]
    page = await sync_to_async(queries.events_after)(team_id=default_id(), index=before)
    assert [(each.type, each.data["before"], each.data["health"]) for each in page.items] == [
        ("service.health_changed", "unknown", "healthy"),
        ("service.health_changed", "healthy", "unhealthy"),
    ]


async def test_it_asks_one_host_no_more_at_once_than_it_may(start, settings):
    settings.PODIUM = replace(settings.PODIUM, probe_parallel=20, probe_per_host=3, probe_timeout_seconds=5)
    running: dict[str, int] = {}
    most = 0
    others = asyncio.Event()

    async def handle(request: web.Request) -> web.Response:
        nonlocal most
        host = request.host.partition(":")[0]
        running[host] = running.get(host, 0) + 1
        most = max(most, running[host])
        # The crowded host answers only once the other one was asked: it holds nobody up.
        if host == "localhost":
            others.set()
        await others.wait()
        running[host] -= 1
        return web.Response()

    service = await start(handle)
    for number in range(15):
        await register(f"{service.url}/{number}")
    await register(f"{service.url.replace('127.0.0.1', 'localhost')}/other")
    done = await asyncio.wait_for(probes.probe_due(clock.now()), 10)
    assert (done.asked, done.passed) == (16, 16)
    assert most == 3


async def test_it_distrusts_itself_when_most_fail_at_once(start, settings):
    settings.PODIUM = replace(settings.PODIUM, probe_doubt_least=3)
    failing: set[str] = set()

    async def handle(request: web.Request) -> web.Response:
        return web.Response(status=500 if request.path in failing else 200)

    service = await start(handle)
    views = [await register(f"{service.url}/{number}") for number in range(5)]

    async def all_rounds(times: int) -> list[str]:
        for _ in range(times):
            now = clock.now()
            await Instance.objects.aupdate(probe_at=now)
            await probes.probe_due(now)
        return [(await view_of(view.id)).health for view in views]

    assert await all_rounds(2) == ["healthy"] * 5
    failing.update(f"/{number}/health" for number in range(3))
    assert await all_rounds(4) == ["healthy"] * 5
    (doubt,) = await sync_to_async(queries.doubts)()
    assert (doubt.duty, doubt.detail[:10]) == ("probes", "3 of the 5")
    # One of them is well again: the other two are sick, and not the one who asks.
    failing.discard("/2/health")
    assert await all_rounds(3) == ["unhealthy"] * 2 + ["healthy"] * 3
    assert await sync_to_async(queries.doubts)() == ()


async def test_one_that_was_never_well_is_no_reason_for_doubt(start, settings):
    settings.PODIUM = replace(settings.PODIUM, probe_doubt_least=1)
    view = await register((await start(answer(b"", 500))).url)
    assert await rounds(view.id, 3) == ["unknown", "unknown", "unhealthy"]


async def test_a_report_has_an_instance_asked_at_once_and_only_once(start):
    service = await start(answer({}))
    view, other = await register(service.url), await register(f"{service.url}/a")
    quiet = await register(f"{service.url}/b", health_path="")
    ids = [view.id, quiet.id, "00000000-0000-4000-8000-000000000000"]
    now = clock.now()
    await probes.probe_due(now)
    await Instance.objects.filter(probe_at__isnull=False).aupdate(
        probe_at=now + 20 * SECOND, probed_at=now - 5 * SECOND
    )

    assert await sync_to_async(reports.probe_at_once)(ids) == 1
    assert await sync_to_async(reports.probe_at_once)(ids) == 0
    assert (await probes.probe_due(clock.now())).asked == 1
    assert await due_at(other.id) == now + 20 * SECOND
    # It was asked just now.
    assert await sync_to_async(reports.probe_at_once)(ids) == 0


def test_it_forgets_the_oldest_changes_of_a_health(settings):
    settings.PODIUM = replace(settings.PODIUM, health_changes_kept=2)
    views = [
        operations.register(team_id=default_id(), name="s", address=f"http://127.0.0.1:{port}") for port in (9000, 9001)
    ]
    for number in range(5):
        for view in views[: 1 if number > 1 else 2]:
            HealthChange.objects.create(
                instance_id=view.id, at=clock.now(), health="healthy" if number % 2 else "unhealthy", detail=str(number)
            )
    assert retention.drop_health_changes() == 3
    left = [
        [mark.detail for mark in queries.health_history(team_id=default_id(), instance_id=view.id)] for view in views
    ]
    assert left == [["3", "4"], ["0", "1"]]

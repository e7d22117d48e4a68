"""Shifts among faults: a process that was frozen for longer than its lease, a database that drops everybody."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connections

from orchestration.engine.driver import run_shift
from orchestration.engine.models import Execution, Shift
from orchestration.engine.recovery import check
from tests.cutting import cut_connections
from tests.integration.engine import recorded as recorded_services
from tests.integration.engine.conftest import Shifts, Site, call
from tests.integration.engine.test_worker import recorded
from tests.waiting import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def short_leases() -> Iterator[None]:
    """Have leases run out after a second and a half."""
    before = settings.PODIUM
    settings.PODIUM = replace(before, lease_seconds=1.5, heartbeat_seconds=0.4, sweep_seconds=0.2)
    yield
    settings.PODIUM = before


@pytest.fixture
def forked_shift(team: int, tmp_path: Path) -> Iterator[Callable[[], int]]:
    """Return a function that runs a shift in a process of its own and returns its id."""
    pids: list[int] = []

    def start() -> int:
        connections.close_all()
        pid = os.fork()
        if pid == 0:
            try:
                os.environ["PODIUM_RECORD"] = str(tmp_path / "calls")
                recorded_services.register()
                asyncio.run(run_shift(linger=30))
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        pids.append(pid)
        return pid

    yield start
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


def test_a_process_that_slept_through_its_lease_writes_nothing_more(
    site: Site, shifts: Shifts, service: Callable[..., Any], forked_shift: Callable[[], int], short_leases: None
) -> None:
    service("quick", lambda input: {})
    site.save("order", recorded("pay", "slow", input={"seconds": 1.0}), call("ship", "quick", "pay"))
    zombie = forked_shift()
    executions = [site.start("order") for _ in range(5)]
    for each in executions:
        site.until(each, "step.started", "pay")
    os.kill(zombie, signal.SIGSTOP)
    frozen = Shift.objects.get(state="awake")

    shifts.start()
    wait_for(lambda: Shift.objects.get(id=frozen.id).state == "dead" or bury(), what="the lease runs out")
    # In this process there is no such service, so what was in flight ends as it should: lost, then not found.
    for each in executions:
        site.until(each, "step.retrying", "pay")
    before = [site.journal(each)[:3] for each in executions]
    os.kill(zombie, signal.SIGCONT)
    _, status = os.waitpid(zombie, 0)

    assert os.waitstatus_to_exitcode(status) == 0, "it notices, and ends"
    for each, was in zip(executions, before, strict=True):
        site.ended(each)
        journal = site.journal(each)
        assert journal[:3] == was
        assert journal.count(("workflow.failed", "")) == 1
    assert check() == []


def bury() -> bool:
    """Do what every supervisor's pulse does."""
    from orchestration.engine.stores import open_store

    async def act() -> None:
        store = open_store(settings.PODIUM)
        await store.bury([])
        await store.close()

    asyncio.run(act())
    return False


@pytest.mark.needs_postgres
def test_connections_that_are_cut_again_and_again_lose_and_double_nothing(
    site: Site, shift: Shifts, service: Callable[..., Any]
) -> None:
    calls: list[str] = []

    async def work(input: dict[str, Any], context: Any) -> dict[str, Any]:
        calls.append(context.idempotency_key)
        await asyncio.sleep(0.01)
        return {}

    service("work", work)
    steps = [call(f"s{n}", "work", *([f"s{n - 1}"] if n else [])) for n in range(30)]
    site.save("chain", *steps)
    executions = [site.start("chain") for _ in range(20)]

    def cut() -> bool:
        cut_connections()
        return not Execution.objects.filter(ended_at=None).exists()

    wait_for(cut, what="the end of all", timeout=60, pause=0.2)
    for each in executions:
        assert site.ended(each).status == "completed"
        assert len(site.journal(each)) == 62
    assert sorted(calls) == sorted(f"{each}/s{n}" for each in executions for n in range(30)), "each call was made once"
    assert check() == []

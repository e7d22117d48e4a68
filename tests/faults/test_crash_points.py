"""A shift is killed at every named place of the source; whoever comes next completes what it had begun."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections

from orchestration.engine import crash
from orchestration.engine.driver import run_shift
from orchestration.engine.models import Execution, Shift
from orchestration.engine.recovery import check
from orchestration.engine.stores import open_store
from orchestration.engine.whereabouts import is_gone
from tests.faults.places import NAMES
from tests.integration.engine import recorded as recorded_services
from tests.integration.engine.conftest import Site, call
from tests.integration.engine.test_worker import recorded

pytestmark = pytest.mark.slow


def shift(folder: Path, *, crash_at: str = "", linger: float = 2.5) -> int:
    """Run one shift in a process of its own; return its exit status (negative: the signal that ended it)."""
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        try:
            crash.arm(crash_at)
            os.environ["PODIUM_RECORD"] = str(folder / "calls")
            settings.PODIUM = replace(
                settings.PODIUM, park_after_seconds=0.2, lease_seconds=2.0, heartbeat_seconds=0.5, sweep_seconds=0.2
            )
            recorded_services.register()
            asyncio.run(one_shift(linger))
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, -signal.SIGKILL)
    return status


async def one_shift(linger: float) -> None:
    """Do what a supervisor's pulse and the shift that it wakes do."""
    store = open_store(settings.PODIUM)
    backlog = await store.backlog()
    await store.bury([each for each, (worker, _) in backlog.awake.items() if is_gone(worker)])
    await store.close()
    await run_shift(linger=linger)


@pytest.mark.parametrize("name", NAMES)
def test_a_shift_that_dies_there_is_gone_on_from(name: str, site: Site, tmp_path: Path) -> None:
    site.save("child", recorded("x", "quick"))
    site.save(
        "all",
        recorded("a", "quick"),
        {"id": "sub", "type": "subflow", "workflow": "child", "dependencies": ["a"]},
        {"id": "nap", "type": "delay", "duration": "1500ms", "dependencies": ["a"]},
        recorded("b", "slow", "sub", "nap", input={"seconds": 0.1}),
        recorded("c", "quick", "b"),
    )
    executions = [site.start("all") for _ in range(3)]

    died = shift(tmp_path, crash_at=f"{name}:2")
    if died == 0:
        # Passed once, or only after somebody else's death.
        executions.append(site.start("all"))
        shift(tmp_path, crash_at="after_call:1")
        died = shift(tmp_path, crash_at=f"{name}:1", linger=0.2)
    assert died == -signal.SIGKILL, f"nothing passes {name}"
    for _ in range(4):
        if Execution.objects.filter(ended_at=None).exists() or Shift.objects.filter(state="awake").exists():
            shift(tmp_path)

    for each in executions:
        assert site.ended(each, timeout=1).status == "completed"
        site.journal(each)
    keys = Counter((call.key, call.attempt) for call in recorded_services.Calls(tmp_path / "calls").made())
    assert set(keys.values()) == {1}, "no attempt is made twice, and each keeps its key"
    assert check() == []
    assert not Shift.objects.filter(state="awake").exists()


def test_every_place_has_a_name_of_its_own() -> None:
    assert len(NAMES) >= 8
    assert call("a", "b")["service_name"] == "s"

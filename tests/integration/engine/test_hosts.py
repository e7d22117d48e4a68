"""Two worker hosts on one database and one broker: work spreads, one host dies, the other goes on.

A host is a `manage.py worker` in namespaces of its own, where the kernel lets us: another name, and process ids that
the other one cannot see, so that neither knows of the other's death but by the database.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration import clock
from orchestration.engine.models import Execution, Shift
from orchestration.engine.recovery import check
from tests.integration.engine.conftest import Site, Worker
from tests.integration.engine.recorded import Call
from tests.integration.engine.test_worker import START_SECONDS, recorded
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.needs_postgres, pytest.mark.needs_redis]

UNSHARE = ("unshare", "--user", "--map-root-user", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
RECOVERY_SECONDS = 8


def namespaces() -> bool:
    """Tell whether this machine lets us have namespaces."""
    return shutil.which("unshare") is not None and subprocess.run([*UNSHARE, "true"], check=False).returncode == 0


@pytest.fixture
def hosts(team: int, tmp_path: Path) -> Iterator[list[Worker]]:
    """Return two hosts that work."""
    found = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        host = Worker(folder)
        host.environment |= {"PODIUM_CLAIM_BATCH": "20", "PODIUM_SHIFT_CONCURRENCY": "60"}
        if namespaces():
            host.prefix = (*UNSHARE, "sh", "-c", 'hostname "$0"; exec "$@"', name)
        found.append(host)
        host.start()
    wait_for(lambda: Shift.objects.values("boot").distinct().count() == 2, what="both", timeout=START_SECONDS)
    yield found
    for host in found:
        host.kill()


def calls(hosts: list[Worker], method: str) -> list[Call]:
    return [each for host in hosts for each in host.calls.made(method)]


def test_work_spreads_and_the_death_of_a_host_loses_and_doubles_nothing(site: Site, hosts: list[Worker]) -> None:
    site.save(
        "order",
        recorded("reserve", "quick"),
        recorded("pay", "slow", "reserve", input={"seconds": 0.5}),
        recorded("ship", "quick", "pay"),
        config={"max_concurrent": 1000},
    )
    # More than one host holds at once, for as long as both take to notice that.
    executions = [site.start("order") for _ in range(1000)]
    one, two = hosts
    for host in hosts:
        wait_for(lambda host=host: len(host.calls.made("slow")) >= 20, what="work on both", timeout=30)

    one.kill()
    killed = clock.monotonic()
    done = Execution.objects.filter(status="completed").count()
    assert done < len(executions), "it was killed in the middle"
    held = set(Execution.objects.exclude(shift_id=None).values_list("shift_id", flat=True))
    lost = set(Shift.objects.filter(id__in=held, state="awake").values_list("id", "worker"))
    wait_for(lambda: Shift.objects.filter(state="dead").exists(), what="the death is noticed", timeout=RECOVERY_SECONDS)
    assert clock.monotonic() - killed < RECOVERY_SECONDS, lost

    for each in executions:
        assert site.ended(each, timeout=60).status == "completed"
    # A call is made again only as a new attempt, and only where its answer was never committed.
    for method, step in (("quick", "reserve"), ("slow", "pay"), ("quick", "ship")):
        made = [each for each in calls(hosts, method) if each.key.endswith(f"/{step}")]
        assert {each.key for each in made} == {f"{each}/{step}" for each in executions}
        assert set(Counter((each.key, each.attempt) for each in made).values()) == {1}
        for key, number in Counter(each.key for each in made).items():
            if number > 1:
                again = site.journal(key.partition("/")[0]).count(("step.retrying", step))
                assert number == 1 + again
    assert check() == []
    # The other one still takes what comes, and its cluster was never taken for a frozen one.
    assert site.ended(site.start("order")).status == "completed"
    assert "half dead" not in two.said()


def test_both_hosts_stay_whole_under_canaries_that_share_a_broker(site: Site, hosts: list[Worker]) -> None:
    """A host whose cluster is frozen swallows nobody else's canaries, and is found although the other one answers."""
    one, two = hosts
    boots = set(Shift.objects.values_list("boot", flat=True))
    cluster = one.tree()[-1].parent()
    assert cluster is not None
    for each in cluster.children():
        each.suspend()
    wait_for(lambda: "half dead" in one.said() or "was stopped" in one.said(), what="it is found", timeout=15)
    wait_for(
        lambda: Shift.objects.exclude(boot__in=boots).exists() or "killing a process" in one.said(),
        what="it is mended",
        timeout=30,
    )
    site.save("order", recorded("a", "quick"))
    for _ in range(5):
        assert site.ended(site.start("order")).status == "completed"
    assert "half dead" not in two.said()

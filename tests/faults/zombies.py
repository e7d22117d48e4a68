"""F17 to F19: a worker that slept through its lease and wakes up, and one whose loop stands still.

Leases are shortened, so that many trials fit; what is tried does not depend on their length. On SQLite a process that
is stopped inside of a transaction stops every other one, and nobody can judge a lease: it is let go on until it stands
elsewhere.
"""

from __future__ import annotations

from django.db import OperationalError, connection, transaction

from orchestration import clock
from orchestration.engine.models import Execution, JournalBatch, JournalEntry, Shift
from tests.faults import workflows
from tests.faults.lab import Lab, fault
from tests.faults.proxy import Proxy
from tests.faults.site import Site

LEASE = 1.5
SHORT = {"PODIUM_LEASE_SECONDS": str(LEASE), "PODIUM_HEARTBEAT_SECONDS": "0.4", "PODIUM_SWEEP_SECONDS": "0.3"}


def _frozen(site: Site):
    """Freeze the worker that holds executions, and return it with its shift; None if that holds up the database."""
    found = site.holder()
    if not found:
        return None
    found[0].freeze()
    if _writable():
        return found
    found[0].thaw()
    return None


def _writable() -> bool:
    if connection.vendor != "sqlite":
        return True
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 500")
        try:
            with transaction.atomic():
                cursor.execute("UPDATE podium_shift SET id = id WHERE id = -1")
        except OperationalError:
            return False
        finally:
            cursor.execute("PRAGMA busy_timeout = 20000")
    return True


def _zombies(lab: Lab, site: Site, *, between) -> None:
    """Freeze whoever holds the executions for three leases, let others take over, thaw it, and count what it writes."""
    worker, shift = site.until(
        lambda: _frozen(site), "a shift that holds executions, and stands outside of transactions"
    )
    frozen = clock.monotonic()
    between()
    site.until(lambda: Shift.objects.filter(id=shift.id, state="dead").exists(), "the shift is declared dead")
    last = JournalBatch.objects.order_by("-id").values_list("id", flat=True).first() or 0
    others = JournalEntry.objects.count()
    site.until(lambda: JournalEntry.objects.count() > others, "others go on")
    lab.recovered(clock.monotonic() - frozen)
    site.until(lambda: clock.monotonic() - frozen >= 3 * LEASE, "three leases")
    worker.thaw()
    lab.tried()
    wakes = clock.monotonic()
    site.until(lambda: clock.monotonic() - wakes > 0.5 or not worker.running, "it has woken up")
    written = JournalBatch.objects.filter(shift_id=shift.id, id__gt=last).count()
    lab.outcome.zombies += written
    lab.require(not written, f"shift {shift.id} wrote {written} batches after it was declared dead")


@fault("F17", "SIGSTOP of a worker for three leases, then SIGCONT", quick=1, full=12, p99=8)
def zombie(lab: Lab) -> None:
    """Freeze and thaw: what wakes up writes nothing, and compensates nothing."""
    with lab.site(**SHORT) as site:
        site.save(workflows.chain("chain", 60, seconds=0.1))
        site.worker()
        site.worker()
        for _ in range(lab.trials):
            for _ in range(3):
                site.start("chain")
            _zombies(lab, site, between=lambda: None)
        site.all_ended()
        lab.require(not JournalEntry.objects.filter(type="step.compensating").exists(), "something was undone")
        lab.examine(site)


@fault("F18", "a call of a zombie that arrives after its lease was lost", quick=0, full=5)
def zombie_calls(lab: Lab) -> None:
    """Hold a worker's call up on the way until another one has made it: it carries the older epoch and is refused."""
    with lab.site(**SHORT) as site, Proxy(site.outside.port).running() as way:
        from orchestration.registry.operations import register

        register(team_id=site.team, name="far", address=f"http://127.0.0.1:{way.port}", health_path="")
        pay = workflows.call("pay", "pay") | {"service_name": "far"}
        site.save(workflows.workflow("far", workflows.call("a", "work"), pay))
        site.outside.go_wrong("pay", "fenced", times=10**6)
        site.worker()
        site.worker()
        warm = site.start("far")
        site.until(lambda: Execution.objects.filter(id=warm, ended_at__isnull=False).exists(), "a first execution")
        for _ in range(lab.trials):
            way.switch("delay", seconds=4 * LEASE)
            site.outside.go_wrong("pay", "fenced", times=10**6)
            taken = way.taken
            each = site.start("far")
            site.until(lambda one=each: site.has(one, "step.started", "pay"), "the call is on its way")
            site.until(lambda seen=taken: way.taken > seen, "the call is in the proxy")
            _zombies(lab, site, between=lambda: way.switch("pass"))
            site.until(lambda one=each: Execution.objects.filter(id=one, ended_at__isnull=False).exists(), "its end")
            site.until(
                lambda one=each: len(site.outside.calls("pay", execution=one)) > 1, "the late call arrives", timeout=30
            )
        stale = [each for each in site.outside.calls("pay") if each.stale]
        lab.require(len(stale) >= lab.trials, f"{len(stale)} late calls carried an older epoch")
        lab.require(not any(each.applied for each in stale), "a late call was applied")
        lab.examine(site)


@fault("F19", "the loop of a worker is blocked for longer than its lease", quick=0, full=2)
def blocked_loop(lab: Lab) -> None:
    """Block the loop in a step: the heartbeat has its own thread, so that nobody takes over and nothing runs twice."""
    with lab.site(**SHORT, PODIUM_PYTHON_SERVICES="tests.faults.blocking") as site:
        block = {"id": "block", "type": "service", "service_name": "blocking", "method": "block"}
        steps = [{**block, "input": {"seconds": 4 * LEASE}}, workflows.call("c", "work", "block")]
        site.save(workflows.workflow("blocking", *steps))
        site.worker()
        site.worker()
        for _ in range(lab.trials):
            site.start("blocking")
            site.all_ended()
            lab.tried()
        lab.require(not Shift.objects.filter(state="dead").exists(), "a shift that lives was declared dead")
        lab.require(not JournalEntry.objects.filter(type="step.retrying").exists(), "an attempt was burnt")
        lab.examine(site)

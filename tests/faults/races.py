"""F55 to F63: definitions that change, limits, races of people and programs, logs that nobody reads, forks."""

from __future__ import annotations

import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psutil
from django.db import connection, connections

from orchestration.domain.errors import Refused
from orchestration.domain.facts import Cancel, Signal
from orchestration.engine.models import Execution, JournalEntry
from tests.faults import workflows
from tests.faults.lab import Lab, fault


def _ended(execution: str) -> bool:
    return Execution.objects.filter(id=execution, ended_at__isnull=False).exists()


@fault(
    "F55",
    "a definition is changed while its executions run (and F56)",
    quick=0,
    full=3,
)
def definition_changed(lab: Lab) -> None:
    """Save other steps in another order under the same name: what runs goes on with what it began with."""
    with lab.site() as site:
        site.save(workflows.chain("flow", 4, seconds=0.3))
        worker = site.worker()
        for trial in range(lab.trials):
            site.save(workflows.chain("flow", 4, seconds=0.3))
            old = [site.start("flow") for _ in range(5)]
            site.until(lambda one=old[0]: site.has(one, "step.completed", "s0"), "the first step")
            other = workflows.workflow("flow", workflows.call("y", "other"), workflows.call("s0", "work", "y"))
            site.save(other)
            if trial % 2 == 0:
                # A worker that never saw the old revision folds the journal by it all the same.
                worker.kill()
                worker.start()
            new = site.start("flow")
            site.all_ended()
            for each in old:
                steps = {call.step for call in site.outside.calls(execution=each)}
                lab.require(steps == {"s0", "s1", "s2", "s3"}, f"it ran {sorted(steps)}")
                lab.tried()
            lab.require({call.step for call in site.outside.calls(execution=new)} == {"y", "s0"}, "the new one differs")
        lab.examine(site)


@fault("F57", "the schema is extended while workers are up", quick=0, full=1)
def migrated(lab: Lab) -> None:
    """Add a column, an index and a table under running workers: they go on (expand first, contract later)."""
    with lab.site() as site:
        site.save(workflows.chain("chain", 60, seconds=0.05))
        site.worker()
        for _ in range(10):
            site.start("chain")
        site.until(lambda: JournalEntry.objects.count() > 50, "work under way")
        with connection.cursor() as cursor:
            for statement in (
                "ALTER TABLE podium_execution ADD COLUMN next_version_note text NULL",
                "ALTER TABLE podium_journalentry ADD COLUMN next_version_note text NULL",
                "ALTER TABLE podium_shift ADD COLUMN next_version_note text NULL",
                "CREATE INDEX next_version_index ON podium_execution (next_version_note)",
                "CREATE TABLE podium_next_version (id integer primary key)",
            ):
                cursor.execute(statement)
                lab.tried()
        site.all_ended()
        lab.require(not JournalEntry.objects.filter(type="step.retrying").exists(), "an attempt was burnt")
        lab.examine(site)


@fault("F58", "an execution reaches its limit of step runs", quick=0, full=1)
def history_limit(lab: Lab) -> None:
    """Loop without an end: it stops with the limit's name; what it did is undone; nobody else notices."""
    with lab.site(PODIUM_LIMIT_STEP_RUNS="60") as site:
        first = workflows.call("s0", "work", compensate=workflows.undo("s0"))
        turn = {"id": "t", "type": "notification", "channel": "log", "to": "x", "subject": "y"}
        endless = {"id": "l", "type": "loop", "while": "true", "max_iterations": 1000, "steps": [turn]}
        steps = (first, endless | {"dependencies": ["s0"]})
        site.save(workflows.workflow("endless", *steps, config={"failure_policy": "compensate"}))
        site.save(workflows.chain("chain", 3))
        site.worker()
        each = site.start("endless", expect="failed")
        site.start("chain")
        site.all_ended()
        lab.tried()
        error = Execution.objects.get(id=each).error or ""
        lab.require("limit_exceeded" in error, f"it failed with {error}")
        lab.require(len(site.outside.calls("undo")) == 1, "what it did was not undone")
        lab.examine(site)


@fault("F59", "cancel races with completion", quick=30, full=1000)
def cancel_races(lab: Lab) -> None:
    """Cancel at about the moment of completion: exactly one wins, and the caller hears what became of it."""
    outcomes: Counter[str] = Counter()
    with lab.gentle() as site:
        site.save(workflows.workflow("short", workflows.call("s0", "work", seconds=0.004)))
        warm = site.start("short")
        site.until(lambda: _ended(warm), "a first execution")
        pause = threading.Event()

        def race(number: int) -> None:
            each = site.start("short", expect="")
            pause.wait((number % 40) / 1000)
            try:
                told = site.act(each, Cancel(False), timeout=20).status
            except Refused as refusal:
                told = f"refused, {refusal.details.get('state')}"
            row = Execution.objects.get(id=each)
            real = row.status if row.ended_at else f"{row.status}, not ended"
            good = told in (real, f"refused, {real}")
            outcomes[real if good else f"WRONG: told {told!r}, is {real!r}"] += 1

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(race, range(lab.trials)))
            list(pool.map(lambda _: connections.close_all(), range(16)))
        lab.tried(lab.trials)
        for outcome, times in outcomes.items():
            lab.require(not outcome.startswith("WRONG"), f"{outcome} ({times} times)")
        lab.require({"cancelled", "completed"} <= set(outcomes) or lab.trials < 100, f"one side never won: {outcomes}")
        lab.note(", ".join(f"{outcome} {times}" for outcome, times in sorted(outcomes.items())))
        lab.examine(site)


@fault("F60", "a signal comes before its wait, twice, and after the end", quick=1, full=10)
def early_signals(lab: Lab) -> None:
    """Signal at the wrong moment: an early one is kept, the first wins, a late one is refused."""
    with lab.gentle() as site:
        wait = {"id": "w", "type": "wait", "signal": "go", "dependencies": ["s0"]}
        site.save(workflows.workflow("waits", workflows.call("s0", "work", seconds=0.3), wait))
        for _ in range(lab.trials):
            each = site.start("waits")
            site.until(lambda one=each: site.has(one, "step.started", "s0"), "the step before the wait")
            site.act(each, Signal("go", 1, "first"))
            site.act(each, Signal("go", 2, "second"))
            site.until(lambda one=each: _ended(one), "its end")
            try:
                site.act(each, Signal("go", 3, "third"))
                lab.require(False, "a signal after the end was not refused")
            except Refused:
                pass
            signals = [entry for entry in site.journal(each) if entry.type == "step.signalled" and entry.step == "w"]
            lab.require(len(signals) == 1, f"the wait heard {len(signals)} signals")
            lab.require("first" in str(signals[0].data), f"the first did not win: {signals[0].data}")
            lab.tried()
        lab.examine(site)


@fault("F61", "32 requests start the same idempotency key at once, at two web processes", quick=0, full=20)
def same_key(lab: Lab) -> None:
    """Ask 32 times at once: one execution, and everybody is told its id."""
    with lab.site() as site:
        site.save(workflows.chain("chain", 2))
        webs = [site.web(), site.web()]
        site.worker()
        with ThreadPoolExecutor(32) as pool:
            for trial in range(lab.trials):
                before = Execution.objects.count()
                key = {"Idempotency_Key": f"key-{trial}"}
                answers = list(pool.map(lambda n, key=key: site.ask_to_start(webs[n % 2], "chain", **key), range(32)))
                ids = {answer.body["execution_id"] for answer in answers if answer.status in (200, 202)}
                statuses = Counter(answer.status for answer in answers)
                lab.require(len(ids) == 1, f"32 requests made {len(ids)} executions ({statuses})")
                lab.require(set(statuses) <= {200, 202}, f"they were answered {statuses}")
                lab.require(Execution.objects.count() == before + 1, "more rows than one")
                lab.tried()
        lab.examine(site)


@fault("F62", "nobody reads the worker's log", quick=1, full=1)
def log_not_read(lab: Lab) -> None:
    """Have a worker log into a pipe that is full and never read: work goes on."""
    with lab.site(PODIUM_LOG_LEVEL="DEBUG") as site:
        note = {"id": "n", "type": "notification", "channel": "log", "to": "x", "subject": "x" * 2000}
        site.save(workflows.workflow("talk", note, workflows.call("s0", "work", "n")))
        worker = site.worker(start=False)
        worker.log = site.folder / "unread"
        os.mkfifo(worker.log)
        holder = os.open(worker.log, os.O_RDWR)
        try:
            worker.start()
            for _ in range(200):
                site.start("talk")
            site.all_ended(timeout=60)
            lab.tried(200)
            lab.examine(site)
        finally:
            worker.kill()
            os.close(holder)
            os.unlink(worker.log)


@fault("F63", "processes are forked with connections open", quick=0, full=1)
def forked(lab: Lab) -> None:
    """Look at the sockets of every process of a working cluster: no connection to the database is in two of them.

    django-q2's cluster asks its broker before it forks; its sentinel inherits that connection, whose client opens its
    own when it sees that it was forked. So one to Redis is only noted.
    """
    shared: set[str] = set()
    with lab.site() as site:
        site.save(workflows.chain("chain", 100, seconds=0.05))
        worker = site.worker()
        for _ in range(5):
            site.start("chain")
        site.until(lambda: JournalEntry.objects.count() > 50, "work under way")
        looked = 0
        for _ in range(5):
            seen: Counter[str] = Counter()
            for each in worker.tree():
                seen.update(_sockets(each))
                looked += 1
            shared |= {name for name, times in seen.items() if times > 1}
            threading.Event().wait(0.2)
        lab.tried(looked)
        database = urlsplit(site.url).port
        wrong = [name for name in shared if name.endswith(f":{database}")]
        lab.require(not wrong, f"connections to the database are open in more than one process: {wrong[:3]}")
        lab.note(f"{len(shared)} connections are open in more than one process, {len(wrong)} of them to the database")
        lab.examine(site)


def _sockets(process: psutil.Process) -> set[str]:
    """Return the connected TCP sockets of a process, by both their ends."""
    try:
        found = process.net_connections("tcp")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return set()
    return {
        f"{each.laddr.port}->{each.raddr.ip}:{each.raddr.port}"
        for each in found
        if each.status == psutil.CONN_ESTABLISHED
    }

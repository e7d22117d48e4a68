"""F11 to F16: processes are killed and stopped from outside, at any moment, one by one and all at once."""

from __future__ import annotations

import os
import signal
from collections import Counter

import psutil

from orchestration import clock
from orchestration.engine.models import Execution, JournalEntry, Shift
from tests.faults import workflows
from tests.faults.lab import Lab, fault
from tests.faults.processes import kill_all, kill_one
from tests.faults.site import Site

STANDSTILL_SECONDS = 15.0


def _entries() -> int:
    return JournalEntry.objects.count()


def _under_way(site: Site, entries: int) -> None:
    seen = _entries()
    site.until(lambda: _entries() > seen + entries, "work under way")


def _progress(site: Site, lab: Lab, since: float, what: str, *, timeout: float = 60) -> None:
    """Wait for a new entry in some journal and note how long it took since then."""
    before = _entries()
    site.until(lambda: _entries() > before, what, timeout=timeout)
    lab.recovered(clock.monotonic() - since)


@fault("F11", "kill -9 of all workers and web at once, under load", quick=1, full=8, p50=8, p99=10)
def everything_at_once(lab: Lab) -> None:
    """Kill the whole platform but its database, again and again; whoever starts it again finds everything."""
    with lab.site() as site:
        site.save(workflows.workflow("child", workflows.call("x", "work")))
        site.save(workflows.everything("all", "child"))
        site.save(workflows.chain("chain", 30, seconds=0.05))
        web = site.web()
        for _ in range(1 if lab.quick else 2):
            site.worker()
        for trial in range(lab.trials):
            for number in range(5):
                site.start("all")
                site.start("chain")
                site.ask_to_start(web, "chain", Idempotency_Key=f"{trial}-{number}")
            _under_way(site, 40)
            kill_all([*site.workers, web])
            lab.tried()
            began = clock.monotonic()
            for each in (*site.workers, web):
                each.start()
            _progress(site, lab, began, "progress after everything was killed")
            site.until(lambda: web.ask("GET", "/healthz", timeout=2).status == 200, "web after it was killed")
        lab.examine(site)


@fault("F11b", "kill -9 of the process that drives the executions", quick=0, full=20, p50=2, p99=8)
def the_shift(lab: Lab) -> None:
    """Kill the worker process whose shift holds the executions, at any moment: another one goes on."""
    with lab.site() as site:
        site.save(workflows.chain("chain", 400, seconds=0.01))
        site.worker()
        for _ in range(8):
            site.start("chain")
        dead = 0
        for _ in range(lab.trials):
            shift = site.shift_begun(dead)
            _under_way(site, 5)
            kill_one(shift.pid)
            lab.tried()
            _progress(site, lab, clock.monotonic(), "progress after the worker was killed")
            dead = shift.id
        lab.examine(site, settle=240)


@fault("F12", "kill -9 of the cluster's parent", quick=0, full=3, p99=STANDSTILL_SECONDS)
def cluster_parent(lab: Lab) -> None:
    """Kill the cluster's first process: none below it outlives it, and a new cluster goes on."""
    _kill_part(lab, lambda site: site.workers[0].cluster())


@fault("F13", "kill -9 of the cluster's sentinel", quick=0, full=3, p99=STANDSTILL_SECONDS)
def sentinel(lab: Lab) -> None:
    """Kill the process that watches the workers: the supervisor starts the cluster anew."""
    _kill_part(lab, lambda site: site.workers[0].sentinel())


def _kill_part(lab: Lab, part) -> None:
    with lab.site() as site:
        site.save(workflows.chain("chain", 40, seconds=0.1))
        site.worker()
        for trial in range(lab.trials):
            running = [site.start("chain") for _ in range(5)]
            site.until(lambda one=running[0]: site.has(one, "step.completed", "s3"), "work under way")
            victim = part(site)
            below = victim.children(recursive=True)
            kill_one(victim.pid)
            began = clock.monotonic()
            _, alive = psutil.wait_procs(below, timeout=2)
            lab.require(not alive, f"{len(alive)} processes outlive it by more than 2 s (trial {trial})")
            lab.tried()
            _progress(site, lab, began, "progress after the kill")
        lab.examine(site)


@fault("F14", "kill -9 of idle workers, again and again", quick=0, full=30, p99=STANDSTILL_SECONDS)
def idle_workers(lab: Lab) -> None:
    """Kill a worker that waits for a task, which may freeze the queue for good: what comes next is done anyhow."""
    with lab.site() as site:
        site.save(workflows.chain("chain", 1))
        worker = site.worker()
        warm = site.start("chain")
        site.until(lambda: Execution.objects.filter(id=warm, ended_at__isnull=False).exists(), "a first execution")
        for number in range(lab.trials):
            busy = {each.pid for each in site.awake()}
            idle = [each for each in worker.task_workers(2) if each.pid not in busy]
            if idle:
                kill_one(idle[number % len(idle)].pid)
                lab.tried()
            began = clock.monotonic()
            each = site.start("chain")
            site.until(lambda one=each: Execution.objects.filter(id=one, ended_at__isnull=False).exists(), "the next")
            lab.recovered(clock.monotonic() - began)
        lab.examine(site)


def _boots() -> set[str]:
    """Return the clusters of which anything has reached the database."""
    return set(Shift.objects.values_list("boot", flat=True))


@fault("F15", "SIGTERM under load", quick=1, full=5, p50=4, p99=8)
def asked_to_stop(lab: Lab) -> None:
    """Ask a worker to stop while it works: it hands over within a second and burns no attempt; another one goes on."""
    with lab.site() as site:
        site.save(workflows.workflow("slow", workflows.call("a", "work"), workflows.call("pay", "pay", "a", seconds=2)))
        site.worker()
        for _ in range(lab.trials):
            before = _boots()
            site.worker()
            # What is measured is the way from one worker to another that is there, not how long a process starts.
            site.until(lambda before=before: _boots() - before, "the other worker")
            made = len(site.outside.calls("pay"))
            for _ in range(20):
                site.start("slow")
            site.calls_of("pay", made + 20)
            worker, shift = site.until(site.holder, "a shift that holds executions")
            site.workers.remove(worker)
            held = Execution.objects.filter(shift_id=shift.id)
            began = clock.monotonic()
            os.kill(worker.pid, signal.SIGTERM)
            with lab.within(1.0, "the hand-over"):
                site.until(lambda held=held: not held.exists(), "the hand-over")
            _progress(site, lab, began, "progress elsewhere")
            lab.require(worker.terminate() == 0, "it did not end with 0")
            lab.require(clock.monotonic() - began < 20, "it took more than 20 s to end")
            lab.tried()
            site.all_ended()
        lab.require(not JournalEntry.objects.filter(type="step.retrying").exists(), "an attempt was burnt")
        tries = Counter(each.attempt for each in site.outside.calls("pay"))
        lab.require(set(tries) == {1}, f"an attempt was burnt: {tries}")
        lab.examine(site)


@fault("F16", "workers are recycled while executions run", quick=0, full=1)
def recycled(lab: Lab) -> None:
    """Have django-q2 replace each worker after two tasks, with shifts of half a second: nothing is lost in memory."""
    settings = {"DJANGO_SETTINGS_MODULE": "tests.faults.settings_recycle", "PODIUM_SHIFT_SECONDS": "0.5"}
    with lab.site() as site:
        steps = []
        for n in range(12):
            # A shift whose time is up ends at the first moment without a call.
            steps.append(workflows.call(f"s{n}", "work", *([f"nap{n - 1}"] if n else []), seconds=0.05))
            steps.append({"id": f"nap{n}", "type": "delay", "duration": "500ms", "dependencies": [f"s{n}"]})
        site.save(workflows.workflow("naps", *steps))
        site.worker(**settings, PODIUM_SHIFT_LINGER_SECONDS="0.2")
        for _ in range(20):
            site.start("naps")
        site.all_ended()
        pids = set(Shift.objects.filter(started_at__lt=clock.now_us()).values_list("pid", flat=True))
        lab.tried(len(pids))
        lab.require(len(pids) >= 3, f"only {len(pids)} workers took part: none was recycled")
        lab.require(not JournalEntry.objects.filter(type="step.retrying").exists(), "an attempt was burnt")
        lab.examine(site)

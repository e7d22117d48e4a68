"""F34 to F40: poison, herds, ten thousand timers at once, and clocks that are wrong."""

from __future__ import annotations

from collections import Counter

from django.db.models import F

from orchestration import clock
from orchestration.domain.facts import Resume
from orchestration.engine.models import Execution, JournalEntry, Shift
from tests.faults import workflows
from tests.faults.crashes import Marks
from tests.faults.lab import Lab, fault
from tests.faults.processes import kill_all
from tests.faults.site import Site


@fault("F34", "an execution that takes its worker along each time", quick=0, full=2)
def poison(lab: Lab) -> None:
    """Call a service that aborts the process: it is put aside at the third death at the latest; neighbours complete.

    Whoever releases it lets it fail by itself: its attempts are used up.
    """
    with lab.site(PODIUM_PYTHON_SERVICES="tests.faults.blocking") as site:
        step = {"id": "p", "type": "service", "service_name": "blocking", "method": "abort"}
        retry = {"max_attempts": 3, "delay": "10ms", "jitter": 0}
        site.save(workflows.workflow("poison", {**step, "retry": retry}))
        site.save(workflows.chain("chain", 5, seconds=0.05))
        site.worker()
        for _ in range(lab.trials):
            site.start("poison", expect="")
            for _ in range(10):
                site.start("chain")
            alive = Execution.objects.filter(ended_at=None, quarantined=False)
            site.until(lambda alive=alive: not alive.exists(), "all but what is put aside have ended")
            for each in Execution.objects.filter(quarantined=True).values_list("id", flat=True):
                site.act(each, Resume())
                row = Execution.objects.filter(id=each, status="failed")
                site.until(row.exists, "its failure after it was released")
            lab.tried()
        dead = Shift.objects.filter(state="dead").count()
        lab.require(dead <= 3 * lab.trials, f"{dead} workers died of {lab.trials} executions")
        lab.note(f"{dead} workers died of {lab.trials} poisonous executions of 3 attempts each")
        lab.examine(site)


@fault("F34b", "an execution whose claim takes its worker along", quick=0, full=1)
def poisonous_claim(lab: Lab) -> None:
    """Die three times at the claim, without progress: it is set aside, and goes on when a person releases it."""
    with lab.site() as site:
        marks = Marks(site, "after_claim:1", 3)
        site.save(workflows.chain("chain", 2))
        poisonous = site.start("chain")
        site.worker(**marks.environment)
        row = Execution.objects.filter(id=poisonous)
        site.until(lambda: row.filter(quarantined=True).exists(), "it is set aside", timeout=60)
        lab.tried()
        lab.require(len(marks.times()) == 3, f"{len(marks.times())} workers died of it")
        lab.require(row.get().shift_id is None, "it is held by somebody")
        healthy = site.start("chain")
        site.until(lambda: Execution.objects.filter(id=healthy, status="completed").exists(), "its neighbour")
        site.act(poisonous, Resume())
        site.until(lambda: row.filter(status="completed").exists(), "its end after it was released")
        lab.examine(site)


@fault("F35", "a service of the worker asks for 100 GB, or never comes back", quick=1, full=2)
def hogs(lab: Lab) -> None:
    """Fail the call that asks for too much; end the worker that stands still; let neighbours complete all the while."""
    with lab.site(PODIUM_PYTHON_SERVICES="tests.faults.blocking", PODIUM_STALL_SECONDS="6") as site:
        retry = {"max_attempts": 1}
        step = {"id": "p", "type": "service", "service_name": "blocking", "method": "allocate", "retry": retry}
        site.save(workflows.workflow("greedy", {**step, "input": {"bytes": 100 * 1024**3}}))
        site.save(workflows.workflow("stuck", {**step, "method": "spin", "timeout": "2s"}))
        site.save(workflows.chain("chain", 5, seconds=0.05))
        site.worker()
        for _ in range(lab.trials):
            died = Shift.objects.filter(state="dead").count()
            greedy = site.start("greedy", expect="failed")
            site.all_ended()
            error = Execution.objects.get(id=greedy).error
            lab.require("MemoryError" in str(error), f"the call that asked for too much came to {error}")
            lab.require(Shift.objects.filter(state="dead").count() == died, "a worker died of it")
            site.start("stuck", expect="")
            for _ in range(10):
                site.start("chain")
            site.all_ended(timeout=90)
            lab.tried()
        lab.examine(site)


@fault("F36", "everybody is recovered at once", quick=0, full=1, p99=10)
def herd(lab: Lab) -> None:
    """Kill all with 1,000 executions under way: they are taken up in batches, and none is called more than it must."""
    with lab.site() as site:
        site.save(workflows.chain("chain", 2, seconds=1))
        for _ in range(lab.trials):
            made = len(site.outside.calls())
            for _ in range(1000):
                site.start("chain")
            worker = site.worker()
            site.worker()
            site.until(lambda made=made: len(site.outside.calls()) > made + 400, "hundreds of calls under way")
            kill_all(site.workers)
            dead = clock.monotonic()
            worker.start()
            site.until(lambda: Shift.objects.filter(state="awake", pid__gt=0).exists(), "a shift")
            seen = JournalEntry.objects.count()
            site.until(lambda seen=seen: JournalEntry.objects.count() > seen, "progress")
            lab.recovered(clock.monotonic() - dead)
            site.all_ended(timeout=120)
            lab.tried()
            for each in site.workers:
                each.kill()
            del site.workers[:]
        site.worker()
        burnt = JournalEntry.objects.filter(type="step.retrying", data__contains="worker_lost")
        tries = Counter(burnt.values_list("execution_id", "step"))
        lab.require(max(tries.values(), default=0) <= 1, "one death burnt two attempts of a step")
        lab.note(f"{len(tries)} attempts were burnt by {lab.trials} deaths of everybody")
        lab.examine(site)


@fault("F37", "ten thousand timers are due at once", quick=1, full=1)
def timers(lab: Lab) -> None:
    """Have all fire at one instant: each once, none early, all within five seconds of it."""
    count = 300 if lab.quick else 10_000
    with lab.gentle() as site:
        due = clock.now_us() + (15 if lab.quick else 60) * 1_000_000
        nap = {"id": "nap", "type": "delay", "until": "${input.due}"}
        site.save(workflows.workflow("later", nap))
        until = clock.to_datetime(due).isoformat()
        for _ in range(count):
            site.start("later", input={"due": until})
        waiting = Execution.objects.filter(status="running", shift_id=None)
        site.until(lambda: waiting.count() == count or clock.now_us() > due, "all are put down", timeout=90)
        lab.require(clock.now_us() <= due, "the timers were due before all were put down")
        site.all_ended(timeout=120)
        fired = sorted(JournalEntry.objects.filter(type="step.completed", step="nap").values_list("at", flat=True))
        lab.tried(len(fired))
        lab.require(len(fired) == count, f"{len(fired)} of {count} fired")
        lab.require(fired[0] >= due, "one fired early")
        took = (fired[-1] - due) / 1e6
        lab.require(took <= 5 * (4 if lab.quick else 1), f"the last fired {took:.1f} s late")
        lab.note(f"{count} timers fired within {took:.2f} s of their instant")
        lab.examine(site)


def _skewed(offset: float) -> dict[str, str]:
    return {"DJANGO_SETTINGS_MODULE": "tests.faults.settings_skewed", "FAULTS_SKEW": str(offset)}


@fault("F38", "the clock of a worker is an hour ahead, an hour behind, and steps", quick=0, full=1)
def one_clock_is_wrong(lab: Lab) -> None:
    """Give the only worker a wrong clock: timers fire by the database's, no lease is lost."""
    for offset in (3600.0, -3600.0):
        with lab.site() as site:
            _naps(lab, site, [offset])
    with lab.site() as site:
        file = site.folder / "skew"
        file.write_text("0")
        _naps(lab, site, [0.0], step=file)


@fault("F40", "two workers disagree on the time by a minute", quick=0, full=1)
def clocks_disagree(lab: Lab) -> None:
    """Give two workers clocks that are 30 s fast and slow: it changes nothing about who holds what."""
    with lab.site() as site:
        _naps(lab, site, [30.0, -30.0])


def _naps(lab: Lab, site: Site, offsets: list[float], *, step=None) -> None:
    nap = {"id": "nap", "type": "delay", "duration": "3s"}
    site.save(workflows.workflow("later", workflows.call("a", "work"), nap, workflows.call("b", "work", "nap")))
    site.save(workflows.chain("chain", 40, seconds=0.1))
    for offset in offsets:
        site.worker(**_skewed(offset), **({"FAULTS_SKEW_FILE": str(step)} if step else {}))
    warm = site.start("later")
    site.until(lambda: Execution.objects.filter(id=warm, ended_at__isnull=False).exists(), "a first execution")
    began = {site.start("later"): clock.now_us() for _ in range(20)}
    for _ in range(5):
        site.start("chain")
    ends: dict[str, int] = {}

    def all_seen() -> bool:
        if step and clock.now_us() - min(began.values()) > 1_000_000:
            step.write_text("-600")
        for row in Execution.objects.filter(id__in=began, ended_at__isnull=False).only("id"):
            ends.setdefault(row.id, clock.now_us())
        return len(ends) == len(began)

    site.until(all_seen, "the end of all timers", timeout=60)
    lab.tried(len(ends))
    if offsets[0] and not step:
        # What a worker itself takes for the time stands in the traces of its canaries.
        traces = Shift.objects.filter(state="ended", expires_at=F("started_at")).order_by("-id")
        said = traces.values_list("started_at", flat=True)[0]
        lab.require(abs(said - clock.now_us()) > 15_000_000, "the worker's clock was not wrong at all")
    # By the harness's clock, which is the database's: both ends are what really happened.
    early = [each for each in ends if ends[each] - began[each] < 3_000_000]
    late = max(ends[each] - began[each] for each in ends) / 1e6
    lab.require(not early, f"{len(early)} timers of 3 s fired early")
    lab.require(late < 13, f"a timer of 3 s took {late:.1f} s")
    lab.require(not Shift.objects.filter(state="dead").exists(), "a shift that lives was declared dead")
    lab.examine(site)

"""F01 to F10: a worker is killed at every named place of the source, by itself, while it works.

Each fault starts `manage.py worker` with `CRASH_AT`: its processes kill themselves at the n-th pass, are started again
by whoever looks after them, and die again until enough have died. What is measured is the time from a death (the mark
that it left) to the next entry in a journal.
"""

from __future__ import annotations

from collections import Counter

from orchestration.engine.models import Execution, JournalBatch, JournalEntry
from tests.faults import workflows
from tests.faults.lab import Lab, fault
from tests.faults.places import NAMES
from tests.faults.processes import kill_one
from tests.faults.site import Site

# With how many executions at once, and at which pass a process dies: often enough to matter, not before anything began.
EXECUTIONS, PASS = 10, 3
# One more in a row, with nothing in between, and the execution that is driven alone by then is put aside for it.
DEATHS_OF_ONE = 2
# The places that RELIABILITY.md lists; whatever else the source has goes by its own name.
NUMBERS = {"before_claim_commits": "F01", "after_claim": "F02", "before_call": "F03", "after_commit": "F06"}


class Marks:
    """The deaths of a site's processes at a crash point."""

    def __init__(self, site: Site, where: str, deaths: int) -> None:
        self._folder = site.folder / "marks"
        self._folder.mkdir()
        self.environment = {"CRASH_AT": where, "CRASH_MARKS": str(self._folder), "CRASH_DEATHS": str(deaths)}

    def times(self) -> list[float]:
        """Return when somebody died (seconds since the epoch), in order."""
        return sorted(each.stat().st_mtime for each in self._folder.iterdir())


def measure(lab: Lab, marks: Marks) -> None:
    """Note for every death how long it took until a journal had a new entry."""
    written = sorted(JournalEntry.objects.values_list("at", flat=True))
    for died in marks.times():
        after = next((at for at in written if at > died * 1e6 + 20_000), None)
        if after is not None:
            lab.recovered(after / 1e6 - died)


def die(lab: Lab, where: str, *, number: int = PASS, executions: int = EXECUTIONS, **more: str) -> None:
    """Run `everything` on a worker that dies at a place again and again; all must complete."""
    with lab.site(**more) as site:
        marks = Marks(site, f"{where}:{number}", lab.trials)
        site.save(workflows.workflow("child", workflows.call("x", "work")))
        site.save(workflows.everything("all", "child"))
        site.worker(**marks.environment)
        for _ in range(executions):
            site.start("all")
        until_dead(site, marks, lab.trials, "all", where)
        lab.tried(len(marks.times()))
        measure(lab, marks)
        lab.examine(site)


def until_dead(site: Site, marks: Marks, deaths: int, workflow: str, where: str, *, expect: str = "completed") -> None:
    """Wait for the deaths, with one more execution whenever all have ended; then for the end of all."""

    def enough() -> bool:
        if len(marks.times()) >= deaths:
            return True
        if not Execution.objects.filter(ended_at=None, quarantined=False).exists():
            site.start(workflow, expect=expect)
        return False

    site.until(enough, f"{deaths} deaths at {where}", timeout=60 + 15 * deaths, pause=0.05)
    site.all_ended()


def bury(lab: Lab, name: str) -> None:
    """Have the supervisor die while it declares a shift dead that died at its work."""
    with lab.site() as site:
        marks = Marks(site, f"{name}:1", lab.trials)
        site.save(workflows.chain("chain", 20, seconds=0.1))
        site.worker(**marks.environment)
        for _ in range(EXECUTIONS):
            site.start("chain")
        for trial in range(lab.trials):
            shift = site.shift_begun()
            site.calls_of("work", trial * 20 + 10)
            kill_one(shift.pid)
            site.until(lambda trial=trial: len(marks.times()) > trial, "the supervisor's death", timeout=30)
        lab.tried(len(marks.times()))
        lab.examine(site)


def _enter(name: str) -> None:
    number, title = NUMBERS.get(name, f"at-{name}"), f"kill -9 at {name}"
    if name == "before_hand_over":
        # Only a shift that ends passes it: shifts are kept short.
        fault(number, title, full=3, p99=8)(
            lambda lab: die(lab, name, number=1, PODIUM_SHIFT_SECONDS="2", PODIUM_SHIFT_LINGER_SECONDS="0.3")
        )
    elif name == "between_bury_and_free":
        fault(number, title, full=2, p99=8)(lambda lab: bury(lab, name))
    else:
        fault(number, title, full=3, p50=2, p99=8)(lambda lab: die(lab, name))


for _name in NAMES:
    _enter(_name)


@fault("F04", "kill -9 between a call and its entry, at-least-once", quick=1, full=15, p50=2, p99=8)
def between_call_and_entry(lab: Lab) -> None:
    """Kill with calls made and nothing written: the same keys again, each applied once."""
    with lab.site() as site:
        marks = Marks(site, "after_call:7", lab.trials)
        site.save(workflows.chain("chain", 5, seconds=0.02))
        site.worker(**marks.environment)
        for _ in range(8):
            site.start("chain")
        until_dead(site, marks, lab.trials, "chain", "after_call")
        lab.tried(len(marks.times()))
        measure(lab, marks)
        keys = Counter(each.key for each in site.outside.calls("work"))
        lab.require(max(keys.values(), default=0) > 1, "no call was made again: the kill hit nothing")
        lab.examine(site)


@fault("F04b", "kill -9 between a call and its entry, at-most-once", quick=1, full=10, p50=2, p99=8)
def between_call_and_entry_at_most_once(lab: Lab) -> None:
    """Kill with calls made that must not be made again: nobody makes them; the execution says that it does not know."""
    with lab.site() as site:
        marks = Marks(site, "after_call:2", lab.trials)
        once = workflows.call("pay", "pay", delivery="at-most-once", seconds=0.05)
        site.save(workflows.workflow("once", once, workflows.call("ship", "ship", "pay")))
        site.worker(**marks.environment)
        for _ in range(3):
            site.start("once", expect="")
        until_dead(site, marks, lab.trials, "once", "after_call", expect="")
        lab.tried(len(marks.times()))
        measure(lab, marks)
        made = Counter(each.execution for each in site.outside.calls("pay"))
        lab.outcome.repeated += sum(times - 1 for times in made.values())
        lab.require(set(made.values()) <= {1}, f"a call that may be made once was made again: {made}")
        unknown = 0
        for row in Execution.objects.exclude(status="completed"):
            lab.require("outcome_unknown" in (row.error or ""), f"{row.id} is {row.status}: {row.error}")
            unknown += 1
        lab.require(unknown, "no outcome became unknown: the kill hit nothing")
        lab.note(f"{unknown} of {Execution.objects.count()} executions say outcome_unknown, none called twice")
        lab.examine(site)


@fault("F05", "the reply is lost after the effect", quick=1, full=20)
def reply_lost(lab: Lab) -> None:
    """Close the connection after the effect, before the answer: the same key again, applied once."""
    with lab.gentle() as site:
        site.save(workflows.chain("chain", 3))
        site.outside.go_wrong("work", "lost", times=lab.trials * 3)
        for _ in range(lab.trials * 3):
            site.start("chain")
        site.all_ended()
        calls = site.outside.calls("work")
        lost = [each for each in calls if each.mode == "lost"]
        lab.tried(len(lost))
        again = Counter(each.key for each in calls)
        lab.require(all(again[each.key] > 1 for each in lost), "a call whose answer was lost was not made again")
        lab.examine(site)


@fault("F07", "kill -9 before, in and after the commit of 50 executions' entries", quick=0, full=6, p50=2, p99=8)
def group_commit(lab: Lab) -> None:
    """Kill round a commit that is shared by many: all of it is there, or nothing."""
    for where in ("before_commit", "inside_commit", "after_commit"):
        for first in range(0, lab.trials, DEATHS_OF_ONE):
            _kill_round_commits(lab, where, min(DEATHS_OF_ONE, lab.trials - first))


def _kill_round_commits(lab: Lab, where: str, deaths: int) -> None:
    with lab.site() as site:
        marks = Marks(site, f"{where}:2", deaths)
        site.save(workflows.chain("chain", 3))
        for _ in range(50):
            site.start("chain")
        site.worker(**marks.environment)
        until_dead(site, marks, deaths, "chain", where)
        lab.tried(len(marks.times()))
        measure(lab, marks)
        most = _whole_batches(lab)
        lab.note(f"{where}: the largest commit held {most} executions")
        lab.require(most >= 10, "no commit was shared by many executions")
        lab.examine(site, heal=where == "after_commit")


def _whole_batches(lab: Lab) -> int:
    """Require that of every commit all entries are there; return how many executions the largest one held."""
    most = 0
    there = set(JournalEntry.objects.values_list("execution_id", "seq"))
    for touched in JournalBatch.objects.values_list("touched", flat=True):
        members = [line.split(" ") for line in touched.splitlines()]
        most = max(most, len(members))
        missing = [each for each, seq, *_ in members if int(seq) and (each, int(seq)) not in there]
        lab.require(not missing, f"half a commit: {len(missing)} of {len(members)} executions miss their entry")
    return most


@fault("F08", "kill -9 at every compensation", quick=0, full=16, p50=2, p99=8)
def in_compensation(lab: Lab) -> None:
    """Kill while steps are undone: each is undone once, in reverse order, whichever was just being undone."""
    hit: Counter[str] = Counter()
    # Seven calls an execution: a death every five passes falls on another one each time.
    for where in ("before_call:5", "after_call:5"):
        with lab.site() as site:
            marks = Marks(site, where, lab.trials // 2)
            site.save(workflows.saga("saga", 3))
            site.outside.go_wrong("refuse", "status", times=10**6, status=422)
            site.worker(**marks.environment)
            site.start("saga", expect="failed")
            until_dead(site, marks, lab.trials // 2, "saga", where, expect="failed")
            lab.tried(len(marks.times()))
            measure(lab, marks)
            calls = site.outside.calls()
            for died in marks.times():
                # The mark's time is that of the kernel's last tick; nobody calls so soon after a death.
                before = [each for each in calls if each.at / 1e6 < died + 0.05]
                hit[before[-1].step if before else ""] += 1
            lab.examine(site)
    lab.note("the last call before each death: " + ", ".join(f"{step} {times}" for step, times in sorted(hit.items())))
    lab.require(sum(times for step, times in hit.items() if step.startswith("undo")) > 0, "no compensation was hit")


@fault("F09", "a compensation fails for ever", quick=0, full=1)
def compensation_fails(lab: Lab) -> None:
    """Refuse the undoing for good: the execution says so, and its neighbours are not held up."""
    with lab.site() as site:
        bad = workflows.saga("saga", 2)
        for step in bad["steps"]:
            if "compensate" in step:
                step["compensate"]["retry"] = {"max_attempts": 3, "delay": "20ms", "jitter": 0}
        site.save(bad)
        site.save(workflows.chain("chain", 2))
        site.outside.go_wrong("refuse", "status", times=10**6, status=422)
        site.outside.go_wrong("undo", "status", times=10**6, status=500)
        site.worker()
        for _ in range(5):
            site.start("saga", expect="compensation_failed")
            site.start("chain")
        site.all_ended()
        lab.tried(5)
        tries = Counter((each.execution, each.step) for each in site.outside.calls("undo"))
        lab.require(set(tries.values()) == {3}, f"each undoing is tried three times: {tries}")
        lab.examine(site)


@fault("F10", "kill -9 while a child ends and its parent was not told", quick=0, full=8, p50=2, p99=8)
def child_ends(lab: Lab) -> None:
    """Kill round the commits in which children end: the parents go on, once."""
    for where in ("before_commit:9", "after_commit:9"):
        with lab.site() as site:
            marks = Marks(site, where, lab.trials // 2)
            site.save(workflows.workflow("child", workflows.call("x", "work")))
            sub = {"id": "sub", "type": "subflow", "workflow": "child"}
            site.save(workflows.workflow("parent", sub, workflows.call("b", "work", "sub")))
            site.worker(**marks.environment)
            for _ in range(10):
                site.start("parent")
            until_dead(site, marks, lab.trials // 2, "parent", where)
            lab.tried(len(marks.times()))
            measure(lab, marks)
            told = Counter(JournalEntry.objects.filter(type="step.completed", step="sub").values_list("execution_id"))
            lab.require(set(told.values()) <= {1}, "a parent heard twice of its child's end")
            lab.examine(site)

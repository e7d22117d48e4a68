"""F41 to F43: services that refuse, reset, are not there, never answer, drip, and ask for absurd patience."""

from __future__ import annotations

from typing import Any

import orjson

from orchestration.engine.models import JournalEntry
from tests.faults import workflows
from tests.faults.lab import Lab, fault
from tests.faults.proxy import Proxy
from tests.faults.servers import free_port
from tests.faults.site import Site

# What an attempt may take longer than its timeout.
OVERRUN = 0.5


def _register(site: Site, name: str, port: int, host: str = "127.0.0.1", scheme: str = "http") -> None:
    from orchestration.registry.operations import register

    register(team_id=site.team, name=name, address=f"{scheme}://{host}:{port}", health_path="")


def _errors(execution: str) -> list[tuple[str, bool]]:
    """Return code and way of each attempt that failed, in order."""
    kinds = ("step.retrying", "step.failed")
    rows = JournalEntry.objects.filter(execution_id=execution, type__in=kinds).order_by("seq")
    found = rows.values_list("type", "data")
    return [(orjson.loads(data)["error"]["code"], kind == "step.retrying") for kind, data in found]


@fault("F41", "a service refuses, resets, has no name, no certificate", quick=1, full=3)
def unreachable(lab: Lab) -> None:
    """Call what cannot be reached: it counts as `connection`, is tried again, and comes right when the service does."""
    with lab.gentle() as site, Proxy(site.outside.port).running() as way:
        _register(site, "refusing", free_port())
        _register(site, "nameless", 8080, host="no-such-host.invalid")
        _register(site, "plain", site.outside.port, scheme="https")
        _register(site, "far", way.port)
        few = {"max_attempts": 2, "delay": "20ms", "jitter": 0}
        # Asking for a name that is none takes as long as the resolver takes.
        names = ("refusing", "plain") if lab.quick else ("refusing", "nameless", "plain")
        for name in names:
            site.save(workflows.workflow(name, workflows.call("z", "work") | {"service_name": name, "retry": few}))
        site.save(workflows.workflow("far", workflows.call("s0", "work") | {"service_name": "far"}))
        site.save(workflows.chain("reset", 1))
        for _ in range(lab.trials):
            started = {name: site.start(name, expect="failed") for name in names}
            way.switch("refuse")
            far = site.start("far")
            site.outside.go_wrong("work", "reset", times=2)
            site.start("reset")
            site.until(lambda one=far: len(_errors(one)) >= 2, "two refusals")
            way.switch("pass")
            site.all_ended()
            for name, each in started.items():
                found = _errors(each)
                lab.require(found == [("connection", True), ("connection", False)], f"{name}: {found}")
                lab.tried()
        lab.examine(site)


@fault("F42", "a service is half-open, drips, sends endless headers", quick=1, full=2)
def never_answers(lab: Lab) -> None:
    """Call what takes the call and never answers: the deadline cuts it in time, and its place is free again."""
    with lab.gentle() as site, Proxy(site.outside.port).running() as way:
        _register(site, "hole", way.port)
        way.switch("blackhole")
        once = {"max_attempts": 1}
        for name, method, service in (
            ("hang", "hang", "outside"),
            ("drip", "drip", "outside"),
            ("headers", "headers", "outside"),
            ("hole", "work", "hole"),
        ):
            step = workflows.call("z", method, timeout="1s") | {"service_name": service, "retry": once}
            site.save(workflows.workflow(name, step))
            if service == "outside":
                site.outside.go_wrong(method, name, times=10**6)
        site.save(workflows.chain("chain", 2))
        for _ in range(lab.trials):
            started = [
                site.start(name, expect="failed") for name in ("hang", "drip", "headers", "hole") for _ in range(10)
            ]
            site.start("chain")
            site.all_ended()
            for each in started:
                _cut_in_time(lab, site, each)
        lab.examine(site)


def _cut_in_time(lab: Lab, site: Site, execution: str) -> None:
    entries = {entry.type: entry for entry in site.journal(execution)}
    began, failed = entries["step.started"], entries["step.failed"]
    took = (failed.at - began.at).total_seconds() if hasattr(failed.at, "timestamp") else (failed.at - began.at) / 1e6
    code = _errors(execution)[-1][0]
    lab.require(code in ("timeout", "connection"), f"it failed with {code}")
    lab.require(took <= 1 + OVERRUN * (4 if lab.quick else 1), f"an attempt of 1 s took {took:.2f} s ({code})")
    lab.tried()


ABSURD: tuple[tuple[int, Any], ...] = (
    (429, "abc"),
    (503, "-1"),
    (503, "Fri, 31 Dec 9999 23:59:59 GMT"),
    (429, "99999999999999999999999"),
    (503, "0.0001"),
    (503, ""),
    (429, "Mon, 01 Jan 0000 00:00:00 GMT"),
    (503, "nan"),
    (503, "1e400"),
)


@fault("F43", "a service asks for absurd patience (Retry-After)", quick=0, full=1)
def absurd_patience(lab: Lab) -> None:
    """Answer with every kind of Retry-After: it is obeyed up to its bound, otherwise the step's own wait holds."""
    with lab.site(PODIUM_RETRY_AFTER_MAX_SECONDS="2") as site:
        site.worker()
        for number, (status, text) in enumerate([*ABSURD, (429, "3600"), (503, "1")]):
            method = f"m{number}"
            site.save(workflows.workflow(f"w{number}", workflows.call("z", method)))
            site.outside.go_wrong(method, "status", times=1, status=status, retry_after=text)
            site.start(f"w{number}")
            lab.tried()
        site.all_ended(timeout=60)
        lab.examine(site)

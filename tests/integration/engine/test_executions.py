"""Executions on a real shift: what is started runs, and what is done to it takes effect."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from orchestration.domain import facts
from orchestration.domain.errors import InputInvalid, NotFound, Refused
from orchestration.engine import operations, queries, starting
from orchestration.engine.models import Execution, InboxItem
from orchestration.registry.local import ACCEPTED, CallContext, ServiceError
from tests.integration.engine.conftest import Shifts, Site, call
from tests.waiting import wait_for

Service = Callable[..., None]


def test_a_chain_runs_to_its_end_and_leaves_its_whole_story(site: Site, shift: Shifts, service: Service) -> None:
    service("add", lambda input: {"n": input["n"] + 1})
    site.save("chain", call("a", "add", input={"n": 1}), call("b", "add", "a", input={"n": "${vars.n}"}))

    execution = site.start("chain")
    summary = site.ended(execution)

    assert (summary.status, summary.steps_done, summary.steps_total, summary.progress) == ("completed", 2, 2, 1.0)
    assert site.detail(execution).output == {"n": 3}
    assert site.journal(execution) == [
        ("workflow.started", ""),
        ("step.started", "a"),
        ("step.completed", "a"),
        ("step.started", "b"),
        ("step.completed", "b"),
        ("workflow.completed", ""),
    ]


def test_a_failure_is_tried_again_with_the_same_key(site: Site, shift: Shifts, service: Service) -> None:
    keys = []

    def flaky(input: dict[str, Any], context: CallContext) -> dict[str, Any]:
        keys.append((context.attempt, context.idempotency_key))
        if context.attempt < 3:
            raise ServiceError("http_503")
        return {}

    service("flaky", flaky)
    site.save("flaky", call("a", "flaky"))
    execution = site.start("flaky")
    assert site.ended(execution).status == "completed"
    assert keys == [(n, f"{execution}/a") for n in (1, 2, 3)]
    assert [attempt.number for attempt in site.detail(execution).steps[0].tries] == [1, 2, 3]


def test_children_are_waited_for_and_their_ends_are_told(site: Site, shift: Shifts, service: Service) -> None:
    service("answer", lambda input: {"who": input["who"]})
    site.save("child", call("a", "answer", input={"who": "${input.who}"}))
    site.save(
        "parent",
        {"id": "one", "type": "subflow", "workflow": "child", "input": {"who": "one"}},
        {"id": "two", "type": "subflow", "workflow": "child", "input": {"who": "two"}, "wait": False},
        {"id": "none", "type": "subflow", "workflow": "nobody", "optional": True},
    )
    execution = site.start("parent")
    assert site.ended(execution).status == "completed"
    detail = site.detail(execution)
    outputs = {step.id: step.output for step in detail.steps}
    assert outputs["one"] == {"who": "one"}
    assert outputs["two"]["execution_id"] in {child.id for child in detail.children}
    assert [step.error["code"] for step in detail.steps if step.error] == ["workflow_not_found"]
    for child in detail.children:
        assert site.ended(child.id).status == "completed"


def test_a_signal_ends_a_wait_and_a_wrong_action_is_refused(site: Site, shift: Shifts) -> None:
    site.save("wait", {"id": "w", "type": "wait", "signal": "go"})
    execution = site.start("wait")
    site.until(execution, "step.waiting", "w")
    [reason] = site.detail(execution).waiting_for
    assert (reason.kind, reason.step) == ("signal", "w")

    with pytest.raises(Refused) as refused:
        site.act(execution, facts.Resume())
    assert refused.value.details["state"] == "running"
    assert "pause" in refused.value.details["allowed"]

    assert site.act(execution, facts.Signal("go", {"ok": True})).done
    assert site.ended(execution).status == "completed"
    assert site.detail(execution).output == {"timed_out": False, "value": {"ok": True}, "by": "test"}
    with pytest.raises(Refused):
        site.act(execution, facts.Signal("go"))
    assert not InboxItem.objects.exists()


def test_what_only_waits_is_put_down_and_goes_on_when_it_is_told_something(site: Site, shift: Shifts) -> None:
    site.save("wait", {"id": "w", "type": "wait", "signal": "go"})
    executions = [site.start("wait") for _ in range(5)]
    for each in executions:
        site.until(each, "step.waiting", "w")
    wait_for(lambda: not Execution.objects.filter(shift_id__isnull=False).exists(), what="all are put down")
    for each in executions:
        assert site.act(each, facts.Signal("go")).status == "completed"
    assert Execution.objects.filter(status="completed", claims=0, shift_id=None, wake_at=None).count() == 5


def test_a_pause_holds_and_a_cancel_reaches_the_children(site: Site, shift: Shifts, service: Service) -> None:
    async def for_ever(input: dict[str, Any]) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    service("hang", for_ever)
    site.save("child", call("a", "hang"))
    site.save("parent", {"id": "sub", "type": "subflow", "workflow": "child"})
    execution = site.start("parent")
    site.until(execution, "step.started", "sub")
    assert site.act(execution, facts.Pause()).status == "paused"
    assert site.act(execution, facts.Resume()).status == "running"
    wait_for(lambda: site.detail(execution).children, what="the child")
    [child] = site.detail(execution).children
    site.until(child.id, "step.started", "a")
    assert site.act(execution, facts.Cancel()).status == "cancelled"
    assert site.ended(child.id).status == "cancelled"


def test_what_failed_can_be_retried_after_its_end(site: Site, shift: Shifts, service: Service) -> None:
    broken = threading.Event()
    broken.set()

    def work(input: dict[str, Any]) -> dict[str, Any]:
        if broken.is_set():
            raise ServiceError("http_400")
        return {"done": True}

    service("work", work)
    site.save("retry", call("a", "work"), call("b", "work", "a"))
    execution = site.start("retry")
    assert site.ended(execution).error["code"] == "http_400"
    broken.clear()
    assert site.act(execution, facts.Retry()).status in ("running", "completed")
    summary = site.ended(execution)
    assert (summary.status, summary.attempt, summary.error) == ("completed", 2, None)


def test_a_callback_brings_the_result_once(site: Site, shift: Shifts, service: Service) -> None:
    addresses = []

    def take_on(input: dict[str, Any], context: CallContext) -> Any:
        addresses.append(context.callback)
        return ACCEPTED

    service("take_on", take_on)
    site.save("callback", call("a", "take_on", completion="callback"))
    execution = site.start("callback")
    site.until(execution, "step.waiting", "a")
    token = addresses[0].rpartition("/")[2]
    assert operations.post_callback(token=token, result={"output": {"file": "a.png"}})
    assert site.ended(execution).status == "completed"
    assert site.detail(execution).output == {"file": "a.png"}
    assert not operations.post_callback(token=token, result={"output": {}})
    with pytest.raises(NotFound):
        operations.post_callback(token=f"{token}x", result={})


def test_an_event_reaches_those_that_listen(site: Site, shift: Shifts, team: int) -> None:
    site.save("listen", {"id": "w", "type": "wait", "event": "paid", "match": "event.payload.order == input.order"})
    first, second = site.start("listen", order=1), site.start("listen", order=2)
    for each in (first, second):
        site.until(each, "step.waiting", "w")
    assert operations.publish_event(team_id=team, topic="other", payload={}) == 0
    assert operations.publish_event(team_id=team, topic="paid", payload={"order": 2}) == 2
    assert site.ended(second).status == "completed"
    assert queries.wait_until_ended(team_id=team, execution_id=first, timeout=0.2).status == "running"


def test_no_more_than_max_concurrent_run_at_once_by_priority(site: Site, shifts: Shifts, service: Service) -> None:
    running, most, order = set(), [0], []

    async def work(input: dict[str, Any]) -> dict[str, Any]:
        running.add(input["n"])
        order.append(input["n"])
        most[0] = max(most[0], len(running))
        await asyncio.sleep(0.02)
        running.discard(input["n"])
        return {}

    service("work", work)
    site.save("narrow", call("a", "work", input={"n": "${input.n}"}), config={"max_concurrent": 2})
    started = [site.start("narrow", n=n) for n in range(8)]
    urgent = operations.start_execution(team_id=site.team, workflow="narrow", input={"n": 99}, priority=0)
    shifts.start()
    shifts.start()
    for each in (*started, urgent.execution_id):
        assert site.ended(each).status == "completed"
    assert most[0] <= 2
    assert 99 in order[:2]


def test_one_that_waits_to_be_let_in_may_be_told_things(site: Site, shift: Shifts) -> None:
    wait = {"id": "w", "type": "wait", "signal": "go"}
    site.save("narrow", wait, {**wait, "id": "x", "dependencies": ["w"]}, config={"max_concurrent": 1})
    inside, waiting = site.start("narrow"), site.start("narrow")
    site.until(inside, "step.waiting", "w")
    for value in (1, 2):
        assert site.act(waiting, facts.Signal("go", value)).status == "pending"
    site.act(inside, facts.Cancel())
    assert site.ended(waiting).status == "completed"
    assert [kind for kind, step in site.journal(waiting) if not step][:3] == [
        "step.signalled",
        "step.signalled",
        "workflow.started",
    ]


def test_the_same_key_is_the_same_execution(site: Site, team: int, service: Service) -> None:
    site.save("once", {"id": "w", "type": "delay", "duration": "1h"})

    def start(**input: Any) -> operations.StartedExecution:
        return operations.start_execution(team_id=team, workflow="once", input=input, idempotency_key="k")

    first = start(a=1)
    again = start(a=1)
    assert (first.replayed, again.replayed, again.execution_id) == (False, True, first.execution_id)
    with pytest.raises(operations.IdempotencyMismatch):
        start(a=2)
    assert Execution.objects.count() == 1


def test_what_cannot_be_started_starts_nothing(site: Site, team: int) -> None:
    site.save("strict", {"id": "w", "type": "delay", "duration": "1h"}, input_schema={"required": ["order"]})
    with pytest.raises(InputInvalid) as invalid:
        site.start("strict")
    assert [problem.path for problem in invalid.value.problems] == ["input.order"]
    with pytest.raises(InputInvalid):
        site.start("strict", order=float("nan"))
    with pytest.raises(NotFound):
        site.start("unknown")
    with pytest.raises(NotFound):
        operations.start_execution(team_id=team, workflow="strict", revision=7, input={"order": 1})
    assert not Execution.objects.exists()


def test_secrets_reach_the_service_and_nothing_else(site: Site, shift: Shifts, team: int, service: Service) -> None:
    seen = []
    service("call", lambda input: seen.append(input) or {})
    operations.set_secret(team_id=team, name="api_key", value="canary-123")
    site.save("secret", call("a", "call", input={"key": "Bearer ${secrets.api_key}"}))
    execution = site.start("secret")
    assert site.ended(execution).status == "completed"
    assert seen == [{"key": "Bearer canary-123"}]
    entries = queries.list_events(team_id=team, execution_id=execution)
    assert "canary-123" not in repr(entries)


def test_another_teams_execution_is_not_found(site: Site, team: int) -> None:
    site.save("wait", {"id": "w", "type": "wait", "signal": "go"})
    execution = site.start("wait")
    for ask in (
        lambda: queries.get_execution(team_id=team + 1, execution_id=execution),
        lambda: queries.list_events(team_id=team + 1, execution_id=execution),
        lambda: operations.act(team_id=team + 1, execution_id=execution, fact=facts.Cancel()),
    ):
        with pytest.raises(NotFound):
            ask()
    assert queries.list_executions(team_id=team + 1).items == ()


def test_a_start_is_of_the_latest_revision_whoever_saved_it(site: Site) -> None:
    site.save("order", {"id": "w", "type": "wait", "signal": "go"})
    site.start("order")
    remembered = dict(starting._latest)
    site.save("order", {"id": "v", "type": "wait", "signal": "go"})
    site.start("order")
    # As another process has it, which has not seen the second one yet.
    starting._latest.update(remembered)
    assert site.detail(site.start("order")).summary.revision == 2


def test_an_input_is_judged_by_the_latest_revision_whoever_saved_it(site: Site) -> None:
    wait = {"id": "w", "type": "wait", "signal": "go"}
    site.save("order", wait, input_schema={"required": ["size"]})
    site.start("order", size=1)
    remembered = dict(starting._latest)
    site.save("order", wait, input_schema={"required": ["weight"]})
    starting._latest.update(remembered)
    assert site.detail(site.start("order", weight=1)).summary.revision == 2
    starting._latest.update(remembered)
    with pytest.raises(InputInvalid):
        site.start("order", size=1)

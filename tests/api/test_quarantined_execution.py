from __future__ import annotations

from orchestration.engine.models import Execution, JournalEntry
from tests.api.client import Caller
from tests.api.definitions import waiting_definition
from tests.api.running import reach_wait, shift_at_work, show, start
from tests.waiting import wait_for


def spoilt(program: Caller) -> str:
    """Start an execution whose journal cannot be folded."""
    program.post("workflows", waiting_definition(config={"max_concurrent": 1}))
    execution = start(program, "approval")
    JournalEntry.objects.update_or_create(
        execution_id=execution, seq=1, defaults={"at": 1, "type": "step.completed", "step": "nowhere", "data": "{}"}
    )
    Execution.objects.filter(id=execution).update(status="running", admitted=True, wake_at=1)
    return execution


def test_it_is_paused_and_says_why_and_is_released_by_a_resume(program: Caller, team_id: int, transactional_db: None):
    execution = spoilt(program)
    with shift_at_work():
        wait_for(lambda: Execution.objects.filter(id=execution, quarantined=True).exists(), what="the quarantine")
        shown = show(program, execution)
        assert shown["status"] == "paused"
        assert (shown["quarantined"], shown["error"]["code"]) == (True, "quarantined")
        [waiting] = shown["waiting_for"]
        assert (waiting["kind"], waiting["detail"]) == ("quarantined", shown["error"]["message"])
        assert "step.completed does not fit" in waiting["detail"]
        [listed] = program.get("executions?status=paused").body["items"]
        assert (listed["id"], listed["quarantined"]) == (execution, True)

        # It does not keep its place among the one that may run at once.
        other = start(program, "approval")
        reach_wait(program, other)

        JournalEntry.objects.filter(execution_id=execution).delete()
        answer = program.post(f"executions/{execution}/resume")
        assert (answer.status, answer.body) == (200, {"execution_id": execution, "status": "pending", "done": True})
        shown = reach_wait(program, execution)
        assert (shown["status"], shown["quarantined"], shown["error"]) == ("running", False, None)


def test_only_who_may_act_releases_it(program: Caller, viewer: Caller, stranger: Caller, transactional_db: None):
    execution = spoilt(program)
    Execution.objects.filter(id=execution).update(quarantined=True, status="paused")
    assert viewer.post(f"executions/{execution}/resume").status == 403
    assert stranger.post(f"executions/{execution}/resume").status == 404
    assert Execution.objects.filter(id=execution, quarantined=True).exists()

"""What people do from the pages: start a workflow, and pause, resume, signal, cancel, retry an execution."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client

from orchestration.engine import queries
from tests.dashboard import fakes
from tests.dashboard.conftest import started
from tests.waiting import wait_for


def _status(team_id: int, execution_id: str) -> str:
    return queries.get_execution(team_id=team_id, execution_id=execution_id).summary.status


def _reach(team_id: int, execution_id: str, status: str) -> None:
    wait_for(lambda: _status(team_id, execution_id) == status, what=f"the execution to be {status}")


def _wait_at_gate(team_id: int, execution_id: str) -> None:
    def waits() -> bool:
        detail = queries.get_execution(team_id=team_id, execution_id=execution_id)
        return any(step.status == "waiting" for step in detail.steps)

    wait_for(waits, what="the gate")


def _act(client: Client, execution_id: str, act: str, **more: str) -> str:
    response = client.post(f"/executions/{execution_id}/act", {"act": act, **more}, follow=True)
    assert response.redirect_chain == [(f"/executions/{execution_id}", 302)]
    return response.content.decode()


def test_it_prefills_the_form_with_an_example_that_can_be_started(team_id: int, order: str, operator: Client):
    page = operator.get("/workflows/order-processing").content.decode()
    text = re.search(r'<textarea id="input"[^>]*>\s*(.*?)</textarea>', page, re.DOTALL)
    assert text
    given = json.loads(text[1].replace("&quot;", '"'))
    assert given == {
        "order_id": "ORD-12345",
        "items": [{"sku": "PROD-001", "quantity": 1}],
        "total_amount": 99.99,
        "customer_email": "customer@example.com",
    }
    response = operator.post(
        "/workflows/order-processing/start", {"input": text[1].replace("&quot;", '"'), "key": "k1"}
    )
    assert response.status_code == 302
    found = queries.list_executions(team_id=team_id).items
    assert response.headers["Location"] == f"/executions/{found[0].id}"
    assert found[0].by == "operator"


def test_it_starts_one_execution_however_often_the_form_is_sent(team_id: int, order: str, operator: Client):
    form = {"input": json.dumps({"order_id": "1", "items": [], "total_amount": 1}), "key": "k1"}
    places = {operator.post("/workflows/order-processing/start", form).headers["Location"] for _ in range(3)}
    assert len(places) == 1
    other = {**form, "input": json.dumps({"order_id": "2", "items": [], "total_amount": 1})}
    again = operator.post("/workflows/order-processing/start", other)
    assert again.status_code == 422
    assert "has started an execution before" in again.content.decode()
    assert len(queries.list_executions(team_id=team_id).items) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"order_id": 5, "items": []}', ["input.order_id", "input.total_amount"]),
        ("{", ["JSON"]),
        ('{"a": 1, "a": 2}', ["a"]),
        ("[1]", ["has to be an object"]),
        ('{"total_amount": NaN}', ["NaN"]),
    ],
)
def test_it_says_everything_that_is_wrong_with_an_input_and_keeps_it(
    team_id: int, order: str, operator: Client, text: str, said: list[str]
):
    response = operator.post("/workflows/order-processing/start", {"input": text, "key": "k"})
    page = response.content.decode()
    assert response.status_code == 422
    assert all(each in page for each in said), page[page.index("flash") :][:900]
    assert 'role="alert"' in page
    assert text.replace('"', "&quot;") in page
    assert not queries.list_executions(team_id=team_id).items


def test_it_lets_viewers_look_and_change_nothing(team_id: int, order: str, viewer: Client):
    execution_id = started(team_id, order, order_id="1", items=[], total_amount=1)
    page = viewer.get(f"/executions/{execution_id}").content.decode()
    assert '<div class="act-slot" hidden>' in page
    assert "You may look" in _act(viewer, execution_id, "cancel")
    assert "You may look" in viewer.get("/workflows/order-processing").content.decode()
    viewer.post("/workflows/order-processing/start", {"input": "{}"})
    assert [each.status for each in queries.list_executions(team_id=team_id).items] == ["pending"]


def test_it_refuses_what_it_does_not_know(team_id: int, order: str, operator: Client):
    execution_id = started(team_id, order, order_id="1", items=[], total_amount=1)
    assert "There is no such action." in _act(operator, execution_id, "explode")
    assert operator.get(f"/executions/{execution_id}/act").status_code == 405
    assert Client(enforce_csrf_checks=True).post(f"/executions/{execution_id}/act", {"act": "pause"}).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_it_pauses_resumes_and_signals(team_id: int, echo: str, operator: Client, shift: None):
    execution_id = started(team_id, echo, text="hello")
    _wait_at_gate(team_id, execution_id)
    page = operator.get(f"/executions/{execution_id}").content.decode()
    assert "gate waits for a signal" in page
    assert 'value="go"' in page
    assert "Paused. What runs ends, nothing new starts." in _act(operator, execution_id, "pause")
    assert _status(team_id, execution_id) == "paused"
    assert "is paused: pause does not fit" in _act(operator, execution_id, "pause")
    assert "Resumed." in _act(operator, execution_id, "resume")
    assert "JSON" in _act(operator, execution_id, "signal", name="go", value="{")
    assert "The signal is sent." in _act(operator, execution_id, "signal", name="go", value='{"ok": true}')
    _reach(team_id, execution_id, "completed")
    detail = queries.get_execution(team_id=team_id, execution_id=execution_id)
    assert next(step.output for step in detail.steps if step.id == "gate")["by"] == "operator"


@pytest.mark.django_db(transaction=True)
def test_it_cancels_and_runs_again(team_id: int, echo: str, operator: Client, shift: None):
    execution_id = started(team_id, echo, text="hello")
    _wait_at_gate(team_id, execution_id)
    page = operator.get(f"/executions/{execution_id}").content.decode()
    assert "1 step in progress will be stopped, 1 will not run." in page
    assert "Cancelled." in _act(operator, execution_id, "cancel")
    assert _status(team_id, execution_id) == "cancelled"
    page = operator.get(f"/executions/{execution_id}?step=gate").content.decode()
    assert "Run again from this step" in page
    assert "It runs again from what failed." in _act(operator, execution_id, "retry")
    _wait_at_gate(team_id, execution_id)
    _act(operator, execution_id, "cancel")
    assert "It runs again from this step." in _act(operator, execution_id, "rerun", step="first")
    _wait_at_gate(team_id, execution_id)
    _act(operator, execution_id, "signal", name="go", value=json.dumps(fakes.HOSTILE))
    _reach(team_id, execution_id, "completed")

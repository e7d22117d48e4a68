"""The demo's order while workers are killed in its middle: it completes, and the outside world saw each effect once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.engine.operations import start_execution
from orchestration.engine.queries import get_execution, wait_until_ended
from orchestration.management.demo.loading import load_demo
from orchestration.teams.operations import default_team
from tests.integration.engine.conftest import Worker
from tests.integration.tools.programs import asked, running_farm
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

ORDER = {
    "order_id": "ORD-9",
    "customer_email": "customer@example.com",
    "order_items": [{"product_id": "PROD-001", "quantity": 2}],
    "total_amount": 99.99,
    "payment_method": "credit_card",
    "shipping_address": {"street": "123 Main St", "city": "Anytown", "zip": "12345"},
}


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[str]:
    """Run a farm at its natural pace; give its address."""
    with running_farm(tmp_path, pace=1.0) as url:
        yield url


@pytest.fixture
def worker(transactional_db: None, tmp_path: Path) -> Iterator[Worker]:
    """Give a worker that has not started yet."""
    found = Worker(tmp_path)
    yield found
    found.kill()


def _calls(farm: str, key: str, method: str = "") -> list[dict[str, Any]]:
    return asked(f"{farm}/__calls?key={key}&method={method}")["calls"]


@pytest.mark.parametrize("method", ["authorize", "create"])
def test_it_completes_when_its_worker_is_killed_in_the_middle_of_a_call(farm: str, worker: Worker, method: str):
    load_demo(farm_url=farm, executions=False)
    team_id = default_team().id
    worker.start()
    execution = start_execution(team_id=team_id, workflow="order-processing", input=ORDER, by="test").execution_id
    wait_for(lambda: _calls(farm, execution, method), what=f"the call of {method}", timeout=120)
    worker.kill()
    worker.start()

    ended = wait_until_ended(team_id=team_id, execution_id=execution, timeout=120.0)
    assert (ended.status, ended.error) == ("completed", None), worker.said()[-2000:]
    detail = get_execution(team_id=team_id, execution_id=execution)
    assert detail.output["text"] == "order ORD-9 is on its way"
    calls = _calls(farm, execution)
    assert {call["key"].split("/")[0] for call in calls} == {execution}
    assert asked(f"{farm}/__summary")["applied_twice"] == []
    # Only what was being called when the worker died was called again, and under the same key.
    again = {key for key, times in Counter(call["key"] for call in calls).items() if times > 1}
    assert {call["method"] for call in calls if call["key"] in again} <= {method}

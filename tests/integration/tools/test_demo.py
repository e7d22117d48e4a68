"""The demo over the real farm: loaded twice, run once, every ending as it is meant."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.core.management import CommandError, call_command
from django.db import connections

from orchestration.engine.driver import run_shift
from orchestration.engine.queries import await_until_ended, get_execution, list_executions
from orchestration.management.demo.executions import EXAMPLES
from orchestration.management.demo.loading import load_demo
from orchestration.registry.queries import list_services
from orchestration.teams.operations import default_team
from orchestration.teams.queries import principal_for_key, team_for_user
from tests.integration.tools.programs import asked, running_farm

pytestmark = pytest.mark.django_db(transaction=True)

NOWHERE = "http://127.0.0.1:18090"
ENDINGS = {
    "smooth": ("completed", None),
    "retried": ("completed", None),
    "declined": ("failed", "all_failed"),
    "undeliverable": ("failed", "undeliverable"),
    "bounced": ("completed", None),
    "voucher": ("completed", None),
    "answer-lost": ("completed", None),
    "loaded": ("completed", None),
    "second-round": ("completed", None),
    "no-source": ("failed", "source_missing"),
}


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[str]:
    """Run a farm in a hurry; give its address."""
    with running_farm(tmp_path, pace=0.05) as url:
        yield url


def _run_all(team_id: int) -> None:
    async def work(ids: list[str]) -> None:
        over = False
        shift = asyncio.create_task(run_shift(until=lambda: over))
        try:
            for each in ids:
                await await_until_ended(team_id=team_id, execution_id=each, timeout=60.0)
        finally:
            over = True
            await shift

    ids = [each.id for each in list_executions(team_id=team_id).items]
    connections.close_all()
    asyncio.run(work(ids))


def _executions(team_id: int) -> dict[str, Any]:
    """Return the demo's executions by the names of their examples."""
    newest_first = list_executions(team_id=team_id).items
    assert len(newest_first) == len(EXAMPLES)
    return {
        example.name: get_execution(team_id=team_id, execution_id=each.id)
        for example, each in zip(EXAMPLES, reversed(newest_first), strict=True)
    }


def _statuses(execution: Any) -> dict[str, str]:
    return {step.path: step.status for step in execution.steps}


def test_it_ends_in_every_way_that_it_is_there_to_show(farm: str):
    load_demo(farm_url=farm)
    team_id = default_team().id
    _run_all(team_id)
    found = _executions(team_id)
    endings = {
        name: (each.summary.status, each.summary.error["code"] if each.summary.error else None)
        for name, each in found.items()
    }
    assert endings == ENDINGS

    smooth = found["smooth"]
    assert smooth.output["text"] == "order ORD-1001 is on its way"
    assert smooth.output["payment_id"].startswith("PAY-")
    assert sum(status == "completed" for status in _statuses(smooth).values()) == 7
    assert next(step for step in found["retried"].steps if step.id == "validate-order").attempts == 3
    declined = _statuses(found["declined"])
    assert declined["reserve-inventory"] == "compensated"
    assert declined["authorize-payment"] == "failed"
    undeliverable = _statuses(found["undeliverable"])
    assert undeliverable["reserve-inventory"] == "compensated"
    assert undeliverable["process-payment"] == "compensated"
    assert "compensated" in (undeliverable["authorize-payment.acorn"], undeliverable["authorize-payment.birch"])
    assert _statuses(found["bounced"])["send-confirmation"] == "failed"
    assert found["voucher"].output["provider"] == "birch"
    assert next(step for step in found["answer-lost"].steps if step.id == "create-shipment").attempts == 2
    assert found["second-round"].summary.attempt == 2
    assert found["loaded"].output["rows"] + found["loaded"].output["rejected"] == 40
    _check_what_the_farm_was_asked(farm)


def _check_what_the_farm_was_asked(farm: str) -> None:
    summary = asked(f"{farm}/__summary")
    assert summary["applied_twice"] == []
    methods = summary["methods"]
    reused = [
        call
        for call in asked(f"{farm}/__calls?outcome=refused")["calls"]
        if call["answer"]["error"]["code"] == "key_reused"
    ]
    assert reused == []
    assert methods["inventory.release"]["applied"] == 2
    assert methods["payment.refund"]["applied"] == 1
    assert methods["shipping.create"]["cut"] == methods["shipping.create"]["replayed"] == 1
    # Six orders came that far, and whatever the race did, each was charged once.
    assert methods["payment.charge"]["applied"] == 6


def test_loading_it_again_changes_nothing(farm: str):
    first = load_demo(farm_url=farm)
    services = list_services(team_id=default_team().id)
    again = load_demo(farm_url=farm)
    assert (first.started, again.started) == (len(EXAMPLES), 0)
    assert first.workflows == again.workflows == ("order-processing", "data-processing")
    assert [each.name for each in services] == list(first.services)
    assert [[i.id for i in each.instances] for each in list_services(team_id=default_team().id)] == [
        [i.id for i in each.instances] for each in services
    ]


def test_a_farm_that_moved_takes_the_place_of_the_old_one():
    load_demo(farm_url=NOWHERE, executions=False)
    load_demo(farm_url="http://127.0.0.1:18091/", executions=False)
    urls = [each.url for service in list_services(team_id=default_team().id) for each in service.instances]
    assert len(urls) == 9
    assert all(url.startswith("http://127.0.0.1:18091/") for url in urls)


def test_it_makes_the_demo_a_member_who_can_log_in_here_only():
    load_demo(farm_url=NOWHERE, executions=False)
    user = get_user_model().objects.get(username="demo")
    assert user.check_password("demo")
    assert (user.is_staff, user.is_superuser) == (False, False)
    team = team_for_user(user_id=user.pk)
    assert team is not None
    assert team.slug == "default"
    assert authenticate(None, username="demo", password="demo") is None


def test_the_command_leaves_a_key_that_only_its_owner_can_read(tmp_path: Path):
    file = tmp_path / "demo-key"
    for _ in range(2):
        call_command("load_demo", farm=NOWHERE, key_file=file, no_executions=True, verbosity=0)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    principal = principal_for_key(key=file.read_text().strip())
    assert principal is not None
    assert principal.team_id == default_team().id


def test_the_command_refuses_an_address_that_is_none():
    with pytest.raises(CommandError, match="address"):
        call_command("load_demo", farm="ftp://x", verbosity=0)

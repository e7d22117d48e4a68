"""Dead rows are cleared away where work passes through, and only when there are many."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.conf import LazySettings
from django.db import connection

from orchestration.engine.models import Execution
from orchestration.engine.vacuuming import clear_dead_rows
from tests.integration.engine.conftest import Site
from tests.waiting import wait_for

WAIT = {"id": "w", "type": "wait", "signal": "go"}


def _change_every_row() -> None:
    for each in range(1, 4):
        Execution.objects.update(steps_done=each)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")


@pytest.mark.needs_postgres
def test_it_clears_a_table_once_enough_dead_rows_have_come_together(site: Site, settings: LazySettings) -> None:
    settings.PODIUM = replace(settings.PODIUM, vacuum_dead_rows=10)
    site.save("wait", WAIT)
    for _ in range(5):
        site.start("wait")
    _change_every_row()
    wait_for(lambda: "podium_execution" in clear_dead_rows(), what="the statistics")
    assert Execution.objects.count() == 5
    wait_for(lambda: "podium_execution" not in clear_dead_rows(), what="nothing to be left to do")


@pytest.mark.needs_postgres
def test_it_leaves_a_table_with_few_dead_rows_alone(site: Site) -> None:
    site.save("wait", WAIT)
    site.start("wait")
    _change_every_row()
    assert clear_dead_rows() == []


def test_it_has_nothing_to_do_on_sqlite(site: Site) -> None:
    if connection.vendor == "sqlite":
        assert clear_dead_rows() == []

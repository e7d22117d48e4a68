"""Everybody at once: probes, heartbeats, reports and people write the same rows, and nobody waits for ever."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest
from django.db import connections

from orchestration import clock
from orchestration.domain.health import judge
from orchestration.registry import heartbeats, operations, probe_rows, queries, reports
from orchestration.registry.heartbeats import Ear
from orchestration.teams.operations import default_team

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.needs_postgres]

INSTANCES = 60
ROUNDS = 12


def test_those_who_write_many_rows_do_not_lock_each_other_out():
    team = default_team().id
    ids = [
        operations.register(team_id=team, name="inventory", address=f"http://127.0.0.1:{9000 + n}", ttl=1).id
        for n in range(INSTANCES)
    ]
    first = queries.latest_index()
    errors: list[BaseException] = []

    def probe(chance: random.Random) -> None:
        reports.probe_at_once(chance.sample(ids, 30))
        targets = probe_rows.claim_due(clock.now())
        verdicts = []
        for target in chance.sample(targets, len(targets)):
            well = chance.random() < 0.5
            health = judge(target.health, passed=well, thresholds=target.terms.thresholds)
            verdicts.append(probe_rows.Verdict(target, health, "" if well else "timeout", clock.now()))
        if verdicts:
            probe_rows.write_down(verdicts)

    def beat(chance: random.Random) -> None:
        heartbeats._write(chance.sample(ids, 40), clock.now())

    def change(chance: random.Random) -> None:
        operations.update(team_id=team, instance_id=chance.choice(ids), changes={"version": str(chance.random())})

    def run(act: Callable[[random.Random], None], seed: int) -> None:
        chance = random.Random(seed)
        try:
            for _ in range(ROUNDS):
                act(chance)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(act, seed)) for act in (probe, beat, change) for seed in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert errors == []
    seen, index = [], first
    while (page := queries.events_after(team_id=team, index=index)).items:
        seen += [each.index for each in page.items]
        index = page.index
    assert seen == list(range(first + 1, queries.latest_index() + 1))
    assert Ear().keep_up(now=clock.now()) == 0

"""The farm's record of calls: what it keeps over a restart and after a crash."""

from __future__ import annotations

import json
from pathlib import Path

from loadtests.farm.ledger import APPLIED, FAILED, Call, Ledger

EFFECT = ("inventory", "reserve", "e1/reserve")


async def _receive(ledger: Ledger, key: str = "e1/reserve") -> Call:
    return await ledger.receive(service="inventory", method="reserve", key=key, attempt="1", given={"order_id": "O"})


async def test_it_knows_after_a_restart_what_was_applied(tmp_path: Path):
    path = tmp_path / "calls.jsonl"
    first = Ledger(path)
    first.open()
    call = await _receive(first)
    await first.conclude(call, outcome=APPLIED, status=200, answer={"reservation_id": "RES-1"})
    await first.close()

    second = Ledger(path)
    second.open()
    again = second.applied(EFFECT)
    assert again is not None
    assert again.answer == {"reservation_id": "RES-1"}
    assert again.input == {"order_id": "O"}
    assert (await _receive(second)).number == 2
    await second.close()


async def test_it_counts_tries_that_came_to_nothing_over_a_restart(tmp_path: Path):
    path = tmp_path / "calls.jsonl"
    first = Ledger(path)
    first.open()
    for _ in range(2):
        await first.conclude(await _receive(first), outcome=FAILED, status=503, answer={})
    await first.close()

    second = Ledger(path)
    second.open()
    assert second.tries(EFFECT) == 2
    assert second.applied(EFFECT) is None
    await second.close()


async def test_it_cuts_off_a_line_that_was_half_written(tmp_path: Path):
    path = tmp_path / "calls.jsonl"
    first = Ledger(path)
    first.open()
    await _receive(first)
    await first.close()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"line": "end", "num')

    second = Ledger(path)
    second.open()
    assert path.read_bytes() == whole
    assert [call.outcome for call in second.asked()] == [""]
    await second.close()


async def test_it_has_a_call_on_disk_before_it_goes_on(tmp_path: Path):
    path = tmp_path / "calls.jsonl"
    ledger = Ledger(path)
    ledger.open()
    await _receive(ledger)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["line"], line["key"]) for line in lines] == [("call", "e1/reserve")]
    await ledger.close()


async def test_it_finds_calls_by_service_outcome_and_the_beginning_of_a_key():
    ledger = Ledger()
    one, other = await _receive(ledger, "e1/reserve"), await _receive(ledger, "e2/reserve")
    await ledger.conclude(one, outcome=APPLIED, status=200, answer={})
    assert [call.number for call in ledger.asked(key="e1/")] == [one.number]
    assert [call.number for call in ledger.asked(outcome=APPLIED)] == [one.number]
    assert [call.number for call in ledger.asked(service="inventory", after=1)] == [other.number]
    assert list(ledger.asked(service="payment")) == []

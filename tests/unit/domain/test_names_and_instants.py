"""Derived names, hashed jitter and instants as text."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.ids import attempt_reference, child_execution_id, fraction, idempotency_key, path_of_attempt
from orchestration.domain.instants import format_instant, from_datetime, parse_instant, to_datetime


def test_it_gives_every_attempt_a_name_of_its_own_that_leads_back_to_its_step_run() -> None:
    path = "orders[3].pay"
    names = {attempt_reference(path, seq, undo_attempt) for seq in (1, 11) for undo_attempt in (0, 1, 2)}
    assert len(names) == 6
    assert {path_of_attempt(name) for name in names} == {path}


def test_it_keeps_the_idempotency_key_until_a_success_is_run_anew() -> None:
    assert idempotency_key("e", "pay", 0) == "e/pay"
    assert idempotency_key("e", "pay", 1) == "e/pay~1"
    assert idempotency_key("e", "pay", 0, compensation=True) == "e/pay/compensate"


def test_it_derives_a_childs_id_that_is_a_canonical_uuid() -> None:
    child = child_execution_id("e", "sub!0.1")
    assert str(uuid.UUID(child)) == child
    assert child == child_execution_id("e", "sub!0.1") != child_execution_id("e", "sub!0.2")


@given(st.text(), st.integers())
def test_it_draws_the_same_fraction_for_the_same_parts(text: str, number: int) -> None:
    assert 0 <= fraction(text, number) < 1
    assert fraction(text, number) == fraction(text, number)


@given(st.datetimes(timezones=st.just(UTC)))
def test_it_reads_back_the_instants_that_it_writes(moment: datetime) -> None:
    instant = from_datetime(moment)
    assert to_datetime(instant) == moment
    assert parse_instant(format_instant(instant)) == instant


@pytest.mark.parametrize("text", ["tomorrow", "2030-02-30T00:00:00Z", "2030-01-01", "2030-01-01T00:00:00", "24:00", ""])
def test_it_refuses_what_is_no_timestamp(text: str) -> None:
    with pytest.raises(ValueError, match="no timestamp"):
        parse_instant(text)


def test_it_refuses_an_instant_without_a_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        from_datetime(datetime(2030, 1, 1))  # noqa: DTZ001 - what is refused

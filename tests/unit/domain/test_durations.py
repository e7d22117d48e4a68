"""Durations and quantities: what authors write, what it counts, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.domain.durations import MAX_DURATION, format_duration, parse_duration
from orchestration.domain.quantities import format_cpu, format_size, parse_cpu, parse_size


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("250ms", 250_000),
        ("30s", 30_000_000),
        ("5m", 300_000_000),
        ("1h30m", 5_400_000_000),
        ("7d", 604_800_000_000),
        ("1d2h3m4s5ms6us", 93_784_005_006),
        ("0s", 0),
        ("90m", 5_400_000_000),
        (10, 10_000_000),
        (0, 0),
        (0.06, 60_000),
        (0.25, 250_000),
    ],
)
def test_it_reads_texts_and_numbers_of_seconds(text: str | float, microseconds: int) -> None:
    assert parse_duration(text) == microseconds


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "10",
            "1m1h",
            "1s1s",
            "7days",
            "5 minutes",
            " 5m",
            "5m ",
            "soon",
            "1x",
            "-1s",
            "1.5s",
            "1S",
            "5m\n",
            "1ms1s",
        ),
        *("\uff11s", "366000d", "9" * 400 + "s"),
        *(-1, -0.5, True, False, float("nan"), float("inf"), 1e15, None, [], {}),
    ],
)
def test_it_refuses_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(0, "0s"), (100_000, "100ms"), (90_000_000, "1m30s"), (3_600_000_000, "1h"), (1, "1us"), (-90_000, "-90ms")],
)
def test_it_writes_the_largest_unit_first_and_no_zero_parts(microseconds: int, text: str) -> None:
    assert format_duration(microseconds) == text


@given(st.integers(0, MAX_DURATION))
def test_it_reads_what_it_wrote(microseconds: int) -> None:
    assert parse_duration(format_duration(microseconds)) == microseconds


def test_it_reads_cpu_as_millicores_or_cores() -> None:
    assert [parse_cpu("500m"), parse_cpu("2"), parse_cpu(1.5), parse_cpu("0.25")] == [500, 2000, 1500, 250]
    assert [format_cpu(500), format_cpu(2000)] == ["500m", "2"]


def test_it_reads_sizes_with_decimal_and_binary_units() -> None:
    assert [parse_size("256Mi"), parse_size("1Gi"), parse_size("10M"), parse_size(7)] == [2**28, 2**30, 10**7, 7]
    assert [format_size(2**28), format_size(2**30), format_size(1000), format_size(0)] == ["256Mi", "1Gi", "1000", "0"]


@pytest.mark.parametrize("amount", ["", "1 Gi", "Gi", "-1", "1e3", "1gi", True, -1, float("nan"), None, "9" * 16])
def test_it_refuses_what_is_no_amount(amount: object) -> None:
    for parse in (parse_cpu, parse_size):
        with pytest.raises(ValueError, match=r"CPU|size|amount"):
            parse(amount)  # type: ignore[arg-type]

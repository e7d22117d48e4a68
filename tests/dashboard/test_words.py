"""Durations, instants, JSON and examples, as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.words.times import countdown_words, duration_words, elapsed_words, micros, moment_of, round_scale
from dashboard.words.values import SHOWN_CHARACTERS, error_sentence, example_input, pretty, short

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("us", "words"),
    [
        (0, "0 ms"),
        (350_400, "350 ms"),
        (999_600, "1.0 s"),
        (2_140_000, "2.1 s"),
        (59_960_000, "59 s"),
        (70 * SECOND, "1 min 10 s"),
        (120 * SECOND, "2 min"),
        (7_500 * SECOND, "2 h 5 min"),
        (273_600 * SECOND, "3 d 4 h"),
        (-5, "0 ms"),
    ],
)
def test_it_says_how_long_something_took(us: int, words: str):
    assert duration_words(us) == words


def test_it_counts_on_in_whole_seconds():
    assert [elapsed_words(us) for us in (0, 999_999, 61 * SECOND)] == ["0 s", "0 s", "1 min 1 s"]


def test_it_counts_down_to_now():
    assert [countdown_words(us) for us in (6 * SECOND, 5_000_001, 1, 0, -9)] == [
        "in 6 s",
        "in 6 s",
        "in 1 s",
        "now",
        "now",
    ]


def test_it_converts_instants_without_losing_a_microsecond():
    at = datetime(2026, 3, 9, 12, 3, 0, 123_457, tzinfo=UTC)
    assert moment_of(micros(at) or 0) == at
    assert micros(datetime(1970, 1, 2, tzinfo=UTC) + timedelta(microseconds=1)) == 86_400 * SECOND + 1


@pytest.mark.parametrize("us", [1, SECOND, 31 * SECOND, 61 * SECOND, 5 * 3600 * SECOND, 500 * 86_400 * SECOND])
def test_it_rounds_the_time_of_a_timeline_up_but_not_far(us: int):
    assert us <= round_scale(us) <= max(us * 2.5, SECOND / 10)


def test_it_makes_an_example_that_its_schema_accepts():
    from jsonschema import Draft202012Validator

    schema = {
        "type": "object",
        "required": ["id", "items", "amount", "ref"],
        "properties": {
            "id": {"type": "string", "examples": ["ORD-1"]},
            "items": {
                "type": "array",
                "items": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}},
            },
            "amount": {"type": ["number", "null"], "exclusiveMinimum": 0},
            "kind": {"enum": ["a", "b"]},
            "on": {"type": "boolean", "default": True},
            "other": {"anyOf": [{"const": 5}, {"type": "string"}]},
        },
    }
    made = example_input({"input_schema": schema})
    assert made == {
        "id": "ORD-1",
        "items": [{"n": 1}],
        "amount": 1,
        "kind": "a",
        "on": True,
        "other": 5,
        "ref": "",
    }
    assert not list(Draft202012Validator(schema).iter_errors(made))


def test_it_takes_the_variables_where_there_is_no_schema():
    assert example_input({"variables": {"a": 1}}) == {"a": 1}
    assert example_input({}) == {}


def test_it_ends_on_a_schema_without_end():
    schema: dict[str, object] = {"type": "object", "properties": {}}
    schema["properties"] = {"again": schema}
    assert example_input({"input_schema": schema})


def test_it_cuts_long_values_and_says_so():
    shown = pretty({"text": "x" * 10_000})
    assert len(shown.text) == SHOWN_CHARACTERS
    assert shown.cut > 4_000


def test_it_says_an_error_in_one_line():
    assert error_sentence({"code": "http_503", "message": "busy\n now"}) == "http_503: busy now"
    assert error_sentence({"code": "timeout", "message": "timeout"}) == "timeout"
    assert error_sentence(None) == ""
    assert short("a" * 500).endswith("…")

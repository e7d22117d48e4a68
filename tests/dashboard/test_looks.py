"""States, colours and shapes: what WCAG 2.2 AA asks of them is computed from the stylesheet itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dashboard.words.states import EXECUTION_STATES, LOOKS, heaviest, look
from orchestration.domain.lifecycle import EXECUTION, STEP_RUN

ROOT = Path(__file__).resolve().parents[2]
CSS = (ROOT / "dashboard/static/dashboard/podium.css").read_text(encoding="utf-8")
TOKENS = {name: values for name, *values in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", CSS)}
HUES = ("running", "neutral", "attention", "good", "bad")
THEMES = (0, 1)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str, theme: int) -> float:
    lighter, darker = sorted((_luminance(TOKENS[one][theme]), _luminance(TOKENS[other][theme])), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("hue", HUES)
def test_it_writes_every_state_with_enough_contrast(hue: str, theme: int):
    for ground in (f"{hue}-wash", "surface", "ground"):
        assert _contrast(hue, ground, theme) >= 4.5, ground


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", ["ground", "surface", "raised", *(f"{hue}-wash" for hue in HUES)])
def test_it_writes_text_with_enough_contrast_and_draws_edges_that_can_be_seen(ground: str, theme: int):
    assert _contrast("ink", ground, theme) >= 4.5
    assert _contrast("soft", ground, theme) >= 4.5
    assert _contrast("edge", ground, theme) >= 3


@pytest.mark.parametrize("theme", THEMES)
def test_it_keeps_stripes_and_dots_visible_on_their_bars(theme: int):
    assert _contrast("stripe", "running", theme) >= 1.5
    assert _contrast("dot", "attention", theme) >= 1.5


def test_it_knows_a_look_for_every_state_of_executions_and_step_runs():
    for table in (EXECUTION, STEP_RUN):
        for state in {table.first, *table.last, *table.table}:
            assert state in LOOKS, state
    assert set(EXECUTION_STATES) == {EXECUTION.first, *EXECUTION.last, *EXECUTION.table}


def test_it_tells_states_of_one_hue_apart_by_shape_and_word():
    for hue in HUES:
        words = [each.word for each in LOOKS.values() if each.hue == hue]
        assert len(words) == len(set(words))
    execution = [LOOKS[state] for state in EXECUTION_STATES]
    assert len({each.icon for each in execution}) == len(execution)


def test_it_has_every_shape_in_the_sprite():
    sprite = (ROOT / "templates/icons.html").read_text(encoding="utf-8")
    drawn = set(re.findall(r'<symbol id="i-([\w-]+)"', sprite))
    assert {each.icon for each in LOOKS.values()} | {"live", "off"} <= drawn


def test_it_shows_a_state_that_it_does_not_know_by_its_name():
    assert look("half_done").word == "Half done"


def test_it_lets_the_heaviest_state_of_several_stand_for_all():
    assert heaviest({"completed": 90, "failed": 1, "running": 9}) == "failed"
    assert heaviest({}) == "pending"


def test_it_makes_what_is_clicked_at_least_24_pixels_high():
    for selector in ("button, .button", "button.quiet", "input, select, textarea", ".strip a", ".choice button"):
        rule = re.search(re.escape(selector) + r" \{([^}]*)\}", CSS)
        assert rule, selector
        height = re.search(r"min-height: (\d+)px", rule[1])
        assert height, selector
        assert int(height[1]) >= 24, selector


def test_it_moves_nothing_for_those_who_asked_for_stillness():
    assert "@keyframes" not in CSS
    assert CSS.count("transition:") == 1
    assert re.search(r"prefers-reduced-motion: no-preference\) \{[^@]*transition:", CSS)

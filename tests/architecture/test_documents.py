"""The documentation says what is so: its links lead somewhere, its tables are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config.podium import live_settings_table, settings_table
from orchestration.domain.events import EVENT_TYPES
from orchestration.domain.postponement import REASONS
from orchestration.management.commands.draw_lifecycle import draw_page
from tests.architecture.tree import ROOT, named

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
MAKE = re.compile(r"\bmake ([a-z]+)\b(?= |$|`)")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_it_links_to_what_is_there(page: Path):
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert not [link for link in links if not (page.parent / link).exists()]


def test_it_lists_every_setting_as_it_is():
    page = (ROOT / "docs" / "operations" / "settings.md").read_text(encoding="utf-8")
    assert settings_table() in page, "`make docs` writes it"


def test_it_lists_every_live_setting_as_it_is():
    page = (ROOT / "docs" / "reference" / "live-settings.md").read_text(encoding="utf-8")
    assert live_settings_table() in page, "`make docs` writes it"


@pytest.mark.parametrize("word", sorted(EVENT_TYPES | REASONS))
def test_it_explains_every_entry_of_the_journal(word: str):
    page = (ROOT / "docs" / "reference" / "journal.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert any(f"`{word}`" in row.split("|")[1] for row in rows)


def test_it_draws_the_lifecycles_as_they_are():
    page = (ROOT / "docs" / "reference" / "lifecycle.md").read_text(encoding="utf-8")
    assert page == draw_page(), "`make docs` draws it"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_it_names_only_targets_that_the_makefile_has(page: Path):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    code = re.findall(r"`([^`\n]+)`|^(?:\$ )?(make .*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    named_targets = {target for parts in code for part in parts for target in MAKE.findall(part)}
    assert named_targets <= targets

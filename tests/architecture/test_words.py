"""What no file of the project says."""

from __future__ import annotations

import re

import pytest

from tests.architecture.tree import PRODUCT, ROOT, named, python_files, text_files

HERE = "tests/architecture/"
EVERYWHERE = {
    "a note of something undone": r"\b(TODO|FIXME|XXX|HACK)\b",
    "a path of some machine": r"(?<![\w.$}~-])/(work|root|home|Users)/\w",
    "a package index": r"(index-url|find-links|pypi\.org|files\.pythonhosted)",
}
IN_TESTS = {
    "a sleep: wait for a fact (tests/waiting.py)": r"\btime\.sleep\(",
    "a mock: use a fake that keeps the promise": r"\bmock\.patch|\bmonkeypatch\.setattr\(time",
}


def _found(pattern: str, paths) -> list[str]:
    seen = re.compile(pattern)
    return [
        f"{named(path)}:{number} {line.strip()[:100]}"
        for path in paths
        if not named(path).startswith(HERE)
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if seen.search(line)
    ]


@pytest.mark.parametrize("what", EVERYWHERE)
def test_it_says_nowhere(what: str):
    assert not _found(EVERYWHERE[what], text_files())


@pytest.mark.parametrize("what", IN_TESTS)
def test_it_does_not_test_with(what: str):
    assert not _found(IN_TESTS[what], (ROOT / "tests").rglob("*.py"))


def test_it_leaves_nothing_unimplemented():
    assert not _found(r"raise NotImplementedError", python_files(*PRODUCT))
